//! Deadlines that move with each step → one timer that is seldom touched.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline. It is moved at each step of a connection; the timer behind it follows only when it fires or must be earlier.
pub struct Clock {
    due: Instant,
    fires: Instant,
    sleep: Pin<Box<Sleep>>,
    /// Whom the timer wakes, once it has been asked.
    waker: Option<Waker>,
}

impl Clock {
    /// A deadline.
    pub fn new(due: Instant) -> Self {
        Self { due, fires: due, sleep: Box::pin(sleep_until(due)), waker: None }
    }

    /// Moves the deadline.
    pub fn set(&mut self, due: Instant) {
        self.due = due;
    }

    /// Ready at the deadline.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_known = self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        // A timer that will wake this task needs not be asked again before it does.
        if is_known && self.due >= self.fires && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        if self.due < self.fires {
            self.move_timer();
        }
        while self.poll_timer(cx).is_ready() {
            if self.due <= self.fires {
                return Poll::Ready(());
            }
            self.move_timer();
        }
        if !is_known {
            self.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Asks the timer, which knows then whom to wake. Within tokio's budget one that is asked by a task that has used it up
    /// would know nobody.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        pin!(unconstrained(self.sleep.as_mut())).poll(cx)
    }

    fn move_timer(&mut self) {
        self.fires = self.due;
        self.sleep.as_mut().reset(self.due);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::task::coop::{consume_budget, has_budget_remaining};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_task_that_has_done_all_it_may_is_woken_at_the_deadline() {
        for is_moved in [false, true] {
            let now = Instant::now();
            let mut clock = Clock::new(now + Duration::from_secs(if is_moved { 3600 } else { 0 }));
            let mut is_spent = false;
            let fires = poll_fn(|cx| {
                if !std::mem::replace(&mut is_spent, true) {
                    if is_moved {
                        assert!(clock.poll(cx).is_pending());
                    }
                    while has_budget_remaining() && pin!(consume_budget()).poll(cx).is_ready() {}
                    clock.set(now + Duration::from_millis(5));
                }
                clock.poll(cx)
            });
            timeout(Duration::from_secs(60), fires).await.expect("nobody wakes the task");
        }
    }
}
