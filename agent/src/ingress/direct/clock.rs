//! Deadlines that move with each step → one timer that is seldom touched.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

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
        while self.sleep.as_mut().poll(cx).is_ready() {
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

    fn move_timer(&mut self) {
        self.fires = self.due;
        self.sleep.as_mut().reset(self.due);
    }
}
