//! Cases of leases and of the election that stands on them.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::SystemClock;
use crate::conformance::suite::{Case, next};
use crate::kv::{Compare, Error, EventKind, LeaseId, Op, Relation, Revision, Target, Txn};
use crate::lease::leader::Candidate;

crate::conformance_cases![
    a_lease_is_granted_and_named,
    a_revoked_lease_takes_its_keys_along,
    an_expired_lease_takes_its_keys_along,
    a_renewed_lease_lives_on,
    a_key_belongs_to_its_last_lease,
    one_leads_and_its_term_fences,
];

const TTL: Duration = Duration::from_secs(6);

async fn put_with(t: &Case<'_>, name: &str, lease: LeaseId) -> Revision {
    let op = Op::Put { key: t.key(name), value: "v".into(), lease };
    t.txn(Txn::of(vec![op])).await.revision
}

async fn a_lease_is_granted_and_named(t: &Case<'_>) {
    let before = t.revision().await;
    let named = t.kv.lease_grant(600, Some(LeaseId(42))).await.unwrap();
    assert_eq!((named.id, named.ttl_s), (LeaseId(42), 600));
    let error = t.kv.lease_grant(600, Some(LeaseId(42))).await.unwrap_err();
    assert!(matches!(error, Error::LeaseExists(LeaseId(42))), "{error:?}");
    let one = t.kv.lease_grant(600, None).await.unwrap().id;
    let other = t.kv.lease_grant(600, None).await.unwrap().id;
    assert!(one != other && one != LeaseId::NONE);
    let names = t.kv.lease_list().await.unwrap();
    assert!([LeaseId(42), one, other].iter().all(|id| names.contains(id)), "{names:?}");
    assert_eq!(t.kv.lease_keep_alive(one).await.unwrap().ttl_s, 600);
    assert_eq!(t.revision().await, before, "leases make no revision");
    for id in [LeaseId(42), one, other] {
        assert_eq!(t.kv.lease_revoke(id).await.unwrap(), before);
    }
    for result in [t.kv.lease_revoke(one).await.map(drop), t.kv.lease_keep_alive(one).await.map(drop)] {
        assert!(matches!(result, Err(Error::LeaseNotFound(id)) if id == one), "{result:?}");
    }
    for ttl_s in [0, 9_000_000_001] {
        let error = t.kv.lease_grant(ttl_s, None).await.unwrap_err();
        assert!(matches!(error, Error::LeaseTtl { .. }), "{error:?}");
    }
}

async fn a_revoked_lease_takes_its_keys_along(t: &Case<'_>) {
    let lease = t.kv.lease_grant(600, None).await.unwrap().id;
    put_with(t, "b", lease).await;
    put_with(t, "a", lease).await;
    t.put("stays", "v").await;
    let held = t.kv.get(t.key("a")).await.unwrap().unwrap();
    assert_eq!(held.lease, lease);
    let is = Compare::new(t.key("a"), Relation::Equal, Target::Lease(lease));
    assert!(t.txn(Txn::default().when(is)).await.succeeded);
    let mut watch = t.watch(Revision::ZERO).await;
    let before = t.revision().await;
    assert_eq!(t.kv.lease_revoke(lease).await.unwrap(), before.next());
    let batch = next(&mut watch).await.unwrap();
    let events: Vec<_> = batch.events.iter().map(|e| (e.kind, t.name(&e.kv.key))).collect();
    let gone = |name: &str| (EventKind::Delete, name.to_owned());
    assert_eq!((batch.revision, events), (before.next(), vec![gone("a"), gone("b")]));
    assert_eq!(t.all().await, [("stays".to_owned(), "v".to_owned())]);
}

async fn an_expired_lease_takes_its_keys_along(t: &Case<'_>) {
    let lease = t.kv.lease_grant(TTL.as_secs(), None).await.unwrap();
    put_with(t, "a", lease.id).await;
    let mut watch = t.watch(Revision::ZERO).await;
    t.fixture.pass(Duration::from_secs(lease.ttl_s)).await;
    let batch = next(&mut watch).await.unwrap();
    assert_eq!(batch.events[0].kind, EventKind::Delete);
    assert_eq!(t.all().await, []);
    assert!(!t.kv.lease_list().await.unwrap().contains(&lease.id));
    let put = Op::Put { key: t.key("b"), value: "v".into(), lease: lease.id };
    let error = t.kv.txn(Txn::of(vec![put])).await.unwrap_err();
    assert!(matches!(error, Error::LeaseNotFound(_)), "{error:?}");
}

async fn a_renewed_lease_lives_on(t: &Case<'_>) {
    let lease = t.kv.lease_grant(TTL.as_secs(), None).await.unwrap().id;
    put_with(t, "a", lease).await;
    // Renewed with two thirds of its life left, which a busy machine may take.
    for _ in 0..4 {
        t.fixture.pass(TTL / 3).await;
        assert_eq!(t.kv.lease_keep_alive(lease).await.unwrap().ttl_s, TTL.as_secs());
    }
    assert_eq!(t.all().await.len(), 1, "it has lived longer than one life");
    t.kv.lease_revoke(lease).await.unwrap();
}

async fn a_key_belongs_to_its_last_lease(t: &Case<'_>) {
    let one = t.kv.lease_grant(600, None).await.unwrap().id;
    let other = t.kv.lease_grant(600, None).await.unwrap().id;
    put_with(t, "moved", one).await;
    put_with(t, "moved", other).await;
    put_with(t, "freed", one).await;
    t.put("freed", "v").await;
    put_with(t, "deleted", one).await;
    t.delete("deleted").await;
    t.put("deleted", "v").await;
    let before = t.revision().await;
    assert_eq!(t.kv.lease_revoke(one).await.unwrap(), before, "it held nothing any more");
    t.kv.lease_revoke(other).await.unwrap();
    let names: Vec<String> = t.all().await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["deleted", "freed"]);
}

async fn one_leads_and_its_term_fences(t: &Case<'_>) {
    // By the machine's clock, whatever the store's: nothing here waits for a lease to die.
    let clock = Arc::new(SystemClock::new());
    let candidate = |name: &'static str| Candidate {
        kv: Arc::clone(&t.kv),
        clock: clock.clone(),
        key: t.key("leader"),
        name: name.into(),
        ttl_s: 600,
    };
    let first = candidate("first").campaign().await.unwrap();
    let fence = first.fence();
    let write = |value: &'static str, fence: &crate::lease::leader::Fence| {
        Txn::of(vec![Op::put(t.key("state"), value)]).when(fence.compare())
    };
    assert!(t.txn(write("by the first", &fence)).await.succeeded);
    let second = candidate("second");
    let mut waiting = tokio::spawn(async move { second.campaign().await });
    let early = tokio::time::timeout(Duration::from_millis(200), &mut waiting).await;
    assert!(early.is_err(), "two must not lead at once");
    first.resign().await.unwrap();
    let mut second = waiting.await.unwrap().unwrap();
    assert!(second.fence().term > fence.term);
    assert!(!t.txn(write("too late", &fence)).await.succeeded);
    assert!(t.txn(write("by the second", &second.fence())).await.succeeded);
    let deposed = async {
        t.delete("leader").await;
        second.hold().await
    };
    let lost = tokio::time::timeout(Duration::from_secs(120), deposed).await.unwrap();
    assert!(matches!(lost, crate::lease::leader::Lost::Deposed), "{lost:?}");
}
