//! What each plugin's filter lets through, and what it says of what it does not.

use serde_json::{Value, json};

use crate::schedule::tests::world::{decides, node, pod, refuses};

const NOT_HELPFUL: &str = "1 Preemption is not helpful for scheduling";
const NO_VICTIMS: &str = "1 No preemption victims found for incoming pod";

/// A pod on node `n1`, which wants a port of it.
fn port(ip: &str, protocol: &str, number: i32) -> Value {
    json!([{"name": "c", "image": "i", "ports": [{"containerPort": 80, "hostPort": number, "hostIP": ip, "protocol": protocol}]}])
}

#[test]
fn ports_clash_by_address_and_protocol() {
    let check = |held: (&str, &str, i32), wanted: (&str, &str, i32), clash: bool| {
        let nodes = json!([node("n1", None, "4")]);
        let existing =
            json!([pod("e", json!({}), json!({"nodeName": "n1", "containers": port(held.0, held.1, held.2)}))]);
        let spec = json!({"containers": port(wanted.0, wanted.1, wanted.2)});
        if clash {
            refuses(nodes, existing, spec, "1 node(s) didn't have free ports for the requested pod ports", NO_VICTIMS);
        } else {
            decides(nodes, existing, spec, "n1", None);
        }
    };
    check(("", "TCP", 80), ("127.0.0.1", "TCP", 80), true);
    check(("127.0.0.1", "TCP", 80), ("0.0.0.0", "TCP", 80), true);
    check(("127.0.0.1", "TCP", 80), ("127.0.0.1", "", 80), true);
    check(("127.0.0.1", "TCP", 80), ("127.0.0.2", "TCP", 80), false);
    check(("", "UDP", 80), ("", "TCP", 80), false);
    check(("", "TCP", 80), ("", "TCP", 81), false);
    // The unspecified address of IPv6 stands for itself alone.
    check(("::", "TCP", 80), ("10.0.0.1", "TCP", 80), false);
    check(("::", "TCP", 80), ("", "TCP", 80), true);
    check(("fd00::1", "TCP", 80), ("::", "TCP", 80), false);
}

#[test]
fn ports_of_sidecars_count_and_those_of_init_containers_do_not() {
    let check = |policy: Value, node_name: &str| {
        let mut first = port("", "TCP", 80)[0].clone();
        first["name"] = json!("first");
        first["restartPolicy"] = policy;
        let spec = json!({"nodeName": "n1", "initContainers": [first], "containers": [{"name": "c", "image": "i"}]});
        let nodes = json!([node("n1", None, "4")]);
        decides(nodes, json!([pod("e", json!({}), spec)]), json!({"containers": port("", "TCP", 80)}), node_name, None);
    };
    check(json!("Always"), "");
    check(Value::Null, "n1");
}

#[test]
fn node_affinity_reads_every_operator() {
    let check = |term: Value, fits: bool| {
        let mut one = node("n1", Some("x"), "4");
        one["metadata"]["labels"]["gen"] = json!("7");
        one["metadata"]["labels"]["word"] = json!("abc");
        let spec = json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [term]}}}});
        if fits {
            decides(json!([one]), json!([]), spec, "n1", None);
        } else {
            refuses(json!([one]), json!([]), spec, "1 node(s) didn't match Pod's node affinity/selector", NOT_HELPFUL);
        }
    };
    let labels = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
    check(labels("zone", "In", &["y", "x"]), true);
    check(labels("absent", "In", &["x"]), false);
    check(labels("absent", "NotIn", &["x"]), true);
    check(labels("zone", "NotIn", &["x"]), false);
    check(labels("zone", "Exists", &[]), true);
    check(labels("absent", "Exists", &[]), false);
    check(labels("absent", "DoesNotExist", &[]), true);
    check(labels("zone", "DoesNotExist", &[]), false);
    check(labels("gen", "Gt", &["6"]), true);
    check(labels("gen", "Gt", &["7"]), false);
    check(labels("gen", "Lt", &["8"]), true);
    check(labels("gen", "Lt", &["7"]), false);
    check(labels("word", "Gt", &["1"]), false);
    check(labels("absent", "Lt", &["1"]), false);
    // All requirements of a term hold, of labels and of fields.
    let field = |operator: &str, name: &str| json!([{"key": "metadata.name", "operator": operator, "values": [name]}]);
    check(json!({"matchFields": field("NotIn", "n1")}), false);
    check(
        json!({"matchFields": field("NotIn", "n2"), "matchExpressions": labels("zone", "In", &["x"])["matchExpressions"]}),
        true,
    );
    check(
        json!({"matchFields": field("In", "n1"), "matchExpressions": labels("zone", "In", &["y"])["matchExpressions"]}),
        false,
    );
}

