//! Wakes when a lease dies or progress is due, and never else.

use std::sync::{Arc, Weak};

use futures::future::{BoxFuture, Either, select};
use std::pin::pin;

use crate::mvcc::engine::Engine;

/// How often a watcher that asked for it is told how far it has seen.
pub const PROGRESS_INTERVAL_MS: u64 = 60_000;

/// Sends [`crate::mvcc::command::Command::Expire`] to the store; `None` if the store is gone.
pub type Expire = Box<dyn Fn() -> Option<BoxFuture<'static, ()>> + Send + Sync>;

/// Runs until the engine is dropped.
pub async fn run(engine: Weak<Engine>, expire: Expire) {
    let mut progress_at_ms = None;
    loop {
        let Some(alive) = engine.upgrade() else { return };
        let (clock, wake) = (Arc::clone(alive.clock()), Arc::clone(alive.wake()));
        let now_ms = clock.now_ms();
        progress_at_ms = match progress_at_ms {
            _ if !alive.wants_progress() => None,
            Some(at_ms) if at_ms <= now_ms => {
                alive.progress();
                Some(now_ms + PROGRESS_INTERVAL_MS)
            }
            Some(at_ms) => Some(at_ms),
            None => Some(now_ms + PROGRESS_INTERVAL_MS),
        };
        let deadline_ms = alive.read().leases.next_deadline_ms();
        drop(alive);
        if deadline_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            match expire() {
                Some(expired) => expired.await,
                None => return,
            }
            // A disk that refuses the write leaves them expired: not to spin, wait for a moment.
            let still = engine.upgrade().and_then(|alive| alive.read().leases.next_deadline_ms());
            if still.is_some_and(|at_ms| at_ms <= now_ms) {
                clock.wait_until(now_ms + RETRY_MS).await;
            }
            continue;
        }
        let woken = wake.notified();
        match deadline_ms.into_iter().chain(progress_at_ms).min() {
            Some(at_ms) => match select(clock.wait_until(at_ms), pin!(woken)).await {
                Either::Left(_) | Either::Right(_) => {}
            },
            None => woken.await,
        }
    }
}

/// How long an expiry waits that could not be written.
const RETRY_MS: u64 = 500;
