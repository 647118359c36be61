//! The view after events, by table and by a seeded run against a plain map.

use std::collections::BTreeMap;
use std::sync::Arc;

use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::{NODE, POD, REPLICA_SET};
use masthead_api::object::Object;
use serde_json::{Value, json};

use crate::cluster::event::Event;
use crate::cluster::view::{Cluster, RECOVERED_OWNER};
use crate::context::Ids;

fn object(value: Value, revision: u64) -> Arc<Object> {
    Arc::new(Object::from_value(value).unwrap().at(revision))
}

fn pod(name: &str, node: &str, owner: &str, revision: u64) -> Arc<Object> {
    let owners = match owner {
        "" => json!([]),
        uid => json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": uid, "controller": true}]),
    };
    object(
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "d", "uid": format!("uid-{name}"), "ownerReferences": owners},
            "spec": {"nodeName": node, "containers": []}}),
        revision,
    )
}

fn names<'a>(objects: impl Iterator<Item = &'a Arc<Object>>) -> Vec<String> {
    objects.map(|o| o.key().name.clone()).collect()
}

#[test]
fn stale_events_change_nothing() {
    let mut cluster = Cluster::default();
    assert!(cluster.apply(Event::Put(pod("a", "", "", 5))).is_some());
    assert_eq!(cluster.apply(Event::Put(pod("a", "n1", "", 5))), None);
    assert_eq!(cluster.apply(Event::Put(pod("a", "n1", "", 4))), None);
    assert_eq!(cluster.apply(Event::Gone(pod("a", "", "", 0).key().clone(), 4)), None);
    assert_eq!(names(cluster.pods_unscheduled()), ["a"]);
    assert_eq!(cluster.revision(), 5);
    let changed = cluster.apply(Event::Gone(pod("a", "", "", 0).key().clone(), 6)).unwrap();
    assert_eq!((changed.old.is_some(), changed.new.is_some()), (true, false));
    assert_eq!(cluster.apply(Event::Gone(pod("a", "", "", 0).key().clone(), 7)), None);
    assert!(cluster.is_empty());
    assert_eq!(cluster.pods_unscheduled().count(), 0);
}

#[test]
fn a_clone_does_not_see_later_writes() {
    let mut cluster = Cluster::default();
    cluster.apply(Event::Put(pod("a", "n1", "o", 1)));
    let before = cluster.clone();
    cluster.apply(Event::Put(pod("b", "n1", "o", 2)));
    cluster.apply(Event::Gone(pod("a", "", "", 0).key().clone(), 3));
    assert_eq!(names(before.pods_on("n1")), ["a"]);
    assert_eq!(names(before.owned_by("o")), ["a"]);
    assert_eq!(names(cluster.pods_on("n1")), ["b"]);
}

#[test]
fn what_does_not_decode_is_told_and_skipped() {
    let mut cluster = Cluster::default();
    let bad = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bad", "namespace": "d"}, "spec": {"containers": 7}});
    cluster.apply(Event::Put(object(bad, 1)));
    cluster.apply(Event::Put(pod("good", "n1", "", 2)));
    assert_eq!(cluster.list::<Pod>("d").count(), 1);
    assert_eq!(cluster.in_namespace(POD, "d").count(), 2);
    let faults: Vec<_> = cluster.faults().collect();
    assert!(faults.len() == 1 && faults[0].0.name == "bad" && faults[0].1.revision == 1, "{faults:?}");
    cluster.apply(Event::Put(pod("bad", "n1", "", 3)));
    assert_eq!(cluster.faults().count(), 0);
    assert_eq!(cluster.pod_count_on("n1"), 2);
}

#[test]
fn recovered_pods_are_found_until_they_are_owned() {
    let recovered = |owners: Value, revision| {
        object(
            json!({"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": "n", "containers": []},
                "metadata": {"name": "p", "namespace": "d", "annotations": {RECOVERED_OWNER: "ReplicaSet/x"}, "ownerReferences": owners}}),
            revision,
        )
    };
    let mut cluster = Cluster::default();
    cluster.apply(Event::Put(recovered(json!([]), 1)));
    assert_eq!(names(cluster.recovered("d")), ["p"]);
    let owner = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u", "controller": true}]);
    cluster.apply(Event::Put(recovered(owner, 2)));
    assert_eq!(cluster.recovered("d").count(), 0);
    assert_eq!(cluster.orphans(POD, "d").count(), 0);
}

/// Random puts and removals; each index must be what a scan over all objects finds.
#[test]
fn indexes_agree_with_a_scan() {
    for seed in 0..50 {
        let mut ids = Ids::new(seed);
        let mut cluster = Cluster::default();
        let mut plain: BTreeMap<ObjectKey, Arc<Object>> = BTreeMap::new();
        for revision in 1..200 {
            let name = format!("p{}", ids.below(12));
            if ids.below(4) == 0 {
                let key = ObjectKey::new(POD, "d", name);
                cluster.apply(Event::Gone(key.clone(), revision));
                plain.remove(&key);
            } else {
                let (node, owner) = (["", "n1", "n2"][ids.below(3) as usize], ["", "o1", "o2"][ids.below(3) as usize]);
                let object = pod(&name, node, owner, revision);
                plain.insert(object.key().clone(), object.clone());
                cluster.apply(Event::Put(object));
            }
            let scan = |keep: &dyn Fn(&Pod) -> bool| -> Vec<String> {
                plain.values().filter(|o| keep(&o.typed::<Pod>().unwrap())).map(|o| o.key().name.clone()).collect()
            };
            for node in ["n1", "n2"] {
                assert_eq!(names(cluster.pods_on(node)), scan(&|p| p.spec.node_name == node), "seed {seed}");
            }
            assert_eq!(names(cluster.pods_unscheduled()), scan(&|p| p.spec.node_name.is_empty()), "seed {seed}");
            for owner in ["o1", "o2"] {
                let owned = |p: &Pod| p.metadata.owner_references.iter().any(|o| o.uid == owner);
                assert_eq!(names(cluster.owned_by(owner)), scan(&owned), "seed {seed}");
            }
            assert_eq!(names(cluster.orphans(POD, "d")), scan(&|p| p.metadata.owner_references.is_empty()));
            assert_eq!(cluster.orphans(REPLICA_SET, "d").count(), 0);
            assert_eq!(cluster.len(), plain.len());
            assert_eq!(cluster.of_kind(NODE).count(), 0);
        }
    }
}
