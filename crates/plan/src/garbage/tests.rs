//! Owners, finalizers and namespaces, by small stories.

use std::sync::Arc;

use masthead_api::key::ObjectKey;
use masthead_api::kind::Kind;
use masthead_api::kind::registry::{CONFIG_MAP, NAMESPACE, POD, REPLICA_SET, SECRET};
use serde_json::{Value, json};

use crate::context::Ids;
use crate::control;
use crate::delete::{self, Propagation};
use crate::workload::sim::world::World;

fn owner(uid: &str, block: bool) -> Value {
    let name = format!("cm-{uid}");
    json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid, "controller": false, "blockOwnerDeletion": block})
}

fn config(uid: &str, owners: Vec<Value>) -> Value {
    let meta = json!({"name": format!("cm-{uid}"), "namespace": "ns", "uid": uid, "ownerReferences": owners});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
}

fn key(uid: &str) -> ObjectKey {
    ObjectKey::new(CONFIG_MAP, "ns", format!("cm-{uid}"))
}

fn ask_delete(world: &mut World, key: &ObjectKey, propagation: Propagation) {
    let live = world.cluster.get(key).unwrap().clone();
    let change = delete::delete(&live, None, propagation, world.time(), "a user asks for it").unwrap();
    world.change(change.unwrap());
    world.decide();
}

fn is_there(world: &World, uid: &str) -> bool {
    world.cluster.get(&key(uid)).is_some()
}

#[test]
fn dependents_go_with_their_last_owner() {
    let mut world = World::new(1, false);
    world.put(config("a", vec![]));
    world.put(config("b", vec![]));
    world.put(config("child", vec![owner("a", true)]));
    world.put(config("shared", vec![owner("a", true), owner("b", true)]));
    world.put(config("grandchild", vec![owner("child", true)]));
    world.decide();
    world.assert_silent();
    ask_delete(&mut world, &key("a"), Propagation::Background);
    assert!(!is_there(&world, "a") && !is_there(&world, "child") && !is_there(&world, "grandchild"));
    let shared = world.cluster.get(&key("shared")).unwrap();
    assert_eq!(shared.meta().owner_references.iter().map(|o| o.uid.as_str()).collect::<Vec<_>>(), ["b"]);
    world.assert_silent();
}

#[test]
fn another_object_of_the_owners_name_is_no_owner() {
    let mut world = World::new(1, false);
    world.put(config("a", vec![]));
    world.put(config("child", vec![owner("a", true)]));
    world.decide();
    world.edit(&key("a"), |value| value["metadata"]["uid"] = json!("new"));
    world.decide();
    assert!(!is_there(&world, "child"), "one write replaced the owner");
}

#[test]
fn nothing_is_deleted_for_an_owner_of_unknown_kind_or_without_uid() {
    let mut world = World::new(1, false);
    for (n, kind, uid) in [(1, "Gadget", "u"), (2, "ConfigMap", "")] {
        let reference = json!({"apiVersion": "x.io/v1", "kind": kind, "name": "g", "uid": uid});
        world.put(config(&n.to_string(), vec![reference]));
    }
    world.decide();
    assert!(is_there(&world, "1") && is_there(&world, "2"));
}

#[test]
fn a_foreground_delete_waits_for_dependents_that_block() {
    let mut world = World::new(1, false);
    world.put(config("a", vec![]));
    world.put(config("child", vec![owner("a", true)]));
    world.put(config("held", vec![owner("a", true)]));
    world.edit(&key("held"), |value| value["metadata"]["finalizers"] = json!(["x.io/hold"]));
    world.decide();
    ask_delete(&mut world, &key("a"), Propagation::Foreground);
    assert!(is_there(&world, "a") && !is_there(&world, "child") && is_there(&world, "held"));
    world.assert_silent();
    world.edit(&key("held"), |value| drop(value["metadata"].as_object_mut().unwrap().remove("finalizers")));
    world.decide();
    assert!(!is_there(&world, "a") && !is_there(&world, "held"));
}

#[test]
fn an_orphaning_delete_leaves_dependents_behind() {
    let mut world = World::new(1, false);
    world.put(config("a", vec![]));
    world.put(config("child", vec![owner("a", true)]));
    world.decide();
    ask_delete(&mut world, &key("a"), Propagation::Orphan);
    assert!(!is_there(&world, "a"));
    assert!(world.cluster.get(&key("child")).unwrap().meta().owner_references.is_empty());
    world.assert_silent();
}

fn in_namespace(kind: &str, name: &str, extra: Value) -> Value {
    let mut value =
        json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "ns", "uid": name}});
    value.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    value
}

