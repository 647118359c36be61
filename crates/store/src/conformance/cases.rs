//! Cases of reads, writes, transactions and compaction.

use std::sync::Arc;

use bytes::Bytes;

use crate::conformance::suite::{Case, text};
use crate::kv::{Compare, Error, KeyRange, LeaseId, Op, OpResult, Range, Relation, Revision, Target, Txn};

crate::conformance_cases![
    a_key_counts_its_versions,
    ranges_have_bounds_limits_and_counts,
    old_revisions_can_be_read,
    a_future_revision_is_refused,
    a_transaction_is_one_revision,
    a_transaction_that_changes_nothing_makes_no_revision,
    comparisons_choose_the_branch,
    steps_see_the_steps_before,
    a_key_written_twice_is_refused,
    an_empty_key_is_refused,
    limits_are_checked_before_anything_is_done,
    a_refused_transaction_does_nothing,
    any_bytes_can_be_stored,
    many_keys_come_in_order,
    compaction_forgets_what_was_superseded,
    counters_lose_no_increment,
];

async fn a_key_counts_its_versions(t: &Case<'_>) {
    assert_eq!(t.kv.get(t.key("a")).await.unwrap(), None);
    let created = t.put("a", "1").await;
    let changed = t.put("a", "2").await;
    assert_eq!(changed, created.next());
    let kv = t.kv.get(t.key("a")).await.unwrap().unwrap();
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version), (created, changed, 2));
    assert_eq!((text(&kv.value), kv.lease), ("2".to_owned(), LeaseId::NONE));
    assert!(t.delete("a").await);
    assert!(!t.delete("a").await);
    let again = t.put("a", "3").await;
    let kv = t.kv.get(t.key("a")).await.unwrap().unwrap();
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version), (again, again, 1));
}

async fn ranges_have_bounds_limits_and_counts(t: &Case<'_>) {
    for name in ["a", "b", "b/1", "c", "d"] {
        t.put(name, "v").await;
    }
    let check = async |range: Range, expect: &[&str], more: bool, count: u64| {
        let read = t.kv.range(range.clone()).await.unwrap();
        let names: Vec<String> = read.kvs.iter().map(|kv| t.name(&kv.key)).collect();
        assert_eq!(
            (names.as_slice(), read.more, read.count),
            (&expect.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()[..], more, count),
            "{range:?}"
        );
        assert_eq!(read.revision, t.revision().await);
    };
    let all = || Range::new(t.keys());
    check(all(), &["a", "b", "b/1", "c", "d"], false, 5).await;
    check(all().limit(2), &["a", "b"], true, 5).await;
    check(all().limit(5), &["a", "b", "b/1", "c", "d"], false, 5).await;
    check(all().limit(0), &[], true, 5).await;
    check(all().count_only(), &[], false, 5).await;
    check(Range::key(t.key("b")), &["b"], false, 1).await;
    check(Range::key(t.key("x")), &[], false, 0).await;
    check(Range::prefix(t.key("b")), &["b", "b/1"], false, 2).await;
    check(Range::new(KeyRange::between(t.key("b"), t.key("c"))), &["b", "b/1"], false, 2).await;
    check(Range::new(KeyRange::between(t.key("c"), t.key("b"))), &[], false, 0).await;
    check(Range::new(KeyRange::between(t.key("c"), t.key("c"))), &[], false, 0).await;
    check(Range::new(KeyRange::between(t.key("c"), Bytes::new())), &[], false, 0).await;
    let keys = t.kv.range(all().keys_only()).await.unwrap();
    assert!(keys.kvs.iter().all(|kv| kv.value.is_empty() && kv.version == 1));
    let everything = t.kv.range(Range::new(KeyRange::all())).await.unwrap();
    assert!(everything.count >= 5);
}

async fn old_revisions_can_be_read(t: &Case<'_>) {
    let first = t.put("a", "1").await;
    let second = t.put("b", "1").await;
    let third = t.put("a", "2").await;
    t.delete("b").await;
    let at = async |revision| t.read(Range::new(t.keys()).at(revision)).await;
    let kv = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(at(first).await, [kv("a", "1")]);
    assert_eq!(at(second).await, [kv("a", "1"), kv("b", "1")]);
    assert_eq!(at(third).await, [kv("a", "2"), kv("b", "1")]);
    assert_eq!(t.all().await, [kv("a", "2")]);
    assert_eq!(at(Revision::ZERO).await, [kv("a", "2")]);
    let old = t.kv.range(Range::new(t.keys()).at(first)).await.unwrap();
    assert_eq!(old.revision, t.revision().await, "the answer carries the newest revision");
}

