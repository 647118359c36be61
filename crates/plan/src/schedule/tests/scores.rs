//! The points that each plugin gives, worked out by hand from the formulas of Kubernetes' sources.

use std::sync::Arc;

use masthead_api::core::pod::Pod;
use masthead_api::object::Object;
use serde_json::{Value, json};

use crate::cluster::view::Cluster;
use crate::schedule::node_info::{self, NodeInfo};
use crate::schedule::request;
use crate::schedule::score::{image, near, resources, spread, total};
use crate::schedule::tests::world::{World, decides, node, pod};

fn typed(value: Value) -> Arc<Pod> {
    Object::from_value(value).expect("a pod").typed::<Pod>().expect("a pod")
}

/// What a plugin gives each node, by name.
fn scores(
    objects: Vec<Value>,
    pod: Value,
    plugin: impl Fn(&Cluster, &Pod, &[&NodeInfo], &[&NodeInfo]) -> Vec<i64>,
) -> Vec<i64> {
    let mut world = World::default();
    objects.into_iter().for_each(|object| world.put(object));
    let nodes = node_info::all(&world.cluster, std::iter::empty());
    let nodes: Vec<&NodeInfo> = nodes.iter().collect();
    plugin(&world.cluster, &typed(pod), &nodes, &nodes)
}

#[test]
fn free_room_and_balance_are_counted_in_whole_percents() {
    let check = |cpu: &str, memory: &str, runs: Value, asks: Value, least: i64, balanced: i64| {
        let mut one = node("n1", None, cpu);
        one["status"]["allocatable"]["memory"] = json!(memory);
        let mut runs = runs;
        runs["nodeName"] = json!("n1");
        let p = pod("p", json!({}), asks.clone());
        let found = scores(vec![one.clone(), pod("e", json!({}), runs.clone())], p.clone(), |_, pod, nodes, _| {
            let nonzero = request::nonzero(pod);
            nodes.iter().map(|node| resources::least_allocated(node, &nonzero)).collect()
        });
        assert_eq!(found, [least], "free, {cpu} {memory} {runs} {asks}");
        let found = scores(vec![one, pod("e", json!({}), runs.clone())], p, |_, pod, nodes, _| {
            let asked = request::of(pod);
            nodes.iter().map(|node| resources::balanced(node, &asked)).collect()
        });
        assert_eq!(found, [balanced], "balance, {cpu} {memory} {runs} {asks}");
    };
    let asks = |cpu: &str, memory: &str| json!({"cpu": cpu, "memory": memory});
    // (10-3)/10 and (20-5)/20: 70 and 75 make 72. The shares were 20 % and 20 % and are 30 % and 25 %: 100 - 2.5 is 97.
    check("10", "20Gi", asks("2", "4Gi"), asks("1", "1Gi"), 72, 50 + (50 + 97 - 100) / 2);
    // A pod that evens out: 40 % and 0 % become 40 % and 40 %.
    check("10", "10Gi", asks("4", "0"), asks("0", "4Gi"), 60, 50 + (50 + 100 - 80) / 2);
    // More than there is counts as all of it, and the free share as none.
    check("1", "10Gi", asks("1", "0"), asks("1", "1Gi"), 90 / 2, 50 + (50 + 55 - 50) / 2);
    // Who asks for nothing still counts 100m and 200Mi, on the node and as new; balance leaves it alone.
    check("1", "2000Mi", json!({}), json!({}), 80, 0);
    // A resource that the node has none of counts nowhere.
    check("10", "0", asks("2", "0"), asks("1", "0"), 70, 75);
}

#[test]
fn a_whole_that_is_known_is_not_guessed_anew() {
    let parts =
        json!([{"name": "a", "image": "i", "resources": {"requests": {"memory": "1Gi"}}}, {"name": "b", "image": "i"}]);
    let whole = typed(pod("p", json!({}), json!({"containers": parts, "resources": {"requests": {"cpu": "1"}}})));
    let amounts =
        |cpu: i64, memory: i64| request::Amounts::from([("cpu".to_owned(), cpu), ("memory".to_owned(), memory)]);
    let (gi, guess) = (1 << 30, 200 << 20);
    assert_eq!(request::of(&whole), amounts(1000, gi));
    // Of a new one only the containers are looked at.
    assert_eq!(request::nonzero(&whole), amounts(200, gi + guess));
    assert_eq!(request::nonzero_bound(&whole), amounts(1000, gi));
    let parts = typed(pod("p", json!({}), json!({"containers": parts})));
    assert_eq!(request::nonzero_bound(&parts), amounts(200, gi + guess));
}

