//! The time of day for the loops; in a simulation it follows tokio's clock, so that a test can turn it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Tells milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's.
    System,
    /// Starts at `base_ms` and goes with tokio's clock.
    Simulated {
        /// Where it starts.
        base_ms: i64,
        /// When it started.
        since: Instant,
    },
}

impl Clock {
    /// A clock for tests that stands at `base_ms` now.
    pub fn simulated(base_ms: i64) -> Self {
        Self::Simulated { base_ms, since: Instant::now() }
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::System => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
            }
            Self::Simulated { base_ms, since } => {
                base_ms + i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX)
            }
        }
    }

    /// When the clock will show `at_ms`.
    pub fn instant(&self, at_ms: i64) -> Instant {
        let wait_ms = u64::try_from(at_ms.saturating_sub(self.now_ms())).unwrap_or(0);
        // A wait that overflows the clock is as good as none: a year.
        let wait = Duration::from_millis(wait_ms.min(365 * 24 * 3_600_000));
        Instant::now() + wait
    }
}