#[test]
fn a_namespace_goes_when_its_content_is_gone_pods_first() {
    let mut world = World::new(1, false);
    let namespace = ObjectKey::new(NAMESPACE, "", "ns");
    world.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns", "uid": "n"},
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}));
    world.put(in_namespace(
        "Pod",
        "p",
        json!({"spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "x:run"}]}}),
    ));
    world.put(in_namespace("Secret", "s", json!({})));
    let mut held = in_namespace("ConfigMap", "held", json!({}));
    held["metadata"]["finalizers"] = json!(["x.io/hold"]);
    world.put(held);
    world.put(json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "rs", "namespace": "ns", "uid": "rs"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x:run"}]}}}}));
    world.settle();
    assert_eq!(world.cluster.of_kind(POD).count(), 3);
    ask_delete(&mut world, &namespace, Propagation::Background);
    let state = |world: &World, kind: Kind| {
        world.cluster.of_kind(kind).filter(|o| o.meta().deletion_timestamp.is_none()).count()
    };
    assert_eq!((state(&world, POD), state(&world, SECRET), state(&world, REPLICA_SET)), (0, 1, 1), "pods go first");
    let condition = |world: &World, kind: &str| {
        let value = world.get(&namespace);
        let found =
            value["status"]["conditions"].as_array().unwrap().iter().find(|c| c["type"] == kind).unwrap().clone();
        format!(
            "{} {} {}",
            found["status"].as_str().unwrap(),
            found["reason"].as_str().unwrap(),
            found["message"].as_str().unwrap()
        )
    };
    assert_eq!(world.get(&namespace)["status"]["phase"], "Terminating");
    world.settle();
    assert_eq!((world.cluster.of_kind(POD).count(), world.cluster.of_kind(SECRET).count()), (0, 0));
    assert_eq!(
        condition(&world, "NamespaceContentRemaining"),
        "True SomeResourcesRemain Some resources are remaining: configmaps. has 1 resource instances"
    );
    assert_eq!(
        condition(&world, "NamespaceFinalizersRemaining"),
        "True SomeFinalizersRemain Some content in the namespace has finalizers remaining: x.io/hold in 1 resource instances"
    );
    world.assert_silent();
    world.edit(&ObjectKey::new(CONFIG_MAP, "ns", "held"), |value| {
        drop(value["metadata"].as_object_mut().unwrap().remove("finalizers"))
    });
    world.decide();
    assert!(world.cluster.is_empty(), "{:?}", world.cluster.objects().collect::<Vec<_>>());
}

/// Random graphs of owners, one of which goes: in the end, whoever has owners has one that is there.
#[test]
fn no_dependent_outlives_all_its_owners() {
    for seed in 0..200 {
        let mut ids = Ids::new(seed);
        let mut world = World::new(seed, true);
        let count = 2 + ids.below(10);
        for n in 0..count {
            let named: Vec<u64> = (0..n).filter(|_| ids.below(3) == 0).collect();
            let owners = named.into_iter().map(|o| owner(&o.to_string(), ids.below(2) == 0)).collect();
            world.put(config(&n.to_string(), owners));
        }
        world.decide();
        world.assert_silent();
        let before: Vec<Arc<masthead_api::object::Object>> = world.cluster.objects().cloned().collect();
        let victim = key(&ids.below(count).to_string());
        let propagation =
            [Propagation::Background, Propagation::Foreground, Propagation::Orphan][ids.below(3) as usize];
        ask_delete(&mut world, &victim, propagation);
        world.assert_silent();
        assert!(world.cluster.get(&victim).is_none(), "seed {seed}");
        for object in &before {
            let Some(after) = world.cluster.get(object.key()) else { continue };
            let there = |uid: &str| world.cluster.get(&key(uid)).is_some();
            assert!(after.meta().owner_references.iter().all(|o| there(&o.uid)), "seed {seed}: {after:?}");
        }
        // Only what hung on the victim is gone.
        for object in before.iter().filter(|o| world.cluster.get(o.key()).is_none() && *o.key() != victim) {
            assert!(!object.meta().owner_references.is_empty(), "seed {seed}: {object:?} had no owner");
            assert_ne!(propagation, Propagation::Orphan, "seed {seed}");
        }
    }
}

#[test]
fn a_missing_object_needs_nothing() {
    let mut world = World::new(1, false);
    let reaction = control::reconcile(&world.cluster.clone(), &key("none"), &mut world.cx).unwrap();
    assert!(reaction.is_empty());
}
