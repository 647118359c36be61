//! A keyspace, its watchers and its clock together: what memory and embedded store both stand on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use futures::stream::{self, StreamExt};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::kv::{Error, Lease, LeaseId, Limits, Range, RangeResult, Result, Revision, WatchRequest, WatchStream};
use crate::mvcc::check;
use crate::mvcc::command::Effect;
use crate::mvcc::hub::{self, Hub};
use crate::mvcc::keyspace::Keyspace;

const UNBROKEN: &str = "nothing that holds this lock can panic";

/// The shared part of a store. Lock order: keyspace, then hub.
pub struct Engine {
    space: RwLock<Keyspace>,
    hub: Mutex<Hub>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    wake: Arc<Notify>,
}

impl Engine {
    /// An engine over `space`.
    pub fn new(space: Keyspace, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self {
            space: RwLock::new(space),
            hub: Mutex::new(Hub::new(limits.watch_queue_max)),
            clock,
            limits,
            wake: Arc::new(Notify::new()),
        }
    }

    /// The keyspace, to read.
    pub fn read(&self) -> RwLockReadGuard<'_, Keyspace> {
        self.space.read().expect(UNBROKEN)
    }

    /// The keyspace, to change.
    pub fn write(&self) -> RwLockWriteGuard<'_, Keyspace> {
        self.space.write().expect(UNBROKEN)
    }

    fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().expect(UNBROKEN)
    }

    /// What the store takes at most.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// What [`crate::mvcc::housekeeping`] waits on besides the clock.
    #[must_use]
    pub fn wake(&self) -> &Arc<Notify> {
        &self.wake
    }

    /// Reads at a published revision.
    ///
    /// # Errors
    /// As [`Keyspace::range`].
    pub fn range(&self, range: &Range) -> Result<RangeResult> {
        self.read().range(range)
    }

    /// Renews a lease.
    ///
    /// # Errors
    /// `LeaseNotFound`.
    pub fn renew(&self, id: LeaseId) -> Result<Lease> {
        let now_ms = self.clock.now_ms();
        // A dead lease that is not yet swept away must not come to life again.
        let mut space = self.write();
        if space.leases.get(id)?.deadline_ms <= now_ms {
            return Err(Error::LeaseNotFound(id));
        }
        space.leases.renew(id, now_ms)
    }

    /// Makes `effects` visible, all that `space` did since the last time, and tells the watchers.
    pub fn publish(&self, mut space: RwLockWriteGuard<'_, Keyspace>, effects: &[Effect]) {
        space.publish();
        // Taken before the keyspace is let go: the order of revisions is the order of batches.
        let mut hub = self.hub();
        drop(space);
        hub.broadcast(effects.iter().filter_map(|effect| match effect {
            Effect::Commit(commit) => Some(commit),
            _ => None,
        }));
        if effects.iter().any(|effect| matches!(effect, Effect::Grant { .. })) {
            self.wake.notify_one();
        }
    }

    /// Watches from a published revision on.
    ///
    /// # Errors
    /// `EmptyKey`. A start that is forgotten ends the stream instead.
    pub fn watch(&self, request: WatchRequest) -> Result<WatchStream> {
        check::range(&request.keys)?;
        if request.keys.bounds().is_none() {
            return Ok(stream::pending().boxed());
        }
        let space = self.read();
        let next = space.published().next();
        let from = if request.from == Revision::ZERO { next } else { request.from };
        let compacted = space.compacted();
        if from < compacted {
            let error = Error::Compacted { at: Some(compacted) };
            return Ok(stream::iter([Err(error)]).boxed());
        }
        let mut past: VecDeque<_> =
            space.commits(from).filter_map(|commit| hub::batch(commit, &request.keys, request.prev_kv)).collect();
        // As etcd: what was before the compacted revision can't be told any more.
        if let Some(first) = past.front_mut().filter(|batch| batch.revision == compacted) {
            first.events.iter_mut().for_each(|event| event.prev = None);
        }
        let mut hub = self.hub();
        drop(space);
        let stream = hub.add(request, from.max(next), past);
        if hub.wants_progress() {
            self.wake.notify_one();
        }
        Ok(stream)
    }

    /// Tells the watchers that asked for it how far they have seen.
    pub fn progress(&self) {
        let space = self.read();
        let revision = space.published();
        let mut hub = self.hub();
        drop(space);
        hub.progress(revision);
    }

    /// Whether a watcher asked to be told of progress.
    #[must_use]
    pub fn wants_progress(&self) -> bool {
        self.hub().wants_progress()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}
