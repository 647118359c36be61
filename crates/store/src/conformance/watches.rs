//! Cases of watches.

use std::sync::Arc;

use crate::conformance::suite::{Case, next, text};
use crate::kv::{Error, EventKind, KeyRange, Op, Revision, Txn, WatchRequest};

crate::conformance_cases![
    a_watch_sees_what_comes,
    a_watch_sees_the_past,
    a_watch_of_the_future_waits,
    a_batch_is_a_whole_revision,
    a_watch_sees_its_keys_alone,
    events_carry_what_was_before,
    a_compacted_start_ends_the_watch,
    a_watch_from_the_compacted_revision_lives,
    no_write_is_missed_or_seen_twice,
];

async fn a_watch_sees_what_comes(t: &Case<'_>) {
    t.put("before", "1").await;
    let mut watch = t.watch(Revision::ZERO).await;
    let revision = t.put("a", "1").await;
    let batch = next(&mut watch).await.unwrap();
    assert_eq!((batch.revision, batch.events.len()), (revision, 1));
    let event = &batch.events[0];
    assert_eq!((event.kind, t.name(&event.kv.key), text(&event.kv.value)), (EventKind::Put, "a".into(), "1".into()));
    assert_eq!((event.kv.create_revision, event.kv.mod_revision, event.kv.version), (revision, revision, 1));
    assert_eq!(event.prev, None);
}

async fn a_watch_sees_the_past(t: &Case<'_>) {
    let first = t.put("a", "1").await;
    t.put("a", "2").await;
    t.delete("a").await;
    let mut watch = t.watch(first).await;
    for kind in [EventKind::Put, EventKind::Put, EventKind::Delete] {
        assert_eq!(next(&mut watch).await.unwrap().events[0].kind, kind);
    }
    let revision = t.put("b", "1").await;
    assert_eq!(next(&mut watch).await.unwrap().revision, revision, "and goes on with the present");
    let mut later = t.watch(first.next()).await;
    assert_eq!(next(&mut later).await.unwrap().revision, first.next());
}

async fn a_watch_of_the_future_waits(t: &Case<'_>) {
    let now = t.put("a", "1").await;
    let mut watch = t.watch(Revision(now.0 + 3)).await;
    t.put("a", "2").await;
    t.put("a", "3").await;
    let third = t.put("a", "4").await;
    assert_eq!(next(&mut watch).await.unwrap().revision, third);
}

async fn a_batch_is_a_whole_revision(t: &Case<'_>) {
    t.put("old1", "1").await;
    t.put("old2", "1").await;
    let mut watch = t.watch(Revision::ZERO).await;
    let ops =
        vec![Op::put(t.key("z"), "1"), Op::Delete { keys: KeyRange::prefix(t.key("old")) }, Op::put(t.key("a"), "1")];
    let revision = t.txn(Txn::of(ops)).await.revision;
    let batch = next(&mut watch).await.unwrap();
    assert_eq!(batch.revision, revision);
    let names: Vec<String> = batch.events.iter().map(|event| t.name(&event.kv.key)).collect();
    assert_eq!(names, ["z", "old1", "old2", "a"], "in the order they were done");
    assert!(batch.events.iter().all(|event| event.kv.mod_revision == revision));
}

async fn a_watch_sees_its_keys_alone(t: &Case<'_>) {
    let one = WatchRequest::new(KeyRange::key(t.key("b")), Revision::ZERO);
    let mut watch = t.kv.watch(one).await.unwrap();
    t.put("a", "1").await;
    t.txn(Txn::of(vec![Op::put(t.key("bb"), "1"), Op::put(t.key("b"), "2")])).await;
    let batch = next(&mut watch).await.unwrap();
    assert_eq!(batch.events.len(), 1);
    assert_eq!(t.name(&batch.events[0].kv.key), "b");
    t.delete("a").await;
    let revision = t.put("b", "3").await;
    assert_eq!(next(&mut watch).await.unwrap().revision, revision);
}

async fn events_carry_what_was_before(t: &Case<'_>) {
    let from = t.put("a", "1").await;
    let second = t.put("a", "2").await;
    t.delete("a").await;
    let mut watch = t.watch(from).await;
    assert_eq!(next(&mut watch).await.unwrap().events[0].prev, None);
    let changed = next(&mut watch).await.unwrap();
    let prev = changed.events[0].prev.clone().unwrap();
    assert_eq!((text(&prev.value), prev.mod_revision, prev.version), ("1".into(), from, 1));
    let deleted = next(&mut watch).await.unwrap();
    let prev = deleted.events[0].prev.clone().unwrap();
    assert_eq!((text(&prev.value), prev.mod_revision, prev.version), ("2".into(), second, 2));
    let kv = &deleted.events[0].kv;
    assert_eq!((kv.value.len(), kv.create_revision, kv.version), (0, Revision::ZERO, 0));
    let plain = WatchRequest::new(t.keys(), from.next());
    let mut plain = t.kv.watch(plain).await.unwrap();
    assert_eq!(next(&mut plain).await.unwrap().events[0].prev, None, "unless not asked for");
}

async fn a_compacted_start_ends_the_watch(t: &Case<'_>) {
    let first = t.put("a", "1").await;
    t.put("a", "2").await;
    let last = t.put("a", "3").await;
    t.kv.compact(last).await.unwrap();
    let mut watch = t.watch(first).await;
    match next(&mut watch).await {
        Err(Error::Compacted { at }) => assert_eq!(at, Some(last)),
        other => panic!("{other:?}"),
    }
    let end = futures::StreamExt::next(&mut watch).await;
    assert!(end.is_none(), "nothing comes after the error: {end:?}");
}

async fn a_watch_from_the_compacted_revision_lives(t: &Case<'_>) {
    t.put("a", "1").await;
    let at = t.put("a", "2").await;
    let last = t.put("a", "3").await;
    t.kv.compact(at).await.unwrap();
    let mut watch = t.watch(at).await;
    let batch = next(&mut watch).await.unwrap();
    assert_eq!((batch.revision, batch.events[0].prev.clone()), (at, None));
    let batch = next(&mut watch).await.unwrap();
    assert_eq!(batch.revision, last);
    assert_eq!(batch.events[0].prev.as_ref().map(|kv| text(&kv.value)), Some("2".to_owned()));
}

async fn no_write_is_missed_or_seen_twice(t: &Case<'_>) {
    const WRITERS: usize = 8;
    const EACH: usize = 40;
    let from = t.revision().await.next();
    let writers = (0..WRITERS).map(|writer| {
        let (kv, key) = (Arc::clone(&t.kv), t.key(&writer.to_string()));
        tokio::spawn(async move {
            for n in 0..EACH {
                kv.put(key.clone(), n.to_string().into()).await.unwrap();
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    // Some begin in the past, some in the midst: all see the same from there on.
    let mut watches = Vec::new();
    for _ in 0..4 {
        watches.push(t.watch(from).await);
        tokio::task::yield_now().await;
    }
    for mut watch in watches {
        let mut seen = Vec::new();
        while seen.len() < WRITERS * EACH {
            let batch = next(&mut watch).await.unwrap();
            assert_eq!(batch.events.len(), 1);
            seen.push(batch.revision.0);
        }
        let expect: Vec<u64> = (from.0..from.0 + (WRITERS * EACH) as u64).collect();
        assert_eq!(seen, expect);
    }
    for writer in writers {
        writer.await.unwrap();
    }
}
