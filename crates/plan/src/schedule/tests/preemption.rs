//! When pods below another make room for it, which of them, and what is said meanwhile.

use std::collections::BTreeSet;

use masthead_api::admit;
use masthead_api::core::pod::Pod;
use serde_json::{Value, json};

use crate::context::Context;
use crate::round::{self, Round, Task};
use crate::schedule::tests::world::{World, decides, node, pod};

fn worth(name: &str, priority: i32, mut spec: Value) -> Value {
    spec["priority"] = json!(priority);
    pod(name, json!({"app": name}), spec)
}

fn on(name: &str, priority: i32, cpu: &str, node: &str) -> Value {
    worth(name, priority, json!({"nodeName": node, "cpu": cpu}))
}

fn world(objects: Vec<Value>) -> World {
    let mut world = World::default();
    objects.into_iter().for_each(|object| world.put(object));
    world.round();
    world
}

/// What the pod `p` drives out, and of which node.
fn victims(objects: Vec<Value>) -> (Vec<String>, String) {
    let world = world(objects);
    (world.victims().into_iter().collect(), world.pod("p").status.nominated_node_name.clone())
}

fn expect(objects: Vec<Value>, pods: &[&str], node: &str) {
    let (found, nominated) = victims(objects);
    assert_eq!((found.iter().map(String::as_str).collect::<Vec<_>>(), nominated.as_str()), (pods.to_vec(), node));
}

#[test]
fn as_few_go_as_can_and_those_below_first() {
    let want = |cpu: &str| worth("p", 100, json!({"cpu": cpu}));
    // The one that makes room is enough; of equals the youngest goes.
    let started = |name: &str, at: &str| {
        let mut pod = on(name, 10, "1", "n1");
        pod["status"] = json!({"startTime": at});
        pod
    };
    let (old, young) = (started("old", "2026-01-01T00:00:00Z"), started("young", "2026-01-02T00:00:00Z"));
    expect(vec![node("n1", None, "2"), old.clone(), young.clone(), want("1")], &["young"], "n1");
    // The lower of two.
    let nodes = || node("n1", None, "2");
    expect(vec![nodes(), on("low", 1, "1", "n1"), on("mid", 10, "1", "n1"), want("1")], &["low"], "n1");
    // One that stays may be lower than one that must go.
    expect(vec![nodes(), on("low", 1, "500m", "n1"), on("mid", 10, "1500m", "n1"), want("1500m")], &["mid"], "n1");
    // Equals and those above stay.
    expect(vec![nodes(), on("same", 100, "1", "n1"), on("low", 1, "1", "n1"), want("1")], &["low"], "n1");
    expect(vec![nodes(), on("same", 100, "1", "n1"), on("low", 1, "1", "n1"), want("2")], &[], "");
    // The node whose most important victim started last.
    let two = |at: &str, node: &str| {
        let mut pod = on(node, 10, "1", node);
        pod["status"] = json!({"startTime": at});
        pod
    };
    let (a, b) = (two("2026-01-01T00:00:00Z", "n1"), two("2026-01-02T00:00:00Z", "n2"));
    expect(vec![node("n1", None, "1"), node("n2", None, "1"), a, b, want("1")], &["n2"], "n2");
}

