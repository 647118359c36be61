//! What goes wrong on the way: pods that are not admitted, names that are taken, objects that do not decode, deadlines.

use masthead_api::apps::deployment::Deployment;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::{DEPLOYMENT, POD, REPLICA_SET};
use serde_json::{Value, json};

use crate::control;
use crate::health::assess::assess;
use crate::health::verdict::Health;
use crate::workload::deployment::hash::template_hash;
use crate::workload::sim::manifest;
use crate::workload::sim::world::World;

fn deployment(image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "progressDeadlineSeconds": 5,
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}}})
}

fn key() -> ObjectKey {
    ObjectKey::new(DEPLOYMENT, "ns", "web")
}

fn world_with(value: Value) -> World {
    let mut world = World::new(1, false);
    let now = json!(world.time());
    world.put(manifest::create(value, "deployment".to_owned(), &now));
    world
}

#[test]
fn pods_that_are_not_admitted_fail_their_set_and_their_deployment() {
    let mut value = deployment("web:1");
    value["spec"]["template"]["spec"]["priorityClassName"] = json!("urgent");
    let mut world = world_with(value);
    world.pass(2000);
    world.assert_silent();
    assert_eq!(world.cluster.of_kind(POD).count(), 0);
    let failed: Vec<&str> =
        world.events.iter().filter(|e| e.reason == "FailedCreate").map(|e| e.message.as_str()).collect();
    assert_eq!(failed.len(), 1, "told once: {failed:?}");
    assert!(
        failed[0].starts_with("Error creating: pods \"web-") && failed[0].contains("no PriorityClass with name urgent")
    );
    let status = world.cluster.typed::<Deployment>(&key()).unwrap().status.clone();
    assert!(status.conditions.iter().any(|c| c.type_ == "ReplicaFailure" && c.reason == "FailedCreate"), "{status:?}");
}

#[test]
fn a_taken_name_is_a_collision_that_is_counted() {
    let mut world = World::new(1, false);
    let value = manifest::create(deployment("web:1"), "deployment".to_owned(), &json!(world.time()));
    let typed: Deployment = serde_json::from_value(value.clone()).unwrap();
    let taken = format!("web-{}", template_hash(&typed.spec.template, None));
    world.put(json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": taken, "namespace": "ns", "uid": "other"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "other"}}, "template": {"metadata": {"labels": {"app": "other"}}}}}));
    world.put(value);
    world.settle();
    world.assert_silent();
    let deployment = world.cluster.typed::<Deployment>(&key()).unwrap();
    assert_eq!((deployment.status.collision_count, deployment.status.available_replicas), (Some(1), 2));
    assert_eq!(world.cluster.of_kind(REPLICA_SET).count(), 2);
}

#[test]
fn an_object_that_does_not_decode_stops_no_other() {
    let mut world = world_with(deployment("web:1"));
    world.settle();
    let bad = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "bad", "namespace": "ns", "uid": "b"}, "spec": 7});
    let bad_key = ObjectKey::new(DEPLOYMENT, "ns", "bad");
    world.cluster.apply(crate::cluster::event::Event::Put(std::sync::Arc::new(
        masthead_api::object::Object::from_value(bad).unwrap(),
    )));
    assert!(control::reconcile(&world.cluster, &bad_key, &mut world.cx.clone()).is_err());
    assert!(matches!(assess(&world.cluster, &bad_key), Some(Health::Failed { reason, .. }) if reason == "Unreadable"));
    world.edit(&key(), |value| value["spec"]["replicas"] = json!(3));
    world.settle();
    assert_eq!(world.cluster.of_kind(POD).count(), 3);
    assert_eq!(world.cluster.faults().count(), 1);
}

#[test]
fn a_stuck_rollout_fails_at_its_deadline_and_recovers_when_it_moves() {
    let mut world = world_with(deployment("web:bad"));
    world.pass(3000);
    assert!(matches!(assess(&world.cluster, &key()), Some(Health::Progressing { .. })));
    world.pass(5000);
    world.assert_silent();
    let Some(Health::Failed { reason, message }) = assess(&world.cluster, &key()) else { panic!("not failed") };
    assert_eq!(reason, "ProgressDeadlineExceeded");
    assert!(message.contains("ImagePullBackOff"), "{message}");
    let before = world.get(&key());
    let mut after = before.clone();
    after["spec"]["template"]["spec"]["containers"][0]["image"] = json!("web:2");
    world.put(manifest::written(&before, after));
    world.settle();
    assert_eq!(assess(&world.cluster, &key()), Some(Health::Healthy));
}
