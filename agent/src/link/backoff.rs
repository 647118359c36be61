//! (how often it failed, a random number) → how long to wait before the next attempt.

use std::time::Duration;

const FIRST_MS: u64 = 100;
const MAX_MS: u64 = 10_000;

/// Doubles from 0.1 s to 10 s; half of it is random, so that a thousand agents don't come back in
/// one instant.
pub fn delay(attempt: u32, random: u32) -> Duration {
    let full = (FIRST_MS << attempt.min(16)).min(MAX_MS);
    let half = full / 2;
    Duration::from_millis(half + half * u64::from(random) / u64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_is_random_and_bounded() {
        for (attempt, from, to) in [(0, 50, 100), (1, 100, 200), (6, 3200, 6400), (99, 5000, 10_000)] {
            assert_eq!(delay(attempt, 0).as_millis(), from);
            assert_eq!(delay(attempt, u32::MAX).as_millis(), to);
        }
    }
}
