//! The recorded answers of a real scheduler, and what holds for every pod and node.
#![expect(clippy::disallowed_methods, reason = "a test that reads recorded answers from disk")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::core::pod::Pod;
use masthead_api::object::Object;
use serde_json::{Value, json};

use crate::cluster::event::Event;
use crate::cluster::view::Cluster;
use crate::context::Context;
use crate::schedule::bind;

/// Sections of kinds that are not in scope yet, with the reason.
const SKIPPED: [(&str, &str); 2] =
    [("volume", "persistent volumes are no kind in scope yet"), ("preempt", "preemption is not there yet")];

fn corpus() -> Option<PathBuf> {
    let dir = std::env::var_os("MASTHEAD_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")), PathBuf::from)
        .join("corpus/api/scheduling");
    dir.is_dir().then_some(dir)
}

fn put(cluster: &mut Cluster, mut value: Value, revision: u64) {
    if value.pointer("/metadata/uid").is_none() {
        value["metadata"]["uid"] = json!(format!("uid-{revision}"));
    }
    if let Ok(object) = Object::from_value(value) {
        cluster.apply(Event::Put(Arc::new(object.at(revision))));
    }
}

fn run(case: &Value) -> Result<(), String> {
    let mut cluster = Cluster::default();
    let mut revision = 1;
    let list = |field: &str| case[field].as_array().cloned().unwrap_or_default();
    let cordoned = case["nodesCordonedUntilAllPending"] == json!(true);
    for (name, labels) in [("sched", json!({})), ("sched2", json!({}))] {
        let mut labels: Value = labels;
        labels["kubernetes.io/metadata.name"] = json!(name);
        put(
            &mut cluster,
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}),
            revision,
        );
    }
    for one in list("nodes").into_iter().chain(list("existing")) {
        revision += 1;
        put(&mut cluster, one, revision);
    }
    let priorities: BTreeMap<String, i64> = list("extra")
        .iter()
        .filter(|one| one["kind"] == "PriorityClass")
        .filter_map(|one| Some((one["metadata"]["name"].as_str()?.to_owned(), one["value"].as_i64()?)))
        .collect();
    let mut cx = Context::new(1_000, 1);
    let mut pending = list("pending");
    for (i, pod) in pending.iter_mut().enumerate() {
        if let Some(priority) =
            pod.pointer("/spec/priorityClassName").and_then(Value::as_str).and_then(|name| priorities.get(name))
        {
            pod["spec"]["priority"] = json!(priority);
        }
        pod["metadata"]["creationTimestamp"] = json!(masthead_api::meta::Time(i as i64));
        revision += 1;
        put(&mut cluster, pod.clone(), revision);
        if !cordoned {
            apply(&mut cluster, &mut cx, &mut revision);
        }
    }
    apply(&mut cluster, &mut cx, &mut revision);
    check(case, &cluster)
}

fn apply(cluster: &mut Cluster, cx: &mut Context, revision: &mut u64) {
    for change in bind::bind(cluster, cx).changes {
        if let Change::Update { object, .. } = change {
            *revision += 1;
            let stored = Object::clone(&object).at(*revision);
            cluster.apply(Event::Put(Arc::new(stored)));
        }
    }
}

fn check(case: &Value, cluster: &Cluster) -> Result<(), String> {
    for result in case["results"].as_array().into_iter().flatten() {
        let name = result["pod"].as_str().unwrap_or_default();
        let pod = cluster.list_all::<Pod>().find(|pod| pod.metadata.name == name).ok_or("no such pod")?;
        let node = pod.spec.node_name.as_str();
        let expect = result["node"].as_str().unwrap_or_default();
        let acceptable: Vec<&str> =
            result["acceptableNodes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if node != expect && !acceptable.contains(&node) {
            return Err(format!("{name}: on {node:?}, expected {expect:?} {acceptable:?}"));
        }
        let said = pod
            .status
            .conditions
            .iter()
            .find(|c| c.type_ == "PodScheduled")
            .map(|c| c.message.as_str())
            .unwrap_or_default();
        if let Some(message) = result["message"].as_str()
            && said != message
        {
            return Err(format!("{name}: says\n  {said}\nexpected\n  {message}"));
        }
    }
    Ok(())
}

#[test]
fn decides_as_the_recorded_scheduler_did() {
    let Some(dir) = corpus() else {
        eprintln!("skipped: there is no corpus beside the checkout");
        return;
    };
    let (mut ran, mut failures) = (0, Vec::new());
    let mut files: Vec<_> = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "json")) {
        let section = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if let Some((_, why)) = SKIPPED.iter().find(|(name, _)| *name == section) {
            println!("skipped: {section}: {why}");
            continue;
        }
        let cases: Vec<Value> =
            serde_json::from_slice(&std::fs::read(file).expect("a corpus file")).expect("a JSON array");
        for case in &cases {
            ran += 1;
            if let Err(why) = run(case) {
                failures.push(format!("{section}/{}: {why}", case["name"].as_str().unwrap_or_default()));
            }
        }
    }
    println!("{ran} cases, {} differ", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn node(name: &str, zone: Option<&str>, cpu: &str) -> Value {
    let mut labels = json!({"kubernetes.io/hostname": name});
    if let Some(zone) = zone {
        labels["zone"] = json!(zone);
    }
    let room = json!({"cpu": cpu, "memory": "8Gi", "pods": "110"});
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
        "status": {"capacity": room, "allocatable": room}})
}

fn pod(name: &str, labels: Value, spec: Value) -> Value {
    let mut spec = spec;
    let requests = spec["cpu"].take();
    if let Some(fields) = spec.as_object_mut() {
        fields.remove("cpu");
    }
    spec["containers"] = json!([{"name": "c", "image": "i"}]);
    if !requests.is_null() {
        spec["containers"][0]["resources"] = json!({"requests": {"cpu": requests}});
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "sched", "labels": labels},
        "spec": spec})
}

/// The pod `p` is put on `node`, or `message` is said of it.
fn decides(nodes: Value, existing: Value, spec: Value, node: &str, message: Option<&str>) {
    let pending = pod("p", json!({"app": "web"}), spec);
    let mut result = json!({"pod": "p", "node": node});
    if let Some(message) = message {
        result["message"] = json!(message);
    }
    let case = json!({"nodes": nodes, "existing": existing, "pending": [pending], "results": [result]});
    if let Err(why) = run(&case) {
        panic!("{why}\nin {case}");
    }
}

#[test]
fn a_pod_is_near_to_those_that_all_terms_are_about() {
    let term = |key: &str| json!({"topologyKey": "zone", "labelSelector": {"matchExpressions": [{"key": key, "operator": "Exists"}]}});
    let spec = || json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term("a"), term("b")]}}});
    let nodes = || json!([node("n1", Some("x"), "4"), node("n2", Some("y"), "4")]);
    let at = |name: &str, labels: Value, node: &str| pod(name, labels, json!({"nodeName": node}));
    // One pod for each term is not one for both.
    let apart = json!([at("a", json!({"a": ""}), "n1"), at("b", json!({"b": ""}), "n1")]);
    decides(
        nodes(),
        apart,
        spec(),
        "",
        Some(
            "0/2 nodes are available: 2 node(s) didn't match pod affinity rules. no new claims to deallocate, \
              preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
        ),
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