#[test]
fn a_node_selector_holds_beside_affinity() {
    let spec = |selector: Value| {
        json!({"nodeSelector": selector, "affinity": {"nodeAffinity":
        {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms":
            [{"matchExpressions": [{"key": "zone", "operator": "Exists"}]}]}}}})
    };
    let nodes = || json!([node("n1", Some("x"), "4")]);
    decides(nodes(), json!([]), spec(json!({"zone": "x"})), "n1", None);
    decides(nodes(), json!([]), spec(json!({"zone": "y"})), "", None);
}

#[test]
fn tolerations_cover_taints_by_key_value_and_effect() {
    let check = |effect: &str, toleration: Value, fits: bool| {
        let mut one = node("n1", None, "4");
        one["spec"] = json!({"taints": [{"key": "k", "value": "v", "effect": effect}]});
        let spec = json!({"tolerations": [toleration]});
        if fits {
            decides(json!([one]), json!([]), spec, "n1", None);
        } else {
            refuses(json!([one]), json!([]), spec, "1 node(s) had untolerated taint(s)", NOT_HELPFUL);
        }
    };
    check("NoSchedule", json!({"operator": "Exists"}), true);
    check("NoExecute", json!({"operator": "Exists", "effect": "NoSchedule"}), false);
    check("NoExecute", json!({"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}), true);
    check("NoSchedule", json!({"key": "k", "value": "v"}), true);
    check("NoSchedule", json!({"key": "k"}), false);
    check("NoSchedule", json!({"key": "k", "operator": "Equal", "value": "w"}), false);
    check("NoSchedule", json!({"key": "j", "operator": "Exists"}), false);
    check("PreferNoSchedule", json!({"key": "j", "operator": "Exists"}), true);
}

#[test]
fn resources_are_refused_one_by_one() {
    let nodes = || json!([node("n1", None, "2")]);
    let runs = |cpu: &str| json!([pod("e", json!({}), json!({"nodeName": "n1", "cpu": cpu}))]);
    // What is over all that a node has is not helped by others going.
    refuses(nodes(), runs("1"), json!({"cpu": "2"}), "1 Insufficient cpu", NO_VICTIMS);
    refuses(nodes(), runs("1"), json!({"cpu": "2001m"}), "1 Insufficient cpu", NOT_HELPFUL);
    refuses(
        nodes(),
        runs("1"),
        json!({"cpu": "2", "memory": "9Gi"}),
        "1 Insufficient cpu, 1 Insufficient memory",
        NOT_HELPFUL,
    );
    // A pod that asks for nothing fits on a node that is full.
    decides(nodes(), runs("2"), json!({}), "n1", None);
    decides(nodes(), runs("2"), json!({"cpu": "0"}), "n1", None);
    // Overhead counts, of pods that run too.
    decides(nodes(), runs("1"), json!({"cpu": "900m", "overhead": {"cpu": "100m"}}), "n1", None);
    refuses(nodes(), runs("1"), json!({"cpu": "900m", "overhead": {"cpu": "101m"}}), "1 Insufficient cpu", NO_VICTIMS);
    // Pods that ended hold nothing.
    let mut ended = runs("2");
    ended[0]["status"] = json!({"phase": "Succeeded"});
    decides(nodes(), ended, json!({"cpu": "2"}), "n1", None);
    let mut none = nodes();
    none[0]["status"]["allocatable"]["pods"] = json!("0");
    refuses(none, json!([]), json!({}), "1 Too many pods", NO_VICTIMS);
}

#[test]
fn a_pod_is_near_to_those_that_all_terms_are_about() {
    let term = |key: &str| json!({"topologyKey": "zone", "labelSelector": {"matchExpressions": [{"key": key, "operator": "Exists"}]}});
    let spec = || json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term("a"), term("b")]}}});
    let nodes = || json!([node("n1", Some("x"), "4"), node("n2", Some("y"), "4")]);
    let at = |name: &str, labels: Value, node: &str| pod(name, labels, json!({"nodeName": node}));
    // One pod for each term is not one for both.
    let apart = json!([at("a", json!({"a": ""}), "n1"), at("b", json!({"b": ""}), "n1")]);
    refuses(
        nodes(),
        apart,
        spec(),
        "2 node(s) didn't match pod affinity rules",
        "2 Preemption is not helpful for scheduling",
    );
    decides(nodes(), json!([at("ab", json!({"a": "", "b": ""}), "n2")]), spec(), "n2", None);
}

