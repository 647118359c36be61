//! Who comes first, and that nobody is held up by those who cannot come.

use serde_json::{Value, json};

use crate::schedule::tests::world::{World, node, pod};

fn small(name: &str, priority: i32, at_s: i64) -> Value {
    let mut pod = pod(name, json!({}), json!({"cpu": "1", "priority": priority}));
    pod["metadata"]["creationTimestamp"] = json!(masthead_api::meta::Time(at_s));
    pod
}

#[test]
fn the_highest_priority_comes_first_and_then_the_oldest() {
    let mut world = World::default();
    world.put(node("n1", None, "3"));
    for one in [small("d", 0, 3), small("b", 0, 2), small("a", 0, 1), small("high", 5, 9)] {
        world.put(one);
    }
    world.round();
    let placed = |name: &str| world.pod(name).spec.node_name == "n1";
    assert_eq!(["high", "a", "b", "d"].map(placed), [true, true, true, false]);
}

#[test]
fn gated_pods_and_those_of_other_schedulers_are_let_be() {
    let mut world = World::default();
    world.put(node("n1", None, "3"));
    world.put(pod("gated", json!({}), json!({"schedulingGates": [{"name": "g"}]})));
    world.put(pod("other", json!({}), json!({"schedulerName": "mine"})));
    world.put(pod("ours", json!({}), json!({"schedulerName": "default-scheduler"})));
    assert_eq!(world.round(), 1);
    assert_eq!(world.pod("ours").spec.node_name, "n1");
}

/// A round took the first 500 pods and no others: where these fitted nowhere, nobody after them ever got a node.
#[test]
fn pods_that_fit_nowhere_hold_up_no_others() {
    let mut world = World::default();
    world.put(node("n1", None, "2"));
    for i in 0..600 {
        // Some are alike and some are not.
        let cpu = if i % 2 == 0 { "8".to_owned() } else { format!("{}m", 8000 + i) };
        world.put(pod(&format!("huge-{i:03}"), json!({}), json!({"cpu": cpu, "priority": 10})));
    }
    world.put(pod("small", json!({}), json!({"cpu": "1"})));
    let rounds = (1..10).find(|_| {
        assert!(world.round() <= 500);
        !world.pod("small").spec.node_name.is_empty()
    });
    assert_eq!(rounds, Some(2));
    assert_eq!(world.round(), 0);
}
