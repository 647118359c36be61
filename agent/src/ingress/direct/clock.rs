//! Deadlines that move with each step → one timer that is seldom touched.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline. It is moved at each step of a connection; the timer behind it follows only when it fires or must be earlier.
pub struct Clock {
    due: Instant,
    fires: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Clock {
    /// A deadline.
    pub fn new(due: Instant) -> Self {
        Self { due, fires: due, sleep: Box::pin(sleep_until(due)) }
    }

    /// Moves the deadline.
    pub fn set(&mut self, due: Instant) {
        self.due = due;
    }

    /// Ready at the deadline.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.due < self.fires {
            self.move_timer();
        }
        while self.sleep.as_mut().poll(cx).is_ready() {
            if self.due <= self.fires {
                return Poll::Ready(());
            }
            self.move_timer();
        }
        Poll::Pending
    }

    fn move_timer(&mut self) {
        self.fires = self.due;
        self.sleep.as_mut().reset(self.due);
    }
}