#[test]
fn nodes_that_are_named_are_the_only_ones_looked_at() {
    let nodes = || json!([node("n1", None, "4"), node("n2", None, "1")]);
    let spec = |requirements: &[&str]| {
        let fields: Vec<Value> = requirements
            .iter()
            .map(|name| json!({"key": "metadata.name", "operator": "In", "values": [name]}))
            .collect();
        json!({"cpu": "2", "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [{"matchFields": fields}]}}}})
    };
    decides(nodes(), json!([]), spec(&["n1"]), "n1", None);
    decides(
        nodes(),
        json!([]),
        spec(&["n2"]),
        "",
        Some(
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't satisfy plugin(s) [NodeAffinity]. \
              no new claims to deallocate, preemption: 0/2 nodes are available: \
              2 Preemption is not helpful for scheduling.",
        ),
    );
    decides(
        nodes(),
        json!([]),
        spec(&["n1", "n2"]),
        "",
        Some(
            "0/2 nodes are available: pod affinity terms conflict. no new claims to deallocate, \
              preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
        ),
    );
}

/// A hard constraint over zones, for pods of the app `web`.
fn zones(max_skew: i32, more: Value) -> Value {
    let mut constraint = json!({"maxSkew": max_skew, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}}});
    for (key, value) in more.as_object().into_iter().flatten() {
        constraint[key] = value.clone();
    }
    json!({"cpu": "1", "topologySpreadConstraints": [constraint]})
}

#[test]
fn hard_spread_counts_what_its_policies_say() {
    let web = |name: &str, node: &str| pod(name, json!({"app": "web"}), json!({"nodeName": node}));
    let tainted = |mut node: Value| {
        node["spec"] = json!({"taints": [{"key": "k", "effect": "NoSchedule"}]});
        node
    };
    let text = "node(s) didn't match pod topology spread constraints";
    // A zone of tainted nodes is the emptiest one, unless taints are honoured.
    let nodes = || json!([node("n1", Some("x"), "4"), tainted(node("n2", Some("y"), "4"))]);
    let existing = || json!([web("e", "n1")]);
    refuses(
        nodes(),
        existing(),
        zones(1, json!({})),
        &format!("1 {text}, 1 node(s) had untolerated taint(s)"),
        &format!("{NO_VICTIMS}, {NOT_HELPFUL}"),
    );
    decides(nodes(), existing(), zones(1, json!({"nodeTaintsPolicy": "Honor"})), "n1", None);
    // One that the pod does not select is none, unless affinity is ignored.
    let selecting = |more: Value| {
        let mut spec = zones(1, more);
        spec["nodeSelector"] = json!({"zone": "x"});
        spec
    };
    let nodes = || json!([node("n1", Some("x"), "4"), node("n2", Some("y"), "4")]);
    decides(nodes(), existing(), selecting(json!({})), "n1", None);
    decides(nodes(), existing(), selecting(json!({"nodeAffinityPolicy": "Ignore"})), "", None);
    // Fewer zones than the least: the emptiest counts as none.
    decides(nodes(), json!([web("e1", "n1"), web("e2", "n2")]), zones(1, json!({"minDomains": 2})), "n1", None);
    decides(nodes(), json!([web("e1", "n1"), web("e2", "n2")]), zones(1, json!({"minDomains": 3})), "", None);
    // Pods on their way out and pods of other namespaces do not count.
    let mut leaving = web("e", "n1");
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let mut elsewhere = web("e", "n1");
    elsewhere["metadata"]["namespace"] = json!("sched2");
    let small = || json!([node("n1", Some("x"), "4"), node("n2", Some("y"), "100m")]);
    for other in [leaving, elsewhere] {
        decides(small(), json!([other]), zones(1, json!({})), "n1", None);
    }
    // A key of the pod's own labels that others do not share tells them apart.
    let mut keyed = zones(1, json!({"matchLabelKeys": ["app", "absent"]}));
    keyed["topologySpreadConstraints"][0]["labelSelector"] =
        json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]});
    decides(small(), json!([pod("e", json!({"app": "other"}), json!({"nodeName": "n1"}))]), keyed.clone(), "n1", None);
    decides(small(), json!([web("e", "n1")]), keyed, "", None);
}

#[test]
fn a_node_without_the_key_of_a_constraint_is_told_so() {
    let text = "node(s) didn't match pod topology spread constraints (missing required label)";
    refuses(json!([node("n1", None, "4")]), json!([]), zones(1, json!({})), &format!("1 {text}"), NOT_HELPFUL);
}

