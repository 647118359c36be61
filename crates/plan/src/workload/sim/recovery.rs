//! The store is lost under running pods: what agents bring in finds its owner again, and nothing restarts.

use std::collections::BTreeSet;

use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::{DEPLOYMENT, NAMESPACE, POD};
use serde_json::{Value, json};

use crate::cluster::view::RECOVERED_OWNER;
use crate::workload::pods::is_active;
use crate::workload::sim::manifest;
use crate::workload::sim::world::World;

fn deployment(image: &str, strategy: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replicas": 4, "selector": {"matchLabels": {"app": "web"}}, "strategy": strategy,
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}}})
}

fn ask(world: &mut World, image: &str, strategy: &Value) {
    let key = ObjectKey::new(DEPLOYMENT, "ns", "web");
    let (uid, now) = (world.cx.ids.uid(), json!(world.time()));
    let new = manifest::create(deployment(image, strategy), uid, &now);
    match world.cluster.get(&key) {
        None => world.put(new),
        Some(_) => {
            let before = world.get(&key);
            let mut after = before.clone();
            after["spec"] = new["spec"].clone();
            world.put(manifest::written(&before, after));
        }
    }
}

/// A new world with an empty store but for the namespace.
fn empty(seed: u64) -> World {
    let mut world = World::new(seed, true);
    world.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns", "uid": "ns"}, "spec": {"finalizers": ["kubernetes"]}}));
    world
}

/// What an agent reports of the pods that it runs.
fn import(from: &World, to: &mut World) {
    for object in from.cluster.of_kind(POD).filter(|o| o.meta().deletion_timestamp.is_none()) {
        let mut pod = object.value();
        let meta = pod["metadata"].as_object_mut().unwrap();
        meta.remove("ownerReferences");
        meta.remove("resourceVersion");
        meta.insert("annotations".into(), json!({RECOVERED_OWNER: "ReplicaSet/web"}));
        to.put(pod);
    }
}

fn names(world: &World) -> BTreeSet<String> {
    world.cluster.list_all::<Pod>().filter(|p| is_active(p)).map(|p| p.metadata.name.clone()).collect()
}

fn rolling() -> Value {
    json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}})
}

fn before_the_loss(seed: u64) -> World {
    let mut world = empty(seed);
    ask(&mut world, "web:1", &rolling());
    world.settle();
    assert_eq!(names(&world).len(), 4);
    world
}

#[test]
fn running_pods_are_taken_in_again() {
    for (seed, agents_first) in [(1, true), (2, false), (3, true), (4, false)] {
        let lost = before_the_loss(seed);
        let mut world = empty(seed + 100);
        // No node is known yet, so pods that are made too early wait.
        let nodes = std::mem::take(&mut world.nodes);
        if agents_first {
            import(&lost, &mut world);
            world.decide();
            assert_eq!(names(&world), names(&lost), "without a commit nothing is deleted");
        }
        ask(&mut world, "web:1", &rolling());
        world.applied("0123456789abcdef");
        world.decide();
        if !agents_first {
            assert_eq!(names(&world).len(), 4);
            import(&lost, &mut world);
        }
        world.nodes = nodes;
        world.settle();
        world.assert_silent();
        assert_eq!(names(&world), names(&lost), "agents first: {agents_first}");
        let owned = world
            .cluster
            .list_all::<Pod>()
            .all(|p| p.metadata.owner_references.len() == 1 && p.metadata.annotations.is_empty());
        assert!(owned);
    }
}

/// Pods of an earlier template serve until the new ones can; then they go.
#[test]
fn pods_of_an_earlier_template_go_as_in_a_rolling_update() {
    for seed in 0..20 {
        let lost = before_the_loss(seed);
        let mut world = empty(seed + 100);
        world.rounds = seed % 2 == 1;
        import(&lost, &mut world);
        ask(&mut world, "web:2", &rolling());
        world.applied("0123456789abcdef");
        world.start_bounds();
        world.settle();
        world.assert_silent();
        assert_eq!(world.cluster.recovered("ns").count(), 0);
        assert_eq!(names(&world).len(), 4);
        assert!(names(&world).is_disjoint(&names(&lost)));
        let bounds = world.bounds.unwrap();
        assert!(bounds.min_ready >= 3, "{bounds:?}");
    }
}

#[test]
fn a_version_that_never_comes_up_takes_nothing_from_recovered_pods() {
    let lost = before_the_loss(1);
    let mut world = empty(2);
    import(&lost, &mut world);
    ask(&mut world, "web:bad", &rolling());
    world.applied("0123456789abcdef");
    world.pass(700_000);
    assert_eq!(names(&world).intersection(&names(&lost)).count(), 3, "one may be unavailable");
}

#[test]
fn recreate_waits_for_recovered_pods_to_go() {
    let lost = before_the_loss(1);
    let mut world = empty(2);
    import(&lost, &mut world);
    ask(&mut world, "web:2", &json!({"type": "Recreate"}));
    world.decide();
    assert_eq!(names(&world), names(&lost), "two versions never run at once");
    world.applied("0123456789abcdef");
    world.settle();
    world.settle();
    world.assert_silent();
    assert_eq!(world.cluster.recovered("ns").count(), 0);
    assert_eq!(names(&world).len(), 4);
}

#[test]
fn what_no_commit_asks_for_goes_once_a_commit_is_applied() {
    let lost = before_the_loss(1);
    let mut world = empty(2);
    import(&lost, &mut world);
    world.settle();
    assert_eq!(names(&world), names(&lost));
    world.applied("0123456789abcdef");
    world.decide();
    assert_eq!(names(&world).len(), 0);
    world.settle();
    assert_eq!(world.cluster.of_kind(POD).count(), 0);
    assert_eq!(world.cluster.of_kind(NAMESPACE).count(), 1);
}
