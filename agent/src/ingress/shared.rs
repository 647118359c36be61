//! What the requests of a connection and who reads it tell each other.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::ingress::backend::now_ms;

/// What is under way on a connection.
#[derive(Debug)]
pub struct Shared {
    /// Requests that are being answered.
    answering: AtomicUsize,
    /// Answers of pods of which the client has the head and not yet the end.
    giving: AtomicUsize,
    /// When something moved last, in milliseconds of [`now_ms`].
    moved_ms: AtomicU64,
    /// The connection speaks something else now: nothing is read along any more.
    is_upgraded: AtomicBool,
}

impl Default for Shared {
    fn default() -> Self {
        let moved_ms = AtomicU64::new(now_ms());
        Self {
            answering: AtomicUsize::new(0),
            giving: AtomicUsize::new(0),
            moved_ms,
            is_upgraded: AtomicBool::new(false),
        }
    }
}

impl Shared {
    /// A request begins.
    pub fn begin(&self) {
        self.answering.fetch_add(1, Ordering::Relaxed);
        self.moved();
    }

    /// The client has the head of its answer.
    pub fn give(&self) {
        self.giving.fetch_add(1, Ordering::Relaxed);
        self.moved();
    }

    /// A request is over; it `was_given` when its answer's head was.
    pub fn end(&self, was_given: bool) {
        self.answering.fetch_sub(1, Ordering::Relaxed);
        self.giving.fetch_sub(usize::from(was_given), Ordering::Relaxed);
        self.moved();
    }

    /// A part of an answer goes out.
    pub fn moved(&self) {
        self.moved_ms.store(now_ms(), Ordering::Relaxed);
    }

    /// Both sides change to something else.
    pub fn upgrade(&self) {
        self.is_upgraded.store(true, Ordering::Relaxed);
    }

    /// Whether they have.
    pub fn is_upgraded(&self) -> bool {
        self.is_upgraded.load(Ordering::Relaxed)
    }

    /// Whether requests are being answered.
    pub fn is_answering(&self) -> bool {
        self.answering.load(Ordering::Relaxed) > 0
    }

    /// Whether there has been no request for so long.
    pub fn is_idle(&self, after: Duration) -> bool {
        !self.is_answering() && self.is_still(after)
    }

    /// Whether the client has taken nothing of its answers for so long. A pod that gives nothing is noticed before.
    pub fn is_stuck(&self, after: Duration) -> bool {
        self.giving.load(Ordering::Relaxed) > 0 && self.is_still(after)
    }

    fn is_still(&self, after: Duration) -> bool {
        let since = now_ms().saturating_sub(self.moved_ms.load(Ordering::Relaxed));
        u128::from(since) >= after.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_not_idle_and_who_is_given_nothing_is_not_stuck() {
        let (shared, hour) = (Shared::default(), Duration::from_secs(3600));
        let check = |idle: bool, stuck: bool, what: &str| {
            assert_eq!((shared.is_idle(Duration::ZERO), shared.is_stuck(Duration::ZERO)), (idle, stuck), "{what}");
            assert_eq!((shared.is_idle(hour), shared.is_stuck(hour)), (false, false), "{what}, and something moved");
        };
        check(true, false, "nobody has asked");
        shared.begin();
        shared.begin();
        check(false, false, "two wait");
        shared.give();
        check(false, true, "one is given its answer");
        shared.end(true);
        check(false, false, "the other waits on");
        shared.end(false);
        check(true, false, "all are answered");
    }
}