#[test]
fn affinity_looks_into_the_namespaces_it_names() {
    let spec = |more: Value| {
        let mut term = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "db"}}});
        for (key, value) in more.as_object().into_iter().flatten() {
            term[key] = value.clone();
        }
        json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}})
    };
    let nodes = || json!([node("n1", Some("x"), "4"), node("n2", Some("y"), "4")]);
    let db = |namespace: &str| {
        let mut db = pod("db", json!({"app": "db"}), json!({"nodeName": "n2"}));
        db["metadata"]["namespace"] = json!(namespace);
        json!([db])
    };
    decides(nodes(), db("sched"), spec(json!({})), "n2", None);
    decides(nodes(), db("sched2"), spec(json!({})), "", None);
    decides(nodes(), db("sched2"), spec(json!({"namespaces": ["sched2"]})), "n2", None);
    // Where others are named, the pod's own namespace is none of them.
    decides(nodes(), db("sched"), spec(json!({"namespaces": ["sched2"]})), "", None);
    decides(nodes(), db("sched2"), spec(json!({"namespaceSelector": {}})), "n2", None);
    let named = |name: &str| json!({"matchLabels": {"kubernetes.io/metadata.name": name}});
    decides(nodes(), db("sched2"), spec(json!({"namespaceSelector": named("sched2")})), "n2", None);
    decides(nodes(), db("sched2"), spec(json!({"namespaceSelector": named("sched")})), "", None);
    decides(
        nodes(),
        db("sched"),
        spec(json!({"namespaceSelector": named("sched"), "namespaces": ["sched2"]})),
        "n2",
        None,
    );
    // A term without a selector is about nobody.
    decides(nodes(), db("sched"), spec(json!({"labelSelector": null})), "", None);
}

#[test]
fn label_keys_of_affinity_compare_with_the_pods_own() {
    let spec = |field: &str| {
        let mut term = json!({"topologyKey": "zone", "labelSelector": {"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}});
        term[field] = json!(["app", "absent"]);
        json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}})
    };
    let nodes = || json!([node("n1", Some("x"), "4")]);
    let other = |app: &str| json!([pod("e", json!({"app": app}), json!({"nodeName": "n1"}))]);
    decides(nodes(), other("web"), spec("matchLabelKeys"), "", None);
    decides(nodes(), other("db"), spec("matchLabelKeys"), "n1", None);
    decides(nodes(), other("web"), spec("mismatchLabelKeys"), "n1", None);
    decides(nodes(), other("db"), spec("mismatchLabelKeys"), "", None);
}

#[test]
fn who_keeps_away_from_a_pod_keeps_it_away() {
    let term = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}});
    let spec = json!({"nodeName": "n1", "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}});
    let nodes = || json!([node("n1", Some("x"), "4"), node("n2", Some("x"), "4")]);
    let alone = pod("alone", json!({}), spec);
    let text = "2 node(s) didn't satisfy existing pods anti-affinity rules";
    refuses(nodes(), json!([alone.clone()]), json!({}), text, "2 No preemption victims found for incoming pod");
    // One that ended minds nobody.
    let mut ended = alone;
    ended["status"] = json!({"phase": "Failed"});
    decides(nodes(), json!([ended]), json!({}), "n1", None);
}

#[test]
fn the_first_of_a_group_goes_where_the_topology_is() {
    let spec = |app: &str| {
        json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
        [{"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": app}}}]}}})
    };
    decides(json!([node("n1", None, "4"), node("n2", Some("x"), "4")]), json!([]), spec("web"), "n2", None);
    decides(json!([node("n1", None, "4")]), json!([]), spec("web"), "", None);
    // Who wants to be near others is the first of nothing.
    decides(json!([node("n2", Some("x"), "4")]), json!([]), spec("db"), "", None);
}

#[test]
fn what_spreads_everything_spreads_nothing() {
    let spread = |selector: Value, action: &str| {
        json!({"cpu": "1", "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone",
            "whenUnsatisfiable": action, "labelSelector": selector}]})
    };
    let web = || json!({"app": "web"});
    let at =
        |name: &str, cpu: &str, node: &str| pod(name, json!({"app": "web"}), json!({"cpu": cpu, "nodeName": node}));
    // The only node with room has a pod more than the other, which counts only for a selector that says something.
    let nodes = || json!([node("n1", Some("x"), "8"), node("n2", Some("y"), "100m")]);
    let existing = || json!([at("e", "1", "n1")]);
    decides(nodes(), existing(), spread(json!({}), "DoNotSchedule"), "n1", None);
    decides(nodes(), existing(), spread(json!({"matchLabels": web()}), "DoNotSchedule"), "", None);
    // Pods on a full node make its zone a bad one, though it is not asked itself.
    let nodes = json!([node("full", Some("x"), "3"), node("n1", Some("x"), "4"), node("n2", Some("y"), "4")]);
    let existing = json!([at("e1", "1", "full"), at("e2", "1", "full"), at("e3", "1", "full"), at("e4", "1", "n2")]);
    decides(nodes, existing, spread(json!({"matchLabels": web()}), "ScheduleAnyway"), "n2", None);
}
