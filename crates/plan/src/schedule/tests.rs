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