async fn a_future_revision_is_refused(t: &Case<'_>) {
    let future = t.put("a", "1").await.next();
    let error = t.kv.range(Range::key(t.key("a")).at(future)).await.unwrap_err();
    assert!(matches!(error, Error::FutureRevision), "{error:?}");
    assert_eq!(error.to_string(), "mvcc: required revision is a future revision");
    let error = t.kv.compact(future).await.unwrap_err();
    assert!(matches!(error, Error::FutureRevision), "{error:?}");
}

async fn a_transaction_is_one_revision(t: &Case<'_>) {
    let before = t.put("old", "x").await;
    let ops = vec![Op::put(t.key("a"), "1"), Op::put(t.key("b"), "2"), Op::delete(t.key("old"))];
    let result = t.txn(Txn::of(ops)).await;
    assert!(result.succeeded);
    assert_eq!(result.revision, before.next());
    assert_eq!(result.responses, [OpResult::Put, OpResult::Put, OpResult::Delete { deleted: 1 }]);
    let read = t.kv.range(Range::new(t.keys())).await.unwrap();
    assert!(read.kvs.iter().all(|kv| kv.mod_revision == result.revision));
    assert_eq!(read.count, 2);
}

async fn a_transaction_that_changes_nothing_makes_no_revision(t: &Case<'_>) {
    let before = t.put("a", "1").await;
    let gone = t.txn(Txn::of(vec![Op::delete(t.key("x"))])).await;
    assert_eq!((gone.revision, gone.responses), (before, vec![OpResult::Delete { deleted: 0 }]));
    let read = t.txn(Txn::of(vec![Op::get(Range::key(t.key("a")))])).await;
    assert_eq!(read.revision, before);
    assert_eq!(t.txn(Txn::default()).await.revision, before);
    let same = t.put("a", "1").await;
    assert_eq!(same, before.next(), "the same value again is a write");
}

async fn comparisons_choose_the_branch(t: &Case<'_>) {
    let created = t.put("a", "m").await;
    let changed = t.put("a", "m").await;
    let check = async |name: &str, relation, target: Target, expect: bool| {
        let compare = Compare::new(t.key(name), relation, target.clone());
        let txn = Txn::of(vec![Op::get(Range::key(t.key("a")))]).when(compare);
        assert_eq!(t.txn(txn).await.succeeded, expect, "{name} {relation:?} {target:?}");
    };
    use Relation::{Equal, Greater, Less, NotEqual};
    check("a", Equal, Target::ModRevision(changed), true).await;
    check("a", Equal, Target::ModRevision(created), false).await;
    check("a", Greater, Target::ModRevision(created), true).await;
    check("a", NotEqual, Target::ModRevision(changed), false).await;
    check("a", Equal, Target::CreateRevision(created), true).await;
    check("a", Less, Target::CreateRevision(changed), true).await;
    check("a", Equal, Target::Version(2), true).await;
    check("a", Greater, Target::Version(2), false).await;
    check("a", Equal, Target::Value("m".into()), true).await;
    check("a", Greater, Target::Value("l".into()), true).await;
    check("a", Less, Target::Value("ma".into()), true).await;
    check("a", Equal, Target::Lease(LeaseId::NONE), true).await;
    check("absent", Equal, Target::ModRevision(Revision::ZERO), true).await;
    check("absent", Equal, Target::CreateRevision(Revision::ZERO), true).await;
    check("absent", Equal, Target::Version(0), true).await;
    check("absent", Equal, Target::Value(Bytes::new()), false).await;
    check("absent", NotEqual, Target::Value("m".into()), false).await;
    let both = Txn::of(vec![Op::put(t.key("x"), "yes")])
        .when(Compare::unchanged(t.key("a"), changed))
        .when(Compare::absent(t.key("a")))
        .or_else(Op::put(t.key("x"), "no"));
    let result = t.txn(both).await;
    assert!(!result.succeeded);
    assert_eq!(t.read(Range::key(t.key("x"))).await, [("x".to_owned(), "no".to_owned())]);
}