#[test]
fn rules_between_pods_are_kept_when_room_is_made() {
    let apart = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
        [{"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "db"}}}]}});
    let p = worth("p", 100, json!({"affinity": apart}));
    let nodes = || vec![node("n1", Some("x"), "4"), node("n2", Some("y"), "4")];
    let mut objects = nodes();
    objects.extend([on("db", 1, "1", "n1"), on("web", 1, "1", "n2")]);
    objects[2]["metadata"]["labels"] = json!({"app": "db"});
    objects.push(on("guard", 200, "1", "n2"));
    objects[4]["metadata"]["labels"] = json!({"app": "db"});
    objects.push(p);
    // The one on the other node is above it, so only this node can be made right.
    expect(objects, &["db"], "n1");
    // Who keeps away from it goes, if it is below.
    let term = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "p"}}});
    let keeps = worth(
        "alone",
        1,
        json!({"nodeName": "n1", "affinity": {"podAntiAffinity":
        {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}),
    );
    expect(vec![node("n1", Some("x"), "4"), keeps, worth("p", 100, json!({}))], &["alone"], "n1");
}

#[test]
fn what_would_not_help_is_told_with_its_reason() {
    let mut objects = vec![node("n1", None, "2"), on("same", 100, "1500m", "n1"), on("low", 1, "500m", "n1")];
    objects.push(worth("p", 100, json!({"cpu": "1"})));
    assert_eq!(
        world(objects).said("p"),
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are \
         available: 1 Insufficient cpu."
    );
}

#[test]
fn room_is_kept_for_the_one_it_is_made_for() {
    let mut world = world(vec![
        node("n1", None, "2"),
        on("e1", 1, "1", "n1"),
        on("e2", 1, "1", "n1"),
        worth("p", 100, json!({"cpu": "2"})),
        worth("q", 0, json!({"cpu": "1"})),
    ]);
    assert_eq!(world.victims(), BTreeSet::from(["e1".to_owned(), "e2".to_owned()]));
    assert_eq!(world.said("p"), "0/1 nodes are available: 1 Insufficient cpu.");
    let told: Vec<(String, String)> = world
        .events
        .iter()
        .map(|event| (event.reason.clone(), event.message.clone()))
        .filter(|(reason, _)| reason == "Preempted")
        .collect();
    let uid = world.pod("p").metadata.uid.clone();
    let message = format!("Preempted by pod {uid} on node n1");
    assert_eq!(told, [("Preempted".to_owned(), message.clone()), ("Preempted".to_owned(), message)]);
    // Nothing more is written or told until they have gone, and nobody below takes what one of them leaves.
    assert_eq!(world.round(), 0);
    world.remove("e1");
    assert_eq!(world.round(), 0);
    assert_eq!(world.pod("q").spec.node_name, "");
    world.remove("e2");
    world.round();
    let p = world.pod("p");
    assert_eq!((p.spec.node_name.as_str(), p.status.nominated_node_name.as_str()), ("n1", ""));
    assert_eq!(world.pod("q").spec.node_name, "");
}

#[test]
fn a_pod_above_takes_the_room_that_was_made_for_another() {
    let mut world = world(vec![node("n1", None, "1"), on("e", 1, "1", "n1"), worth("p", 100, json!({"cpu": "1"}))]);
    world.put(worth("king", 200, json!({"cpu": "1"})));
    world.round();
    assert_eq!(world.pod("king").status.nominated_node_name, "n1");
    world.remove("e");
    world.round();
    assert_eq!(world.pod("king").spec.node_name, "n1");
    world.round();
    assert_eq!(world.pod("p").status.nominated_node_name, "", "it holds no claim to a node it cannot have");
    assert!(world.victims().is_empty());
}

#[test]
fn two_that_need_room_in_one_round_drive_out_each_its_own() {
    let world = world(vec![
        node("n1", None, "2"),
        on("e1", 1, "1", "n1"),
        on("e2", 1, "1", "n1"),
        worth("p", 100, json!({"cpu": "1"})),
        worth("q", 100, json!({"cpu": "1"})),
    ]);
    assert_eq!(world.victims(), BTreeSet::from(["e1".to_owned(), "e2".to_owned()]));
}

/// The whole control loop: a deployment fills the cluster, a pod that the system needs takes what it needs of it, and the
/// deployment's new pods wait.
#[test]
fn a_critical_pod_comes_in_beside_a_deployment_that_fills_the_cluster() {
    let mut world = World::default();
    let admitted = |value: Value| admit::settle(admit::create(value, "sched").expect("valid")).expect("valid");
    world.put(node("n1", None, "4"));
    world.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "sched"}}));
    let container = |cpu: &str| json!([{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}]);
    world.put(admitted(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replicas": 4, "selector": {"matchLabels": {"app": "web"}}, "strategy": {"type": "Recreate"},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": container("1")}}}})));
    settle(&mut world);
    let bound = |world: &World| world.cluster.pods_on("n1").count();
    assert_eq!(bound(&world), 4);
    let mut critical = admitted(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "dns"},
        "spec": {"priorityClassName": "system-cluster-critical", "containers": container("2")}}));
    critical["spec"]["priority"] = json!(2_000_000_000);
    world.put(critical);
    settle(&mut world);
    assert_eq!(world.pod("dns").spec.node_name, "n1");
    assert_eq!((bound(&world), world.cluster.pods_unscheduled().count()), (3, 2));
    assert_eq!(world.events.iter().filter(|event| event.reason == "Preempted").count(), 2);
}

/// Decides and writes until nothing is wanted any more; a pod that is told to go is gone in the next round.
fn settle(world: &mut World) {
    for seed in 0..50 {
        let mut tasks = round::all_tasks(&world.cluster);
        tasks.retain(|task| matches!(task, Task::Object(_) | Task::Schedule));
        let mut round = Round::default();
        round::decide(&world.cluster, &tasks, &mut Context::new(1_000, seed), &mut round);
        assert_eq!(round.faults, []);
        let leaving: Vec<String> = world
            .cluster
            .list_all::<Pod>()
            .filter(|pod| pod.metadata.deletion_timestamp.is_some())
            .map(|pod| pod.metadata.name.clone())
            .collect();
        if round.is_empty() && leaving.is_empty() {
            return;
        }
        world.events.append(&mut round.events);
        world.take(round.changes);
        leaving.iter().for_each(|name| world.remove(name));
    }
    panic!("it never comes to rest");
}

#[test]
fn a_pod_that_never_preempts_is_told_so() {
    decides(
        json!([node("n1", None, "1")]),
        json!([]),
        json!({"cpu": "2", "preemptionPolicy": "Never"}),
        "",
        Some(
            "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, \
              preemption: not eligible due to preemptionPolicy=Never.",
        ),
    );
}
