//! Time for leases, as something that tests and simulations can drive.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tokio::sync::watch;

/// A clock that never runs backwards. Its zero is its own.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since its zero.
    fn now_ms(&self) -> u64;

    /// Resolves once `now_ms` is at least `at_ms`.
    fn wait_until(&self, at_ms: u64) -> BoxFuture<'static, ()>;
}

/// The machine's monotonic clock.
#[derive(Debug, Clone)]
pub struct SystemClock {
    zero: Instant,
}

impl SystemClock {
    /// A clock whose zero is now.
    #[must_use]
    pub fn new() -> Self {
        Self { zero: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn wait_until(&self, at_ms: u64) -> BoxFuture<'static, ()> {
        let at = self.zero.checked_add(Duration::from_millis(at_ms));
        Box::pin(async move {
            match at {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        })
    }
}

/// A clock that moves when it is told to.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now_ms: watch::Sender<u64>,
}

impl ManualClock {
    /// A clock that stands at zero.
    #[must_use]
    pub fn new() -> Self {
        Self { now_ms: watch::Sender::new(0) }
    }

    /// Moves it on and wakes who waits.
    pub fn advance_ms(&self, by_ms: u64) {
        self.now_ms.send_modify(|now| *now = now.saturating_add(by_ms));
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        *self.now_ms.borrow()
    }

    fn wait_until(&self, at_ms: u64) -> BoxFuture<'static, ()> {
        let mut now = self.now_ms.subscribe();
        Box::pin(async move {
            if now.wait_for(|now| *now >= at_ms).await.is_err() {
                // The clock is gone: its time stands still for ever.
                std::future::pending::<()>().await;
            }
        })
    }
}