async fn steps_see_the_steps_before(t: &Case<'_>) {
    t.put("a", "1").await;
    t.put("b", "1").await;
    let before = t.revision().await;
    let read = || Op::get(Range::new(t.keys()));
    let ops = vec![
        read(),
        Op::put(t.key("c"), "new"),
        read(),
        Op::delete(t.key("a")),
        read(),
        Op::get(Range::new(t.keys()).at(before)),
        Op::Delete { keys: KeyRange::prefix(t.key("a")) },
    ];
    let result = t.txn(Txn::of(ops)).await;
    let names: Vec<(Vec<String>, Revision)> = result
        .responses
        .iter()
        .filter_map(|response| match response {
            OpResult::Get(read) => Some((read.kvs.iter().map(|kv| t.name(&kv.key)).collect(), read.revision)),
            _ => None,
        })
        .collect();
    let expect = |names: &[&str], revision| (names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), revision);
    let own = result.revision;
    assert_eq!(
        names,
        [
            expect(&["a", "b"], before),
            expect(&["a", "b", "c"], own),
            expect(&["b", "c"], own),
            expect(&["a", "b"], own),
        ]
    );
    assert_eq!(result.responses.last(), Some(&OpResult::Delete { deleted: 0 }));
}

async fn a_key_written_twice_is_refused(t: &Case<'_>) {
    let check = async |ops: Vec<Op>, refused: bool| {
        let result = t.kv.txn(Txn::of(ops.clone())).await;
        let duplicate = matches!(result, Err(Error::DuplicateKey));
        assert_eq!(duplicate, refused, "{ops:?}: {result:?}");
    };
    let put = |name: &str| Op::put(t.key(name), "1");
    let delete = |name: &str| Op::Delete { keys: KeyRange::prefix(t.key(name)) };
    check(vec![put("a"), put("a")], true).await;
    check(vec![put("a"), Op::delete(t.key("a"))], true).await;
    check(vec![Op::delete(t.key("a")), put("a")], true).await;
    check(vec![delete("a"), put("abc")], true).await;
    check(vec![delete("a"), put("b")], false).await;
    check(vec![delete("a"), delete("ab")], false).await;
    let both = Txn { success: vec![put("x")], failure: vec![put("y"), put("y")], ..Txn::default() };
    let result = t.kv.txn(both).await;
    assert!(matches!(result, Err(Error::DuplicateKey)), "the other branch counts, too: {result:?}");
    let each = Txn { success: vec![put("x")], failure: vec![put("x")], ..Txn::default() };
    assert!(t.kv.txn(each).await.is_ok(), "once in each branch is right");
}

async fn an_empty_key_is_refused(t: &Case<'_>) {
    let empty = Bytes::new;
    let check = |name: &str, result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::EmptyKey)), "{name}: {result:?}");
    };
    check("put", t.kv.put(empty(), "x".into()).await.map(drop));
    check("delete", t.kv.delete(empty()).await.map(drop));
    check("get", t.kv.get(empty()).await.map(drop));
    let compare = Txn::default().when(Compare::absent(empty()));
    check("compare", t.kv.txn(compare).await.map(drop));
    let watch = crate::kv::WatchRequest::new(KeyRange::key(empty()), Revision::ZERO);
    check("watch", t.kv.watch(watch).await.map(drop));
}

async fn limits_are_checked_before_anything_is_done(t: &Case<'_>) {
    let limits = t.kv.limits();
    let ops = |count: usize| (0..count).map(|n| Op::put(t.key(&n.to_string()), "1")).collect();
    let before = t.revision().await;
    let many = t.kv.txn(Txn::of(ops(limits.txn_ops_max + 1))).await;
    assert!(matches!(many, Err(Error::TooManyOps { .. })), "{many:?}");
    let large = Bytes::from(vec![b'x'; limits.value_bytes_max + 1]);
    let large = t.kv.put(t.key("large"), large).await;
    assert!(matches!(large, Err(Error::TooLarge { .. })), "{large:?}");
    assert_eq!(t.revision().await, before);
    assert!(t.txn(Txn::of(ops(limits.txn_ops_max))).await.succeeded);
    assert_eq!(t.all().await.len(), limits.txn_ops_max);
}

async fn a_refused_transaction_does_nothing(t: &Case<'_>) {
    let before = t.put("a", "1").await;
    let lease = LeaseId(0x7777_7777);
    let put = Op::Put { key: t.key("b"), value: "1".into(), lease };
    let refused = t.kv.txn(Txn::of(vec![Op::put(t.key("c"), "1"), put])).await;
    assert!(matches!(refused, Err(Error::LeaseNotFound(_))), "{refused:?}");
    let read = Op::get(Range::key(t.key("a")).at(before.next().next()));
    let refused = t.kv.txn(Txn::of(vec![Op::put(t.key("c"), "1"), read])).await;
    assert!(matches!(refused, Err(Error::FutureRevision)), "{refused:?}");
    assert_eq!(t.revision().await, before);
    assert_eq!(t.all().await.len(), 1);
}

