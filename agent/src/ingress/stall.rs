//! Steps that may have to wait → the same, or that they have waited for too long.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Nothing has moved for as many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing moved for {0} s")]
pub struct Stalled(pub u64);

/// Notices that nothing moves. The timer is made when a step has to wait for the first time.
pub struct Stall {
    after: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl Stall {
    /// A step may wait for so long.
    pub fn new(after: Duration) -> Self {
        Self { after, timer: None, is_waiting: false }
    }

    /// What has come of a step.
    ///
    /// # Errors
    /// It has waited for too long.
    pub fn watch<R>(&mut self, step: Poll<R>, cx: &mut Context<'_>) -> Poll<Result<R, Stalled>> {
        if let Poll::Ready(done) = step {
            self.is_waiting = false;
            return Poll::Ready(Ok(done));
        }
        let end = Instant::now() + self.after;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if !std::mem::replace(&mut self.is_waiting, true) {
            timer.as_mut().reset(end);
        }
        timer.as_mut().poll(cx).map(|()| Err(Stalled(self.after.as_secs())))
    }
}
