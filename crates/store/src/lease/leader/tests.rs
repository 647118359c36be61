//! Terms on a clock that is driven: renewal, death, and a store that does not answer.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::{BoxFuture, FutureExt, ready};

use super::*;
use crate::clock::ManualClock;
use crate::kv::{Lease, Limits, RangeResult, TxnResult, WatchStream};
use crate::memory::Memory;
use crate::mvcc::keyspace::Retention;

/// A store whose leases can't be renewed while it is told so.
struct Deaf {
    kv: Memory,
    deaf: AtomicBool,
}

impl Kv for Deaf {
    fn range(&self, range: Range) -> BoxFuture<'_, Result<RangeResult>> {
        self.kv.range(range)
    }
    fn txn(&self, txn: Txn) -> BoxFuture<'_, Result<TxnResult>> {
        self.kv.txn(txn)
    }
    fn watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<WatchStream>> {
        self.kv.watch(request)
    }
    fn compact(&self, at: Revision) -> BoxFuture<'_, Result<()>> {
        self.kv.compact(at)
    }
    fn lease_grant(&self, ttl_s: u64, id: Option<LeaseId>) -> BoxFuture<'_, Result<Lease>> {
        self.kv.lease_grant(ttl_s, id)
    }
    fn lease_keep_alive(&self, id: LeaseId) -> BoxFuture<'_, Result<Lease>> {
        match self.deaf.load(Ordering::SeqCst) {
            true => ready(Err(Error::Unavailable("deaf".into()))).boxed(),
            false => self.kv.lease_keep_alive(id),
        }
    }
    fn lease_revoke(&self, id: LeaseId) -> BoxFuture<'_, Result<Revision>> {
        self.kv.lease_revoke(id)
    }
    fn lease_list(&self) -> BoxFuture<'_, Result<Vec<LeaseId>>> {
        self.kv.lease_list()
    }
    fn revision(&self) -> BoxFuture<'_, Result<Revision>> {
        self.kv.revision()
    }
    fn limits(&self) -> Limits {
        self.kv.limits()
    }
}

fn store() -> (Arc<Deaf>, ManualClock) {
    let clock = ManualClock::new();
    let kv = Memory::with(Arc::new(clock.clone()), Limits::ETCD, Retention::default());
    (Arc::new(Deaf { kv, deaf: AtomicBool::new(false) }), clock)
}

fn candidate(kv: &Arc<Deaf>, clock: &ManualClock, name: &'static str) -> Candidate {
    let kv: Arc<dyn Kv> = kv.clone();
    Candidate { kv, clock: Arc::new(clock.clone()), key: "leader".into(), name: name.into(), ttl_s: 10 }
}

/// Lets time pass in small steps, and everybody do what is due.
async fn pass(clock: &ManualClock, by_ms: u64) {
    for _ in 0..by_ms / 500 {
        clock.advance_ms(500);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_leader_that_holds_leads_for_ever() {
    let (kv, clock) = store();
    let mut first = candidate(&kv, &clock, "first").campaign().await.unwrap();
    let fence = first.fence();
    let held = tokio::spawn(async move { first.hold().await });
    let second = candidate(&kv, &clock, "second");
    let waiting = tokio::spawn(async move { second.campaign().await });
    pass(&clock, 60_000).await;
    assert!(!held.is_finished() && !waiting.is_finished());
    let leader = Leadership::leader(kv.as_ref(), "leader".into()).await.unwrap();
    assert_eq!(leader, Some(("first".into(), fence.clone())));
    // Killed: nobody renews any more.
    held.abort();
    pass(&clock, 10_500).await;
    let second = waiting.await.unwrap().unwrap();
    assert!(second.fence().term > fence.term);
    let late = Txn::of(vec![Op::put("state", "late")]).when(fence.compare());
    assert!(!kv.txn(late).await.unwrap().succeeded, "a write of the dead term is refused");
}

#[tokio::test]
async fn a_leader_that_cannot_renew_stops_before_another_leads() {
    let (kv, clock) = store();
    let mut first = candidate(&kv, &clock, "first").campaign().await.unwrap();
    let held = tokio::spawn(async move { first.hold().await });
    pass(&clock, 20_000).await;
    // A short outage is survived.
    kv.deaf.store(true, Ordering::SeqCst);
    pass(&clock, 5_000).await;
    assert!(!held.is_finished());
    kv.deaf.store(false, Ordering::SeqCst);
    pass(&clock, 20_000).await;
    assert!(!held.is_finished());
    kv.deaf.store(true, Ordering::SeqCst);
    let mut stopped = false;
    for _ in 0..30 {
        pass(&clock, 500).await;
        stopped |= held.is_finished();
        let gone = kv.get("leader".into()).await.unwrap().is_none();
        assert!(stopped || !gone, "the key was gone before the leader stopped");
    }
    assert!(matches!(held.await.unwrap(), Lost::Expired(Error::Unavailable(_))));
}
