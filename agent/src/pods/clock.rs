//! The time of day for the loops; in a simulation it follows tokio's clock, so that a test can turn it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Tells milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's.
    System,
    /// Starts at `base_ms` and goes `speed` times as fast as tokio's clock.
    Simulated {
        /// Where it starts.
        base_ms: i64,
        /// When it started.
        since: Instant,
        /// At least 1.
        speed: u32,
    },
}

impl Clock {
    /// A clock for tests that stands at `base_ms` now and goes `speed` times too fast.
    pub fn simulated(base_ms: i64, speed: u32) -> Self {
        Self::Simulated { base_ms, since: Instant::now(), speed: speed.max(1) }
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::System => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
            }
            Self::Simulated { base_ms, since, speed } => {
                let passed = since.elapsed().saturating_mul(*speed);
                base_ms + i64::try_from(passed.as_millis()).unwrap_or(i64::MAX)
            }
        }
    }

    /// When the clock will show `at_ms`.
    pub fn instant(&self, at_ms: i64) -> Instant {
        let wait_ms = u64::try_from(at_ms.saturating_sub(self.now_ms())).unwrap_or(0);
        Instant::now() + self.duration(Duration::from_millis(wait_ms))
    }

    /// How long a time of this clock takes. A wait that overflows is as good as none: a year.
    pub fn duration(&self, time: Duration) -> Duration {
        let time = time.min(Duration::from_secs(365 * 24 * 3600));
        match self {
            Self::System => time,
            Self::Simulated { speed, .. } => time / *speed,
        }
    }
}