async fn any_bytes_can_be_stored(t: &Case<'_>) {
    let every: Bytes = (0..=255).collect::<Vec<u8>>().into();
    let key: Bytes = [t.key("").as_ref(), every.as_ref()].concat().into();
    let last: Bytes = [t.key("").as_ref(), &[0xff, 0xff]].concat().into();
    t.kv.put(key.clone(), every.clone()).await.unwrap();
    t.kv.put(last.clone(), Bytes::new()).await.unwrap();
    assert_eq!(t.kv.get(key).await.unwrap().unwrap().value, every);
    assert_eq!(t.kv.get(last.clone()).await.unwrap().unwrap().value, Bytes::new());
    assert_eq!(t.kv.range(Range::prefix(last)).await.unwrap().count, 1);
}

async fn many_keys_come_in_order(t: &Case<'_>) {
    const KEYS: usize = 2500;
    let name = |n: usize| format!("{:05}", (n * 7919) % KEYS);
    for chunk in (0..KEYS).collect::<Vec<_>>().chunks(100) {
        t.txn(Txn::of(chunk.iter().map(|n| Op::put(t.key(&name(*n)), "v")).collect())).await;
    }
    let at = t.revision().await;
    let read = t.kv.range(Range::new(t.keys())).await.unwrap();
    assert_eq!((read.kvs.len(), read.count, read.more), (KEYS, KEYS as u64, false));
    assert!(read.kvs.is_sorted_by(|a, b| a.key < b.key));
    let some = t.kv.range(Range::new(t.keys()).limit(2100)).await.unwrap();
    assert_eq!((some.kvs.len(), some.more, some.count), (2100, true, KEYS as u64));
    let deleted = t.txn(Txn::of(vec![Op::Delete { keys: t.keys() }])).await;
    assert_eq!(deleted.responses, [OpResult::Delete { deleted: KEYS as u64 }]);
    assert_eq!(t.read(Range::new(t.keys()).at(at)).await.len(), KEYS);
    assert_eq!(t.all().await.len(), 0);
}

async fn compaction_forgets_what_was_superseded(t: &Case<'_>) {
    let first = t.put("a", "1").await;
    t.put("gone", "1").await;
    t.delete("gone").await;
    let at = t.put("a", "2").await;
    let last = t.put("a", "3").await;
    t.kv.compact(at).await.unwrap();
    let read = async |revision| t.kv.range(Range::new(t.keys()).at(revision)).await;
    let error = read(first).await.unwrap_err();
    assert!(matches!(error, Error::Compacted { .. }), "{error:?}");
    assert!(error.to_string().starts_with("mvcc: required revision has been compacted"));
    assert_eq!(text(&read(at).await.unwrap().kvs[0].value), "2");
    assert_eq!(text(&read(last).await.unwrap().kvs[0].value), "3");
    for again in [at, first] {
        let error = t.kv.compact(again).await.unwrap_err();
        assert!(matches!(error, Error::Compacted { .. }), "{error:?}");
    }
    t.kv.compact(last).await.unwrap();
    assert_eq!(t.all().await, [("a".to_owned(), "3".to_owned())]);
    let kv = t.kv.get(t.key("a")).await.unwrap().unwrap();
    assert_eq!((kv.version, kv.create_revision), (3, first), "what a key is outlives its history");
}

async fn counters_lose_no_increment(t: &Case<'_>) {
    const TASKS: u64 = 16;
    const EACH: u64 = 25;
    let key = t.key("counter");
    let tasks = (0..TASKS).map(|_| {
        let (kv, key) = (Arc::clone(&t.kv), key.clone());
        tokio::spawn(async move {
            for _ in 0..EACH {
                let mut seen = kv.get(key.clone()).await.unwrap();
                loop {
                    let (at, count) = seen
                        .as_ref()
                        .map_or((Revision::ZERO, 0), |kv| (kv.mod_revision, text(&kv.value).parse::<u64>().unwrap()));
                    let txn = Txn::of(vec![Op::put(key.clone(), (count + 1).to_string())])
                        .when(Compare::unchanged(key.clone(), at))
                        .or_else(Op::get(Range::key(key.clone())));
                    let mut result = kv.txn(txn).await.unwrap();
                    match result.responses.pop() {
                        Some(OpResult::Get(mut read)) => seen = read.kvs.pop(),
                        _ => break,
                    }
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let kv = t.kv.get(key).await.unwrap().unwrap();
    assert_eq!(text(&kv.value), (TASKS * EACH).to_string());
    assert_eq!(kv.version, TASKS * EACH, "every increment was one write");
}