/// By its containers the smaller node has nearly as much room left as the larger one, by the pod as a whole far less.
#[test]
fn what_a_new_pod_asks_for_as_a_whole_weighs_in_balance_alone() {
    let spec = json!({"cpu": "500m", "resources": {"requests": {"cpu": "5", "memory": "6Gi"}}});
    decides(json!([node("n1", None, "6"), node("n2", None, "16")]), json!([]), spec, "n1", None);
}

/// 100 · 0.29 is 28.999… and becomes 28, as there; 29 · 100 / 100 would be 29.
#[test]
fn nearness_is_spread_from_the_worst_node_to_the_best() {
    let term = |app: &str, weight: i32| {
        json!({"weight": weight, "podAffinityTerm":
        {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": app}}}})
    };
    let on = |app: &str, node: &str| pod(app, json!({"app": app}), json!({"nodeName": node}));
    let nodes = ["n1", "n2", "n3"].map(|name| node(name, Some(name), "4"));
    let p = |affinity: Value| pod("p", json!({"app": "web"}), json!({"affinity": affinity}));
    let near =
        p(json!({"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term("a", 29), term("b", 100)]}}));
    let mut objects = nodes.to_vec();
    objects.extend([on("a", "n2"), on("b", "n3")]);
    assert_eq!(scores(objects.clone(), near, near::scores), [0, 28, 100]);
    // To keep away counts down, and the worst is nothing.
    let far = p(
        json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term("a", 50), term("b", 100)]}}),
    );
    assert_eq!(scores(objects, far, near::scores), [100, 50, 0]);
    // What others ask for counts too, and what they require counts 1.
    let mut wants = on("c", "n2");
    wants["spec"]["affinity"] = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
        [{"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}}],
        "preferredDuringSchedulingIgnoredDuringExecution": []}});
    let mut likes = on("d", "n3");
    likes["spec"]["affinity"] =
        json!({"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term("web", 4)]}});
    let mut objects = nodes.to_vec();
    objects.extend([wants, likes]);
    assert_eq!(scores(objects, p(json!({})), near::scores), [0, 25, 100]);
}

#[test]
fn images_count_by_size_and_by_how_many_hold_them() {
    const MIB: i64 = 1 << 20;
    let holding = |name: &str, images: &[(&str, i64)]| {
        let mut node = node(name, None, "4");
        let images: Vec<Value> =
            images.iter().map(|(name, size)| json!({"names": [name], "sizeBytes": size})).collect();
        node["status"]["images"] = json!(images);
        node
    };
    let check = |nodes: Vec<Value>, images: &[&str], expect: &[i64]| {
        let containers: Vec<Value> = images.iter().map(|image| json!({"name": "c", "image": image})).collect();
        let pod = pod("p", json!({}), json!({"containers": containers}));
        assert_eq!(scores(nodes, pod, |_, pod, possible, all| image::scores(pod, possible, all)), expect);
    };
    // Half of the nodes hold it: 523 MiB of 1046 count, which is (523 - 23) of (1000 - 23).
    check(vec![holding("n1", &[("x:latest", 1046 * MIB)]), node("n2", None, "4")], &["x"], &[51, 0]);
    // Two containers have room for twice as much.
    check(
        vec![
            holding("n1", &[("x:1", 1000 * MIB)]),
            holding("n2", &[("x:1", 1000 * MIB), ("reg:5000/y:latest", 40 * MIB)]),
        ],
        &["x:1", "reg:5000/y"],
        &[100 * (1000 - 23) / (2000 - 23), 100 * (1020 - 23) / (2000 - 23)],
    );
    // What is small, or another tag, makes no difference; what is huge counts as the most there is.
    check(vec![holding("n1", &[("x:1", 20 * MIB), ("y:2", 900 * MIB)])], &["x:1"], &[0]);
    check(vec![holding("n1", &[("x:1", i64::MAX)])], &["x:1"], &[100]);
}

#[test]
fn soft_spread_weighs_counts_by_the_number_of_domains() {
    let web = |name: &str, node: &str| pod(name, json!({"app": "web"}), json!({"nodeName": node}));
    let spread_over = |key: &str, skew: i32| {
        pod(
            "p",
            json!({"app": "web"}),
            json!({"topologySpreadConstraints": [{"maxSkew": skew, "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": {"app": "web"}}}]}),
        )
    };
    let nodes = || vec![node("n1", Some("x"), "4"), node("n2", Some("y"), "4"), node("n3", None, "4")];
    let with = |pods: &[(&str, &str)]| {
        let mut objects = nodes();
        objects.extend(pods.iter().map(|(name, node)| web(name, node)));
        objects
    };
    // Two zones: ln 4 is 1.386; 3 and 1 pods make 4.16 and 1.39, so 4 and 1: (4+1-4)/4 and (4+1-1)/4. No zone, no points.
    let pods = [("a", "n1"), ("b", "n1"), ("c", "n1"), ("d", "n2"), ("e", "n3")];
    assert_eq!(scores(with(&pods), spread_over("zone", 1), spread::scores), [25, 100, 0]);
    // A skew that is allowed levels it: 3 more each make 7 and 4.
    assert_eq!(scores(with(&pods), spread_over("zone", 4), spread::scores), [57, 100, 0]);
    // Three hosts: ln 5 is 1.609; 3, 1 and 1 pods make 5, 2 and 2.
    assert_eq!(scores(with(&pods), spread_over("kubernetes.io/hostname", 1), spread::scores), [40, 100, 100]);
    // Nobody anywhere is the best everywhere.
    assert_eq!(scores(with(&[]), spread_over("zone", 1), spread::scores), [100, 100, 0]);
}

/// Hosts up to a skew of 3 and zones up to one of 5, of what the same service or replica set selects.
#[test]
fn pods_of_a_service_are_spread_by_default() {
    let zone = |name: &str, zone: Option<&str>| {
        let mut node = node(name, None, "4");
        if let Some(zone) = zone {
            node["metadata"]["labels"]["topology.kubernetes.io/zone"] = json!(zone);
        }
        node
    };
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "sched"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
    let web = |name: &str, node: &str| pod(name, json!({"app": "web"}), json!({"nodeName": node}));
    let objects = || {
        vec![
            zone("n1", Some("x")),
            zone("n2", Some("y")),
            zone("n3", None),
            web("a", "n1"),
            web("b", "n1"),
            web("c", "n1"),
        ]
    };
    let p = || pod("p", json!({"app": "web"}), json!({}));
    // Without a service nothing says what belongs together.
    assert_eq!(scores(objects(), p(), spread::scores), [0, 0, 0]);
    let mut served = objects();
    served.push(service);
    // Hosts weigh ln 5, and so do zones, for no zone counts as one: 3·1.609+2 + 3·1.609+4 is 15.7; 2 + 4; 2 alone.
    assert_eq!(scores(served, p(), spread::scores), [100 * 2 / 16, 100 * (16 + 2 - 6) / 16, 100]);
}

#[test]
fn preferences_about_nodes_are_shares_of_the_best() {
    let soft = |name: &str, taints: usize| {
        let mut node = node(name, Some(name), "4");
        let taints: Vec<Value> =
            (0..taints).map(|i| json!({"key": format!("k{i}"), "effect": "PreferNoSchedule"})).collect();
        node["spec"] = json!({"taints": taints});
        node
    };
    let prefers = |zone: &str, weight: i32| {
        json!({"weight": weight, "preference":
        {"matchExpressions": [{"key": "zone", "operator": "In", "values": [zone]}]}})
    };
    let p = |spec: Value| pod("p", json!({}), spec);
    let nodes = || vec![soft("n1", 0), soft("n2", 1), soft("n3", 3)];
    // All else is equal on empty nodes: 97 for free room, none for balance. Taints weigh 3.
    assert_eq!(scores(nodes(), p(json!({})), total::total), [97 + 300, 97 + 3 * 67, 97]);
    let tolerates = json!({"tolerations": [{"key": "k0", "operator": "Exists"}]});
    assert_eq!(scores(nodes(), p(tolerates), total::total), [97 + 300, 97 + 300, 97]);
    let likes = json!({"tolerations": [{"operator": "Exists"}], "affinity": {"nodeAffinity":
        {"preferredDuringSchedulingIgnoredDuringExecution": [prefers("n2", 3), prefers("n3", 7), prefers("n3", 2)]}}});
    assert_eq!(scores(nodes(), p(likes), total::total), [397, 397 + 2 * 33, 397 + 2 * 100]);
}

#[test]
fn of_equal_nodes_the_first_is_chosen_and_the_emptier_before_it() {
    decides(json!([node("n2", None, "4"), node("n1", None, "4")]), json!([]), json!({}), "n1", None);
}
