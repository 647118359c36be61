//! How often something failed → how long to wait before it is tried again, as the kubelet counts (client-go's `flowcontrol.Backoff`).

/// The first wait in milliseconds.
const FIRST_MS: i64 = 10_000;
/// The longest wait in milliseconds (the kubelet's `MaxContainerBackOff`).
const MAX_MS: i64 = 300_000;

/// The wait after the next failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    delay_ms: i64,
    updated_ms: i64,
}

impl Backoff {
    /// The wait of something that was tried again `count` times and last at `at_ms`: what is left of
    /// a history after the agent's restart.
    pub fn resumed(count: u32, at_ms: i64) -> Self {
        match count {
            0 => Self::default(),
            _ => Self { delay_ms: (FIRST_MS << (count - 1).min(8)).min(MAX_MS), updated_ms: at_ms },
        }
    }

    /// Until when the failure at `failed_ms` holds the next try off; nothing when it may be tried now.
    pub fn holds_until(&self, failed_ms: i64, now_ms: i64) -> Option<i64> {
        if self.delay_ms == 0 || self.is_expired(failed_ms) {
            return None;
        }
        let until = failed_ms + self.delay_ms;
        (now_ms < until).then_some(until)
    }

    /// Notes that it is tried again now, after the failure at `failed_ms`.
    pub fn next(&mut self, failed_ms: i64, now_ms: i64) {
        let again = self.delay_ms > 0 && !self.is_expired(failed_ms);
        self.delay_ms = if again { (self.delay_ms * 2).min(MAX_MS) } else { FIRST_MS };
        self.updated_ms = now_ms;
    }

    /// The wait in milliseconds.
    pub fn delay_ms(&self) -> i64 {
        self.delay_ms
    }

    /// When it was last tried again; milliseconds since 1970.
    pub fn updated_ms(&self) -> i64 {
        self.updated_ms
    }

    /// What went well for ten minutes starts over.
    fn is_expired(&self, event_ms: i64) -> bool {
        event_ms - self.updated_ms > 2 * MAX_MS
    }
}

/// Whole seconds as Go writes a duration: `10s`, `1m20s`, `5m0s`.
pub fn go_seconds(ms: i64) -> String {
    let s = ms / 1000;
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_five_minutes_and_starts_over() {
        let mut backoff = Backoff::default();
        let mut now = 1_000_000;
        assert_eq!(backoff.holds_until(now, now), None, "the first restart is at once");
        for expect in [10, 20, 40, 80, 160, 300, 300] {
            backoff.next(now, now);
            assert_eq!(backoff.delay_ms(), expect * 1000);
            assert_eq!(backoff.holds_until(now, now), Some(now + expect * 1000));
            now += expect * 1000;
            assert_eq!(backoff.holds_until(now - expect * 1000, now), None);
        }
        let later = now + 600_001;
        assert_eq!(backoff.holds_until(later, later), None, "ten good minutes");
        backoff.next(later, later);
        assert_eq!(backoff.delay_ms(), 10_000);
    }

    #[test]
    fn durations_read_as_go_writes_them() {
        for (ms, expect) in [(0, "0s"), (10_000, "10s"), (80_000, "1m20s"), (300_000, "5m0s"), (3_600_000, "1h0m0s")] {
            assert_eq!(go_seconds(ms), expect);
        }
    }
}
