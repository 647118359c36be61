//! The store in memory: for tests, simulations and whoever needs no durability.

use std::sync::{Arc, OnceLock};

use futures::future::{BoxFuture, FutureExt, ready};

use crate::clock::{Clock, SystemClock};
use crate::kv::{
    Kv, Lease, LeaseId, Limits, Range, RangeResult, Result, Revision, Txn, TxnResult, WatchRequest, WatchStream,
};
use crate::mvcc::command::{Command, Reply};
use crate::mvcc::engine::Engine;
use crate::mvcc::housekeeping;
use crate::mvcc::keyspace::{Keyspace, Retention};

/// A store in memory. Leases expire, and progress is told, where it is used within tokio.
pub struct Memory {
    engine: Arc<Engine>,
    housekeeping: OnceLock<()>,
}

impl Memory {
    /// An empty store with etcd's limits.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Arc::new(SystemClock::new()), Limits::ETCD, Retention::default())
    }

    /// An empty store.
    #[must_use]
    pub fn with(clock: Arc<dyn Clock>, limits: Limits, retention: Retention) -> Self {
        let engine = Engine::new(Keyspace::new(limits, retention), limits, clock);
        Self { engine: Arc::new(engine), housekeeping: OnceLock::new() }
    }

    fn execute(&self, command: Command) -> Result<Reply> {
        execute(&self.engine, command)
    }

    /// Starts the housekeeping with the first lease or watch that needs it.
    fn keep_house(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        self.housekeeping.get_or_init(|| {
            let weak = Arc::downgrade(&self.engine);
            let target = weak.clone();
            let expire = Box::new(move || {
                let engine = target.upgrade()?;
                // Expiry can't fail: it skips what is no longer there.
                drop(execute(&engine, Command::Expire));
                Some(ready(()).boxed())
            });
            runtime.spawn(housekeeping::run(weak, expire));
        });
    }
}

fn execute(engine: &Engine, command: Command) -> Result<Reply> {
    let now_ms = engine.clock().now_ms();
    let mut space = engine.write();
    let (reply, effects) = space.execute(command, now_ms)?;
    if !effects.is_empty() {
        engine.publish(space, &effects);
    }
    Ok(reply)
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Kv for Memory {
    fn range(&self, range: Range) -> BoxFuture<'_, Result<RangeResult>> {
        ready(self.engine.range(&range)).boxed()
    }

    fn txn(&self, txn: Txn) -> BoxFuture<'_, Result<TxnResult>> {
        ready(self.execute(Command::Txn(txn)).and_then(Reply::txn)).boxed()
    }

    fn watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<WatchStream>> {
        if request.progress {
            self.keep_house();
        }
        ready(self.engine.watch(request)).boxed()
    }

    fn compact(&self, at: Revision) -> BoxFuture<'_, Result<()>> {
        ready(self.execute(Command::Compact(at)).and_then(Reply::done)).boxed()
    }

    fn lease_grant(&self, ttl_s: u64, id: Option<LeaseId>) -> BoxFuture<'_, Result<Lease>> {
        self.keep_house();
        ready(self.execute(Command::Grant { ttl_s, id }).and_then(Reply::granted)).boxed()
    }

    fn lease_keep_alive(&self, id: LeaseId) -> BoxFuture<'_, Result<Lease>> {
        ready(self.engine.renew(id)).boxed()
    }

    fn lease_revoke(&self, id: LeaseId) -> BoxFuture<'_, Result<Revision>> {
        ready(self.execute(Command::Revoke(id)).and_then(Reply::revoked)).boxed()
    }

    fn lease_list(&self) -> BoxFuture<'_, Result<Vec<LeaseId>>> {
        ready(self.execute(Command::Leases).and_then(Reply::leases)).boxed()
    }

    fn revision(&self) -> BoxFuture<'_, Result<Revision>> {
        ready(Ok(self.engine.read().published())).boxed()
    }

    fn limits(&self) -> Limits {
        self.engine.limits()
    }
}
