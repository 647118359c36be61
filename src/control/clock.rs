//! Time and randomness as the loops take them: the system's own, or those of a simulation.

use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt};
use masthead_plan::context::Context;

use crate::clock;

/// What the loops go by.
pub trait Clock: Send + Sync {
    /// Milliseconds since some moment; never goes back, whatever is done to the machine's time.
    fn now_ms(&self) -> u64;
    /// The time of day, in Unix seconds.
    fn now_s(&self) -> i64;
    /// What a decision may know: the time of day, and names that nobody has drawn before.
    fn context(&self) -> Context;
    /// Ends once [`Clock::now_ms`] is at least `at_ms`.
    fn until(&self, at_ms: u64) -> BoxFuture<'static, ()>;
}

/// The system's.
pub struct System(Instant);

impl System {
    /// One that begins now.
    pub fn start() -> System {
        System(Instant::now())
    }
}

impl Clock for System {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn now_s(&self) -> i64 {
        clock::now_s()
    }

    fn context(&self) -> Context {
        clock::context()
    }

    fn until(&self, at_ms: u64) -> BoxFuture<'static, ()> {
        // A moment that no clock reaches is a thousand years away.
        let at = self.0.checked_add(Duration::from_millis(at_ms.min(1000 * 365 * 86_400_000)));
        tokio::time::sleep_until(at.unwrap_or(self.0).into()).boxed()
    }
}
