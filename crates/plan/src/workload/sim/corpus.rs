//! The recorded scenarios of a real Kubernetes, played here: final objects, pods, events and bounds must agree.
#![expect(clippy::disallowed_methods, reason = "a test that reads recorded answers from disk")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Kind;
use masthead_api::kind::registry::{DEPLOYMENT, JOB, POD, REPLICA_SET};
use serde_json::{Value, json};

use crate::delete::{self, Propagation};
use crate::workload::deployment::revision::REVISION;
use crate::workload::pods::is_ready;
use crate::workload::sim::manifest;
use crate::workload::sim::world::World;

/// What the controllers get done between two writes of the recorder.
const DECISIONS_BETWEEN_WRITES: usize = 4;

fn shared() -> PathBuf {
    std::env::var_os("MASTHEAD_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from)
}

#[test]
fn scenarios_end_as_in_kubernetes() {
    let mut played = 0;
    for file in ["deployments.json", "replicasets.json", "jobs.json"] {
        let path = shared().join("corpus/api/controllers").join(file);
        let Ok(text) = std::fs::read(&path) else {
            println!("skipped: {file} of the corpus is not there");
            continue;
        };
        let cases: Vec<Value> = serde_json::from_slice(&text).unwrap();
        for case in &cases {
            match play(case) {
                Ok(world) => {
                    compare(case, world);
                    played += 1;
                }
                Err(why) => println!("skipped: {}: {why}", case["name"]),
            }
        }
    }
    println!("{played} scenarios agree");
}

fn key(kind: &str, name: &str) -> ObjectKey {
    let kind = Kind::all().iter().copied().find(|k| k.info().kind == kind).unwrap();
    ObjectKey::new(kind, "ns", name)
}

fn play(case: &Value) -> Result<World, String> {
    if let Some(kind) = case["objects"].as_object().and_then(|o| o.keys().find(|kind| unknown(kind))) {
        return Err(format!("kind {kind} is not in scope"));
    }
    let mut world = World::new(1, false);
    // The recorder's agent ran all pods of a job at once.
    let steps = case["steps"].as_array().unwrap();
    world.together = steps.iter().any(|step| step["object"]["kind"] == "Job");
    for (index, step) in steps.iter().enumerate() {
        let text = |field: &str| step[field].as_str().unwrap_or_default().to_owned();
        match step["op"].as_str().unwrap() {
            "create" => {
                let (uid, now) = (world.cx.ids.uid(), json!(world.time()));
                world.put(manifest::create(step["object"].clone(), uid, &now));
            }
            "settle" => world.settle(),
            "wait" => world.pass((step["seconds"].as_f64().unwrap() * 1000.0) as i64),
            "startInvariants" => world.start_bounds(),
            "patch" => {
                let key = key(&text("kind"), &text("name"));
                let before = world.get(&key);
                let mut after = before.clone();
                manifest::patch(&mut after, &step["patch"]);
                world.put(manifest::written(&before, after));
            }
            "delete" => {
                let key = key(&text("kind"), &text("name"));
                delete_object(&mut world, &key, &text("propagationPolicy"));
            }
            "rollbackToRevision" => roll_back(&mut world, &text("name"), step["revision"].as_i64().unwrap()),
            "relabelFirstPodByName" => {
                let key = first_pod(&world);
                world.edit(&key, |pod| manifest::patch(&mut pod["metadata"]["labels"], &step["labels"]));
            }
            "deleteFirstPodByName" => {
                let key = first_pod(&world);
                delete_object(&mut world, &key, "");
            }
            op => return Err(format!("the step {op} needs what other controllers do")),
        }
        // The recorder sent writes that follow each other within milliseconds.
        match steps.get(index + 1).map(|next| next["op"].as_str().unwrap()) {
            Some("patch") => world.decide_some(DECISIONS_BETWEEN_WRITES),
            _ => world.decide(),
        }
    }
    world.settle();
    world.assert_silent();
    Ok(world)
}

fn unknown(kind: &str) -> bool {
    Kind::all().iter().all(|k| k.info().kind != kind)
}

fn first_pod(world: &World) -> ObjectKey {
    world.cluster.of_kind(POD).next().expect("a pod").key().clone()
}

fn delete_object(world: &mut World, key: &ObjectKey, policy: &str) {
    let propagation = match policy {
        "Foreground" => Propagation::Foreground,
        "Orphan" => Propagation::Orphan,
        _ => Propagation::Background,
    };
    let live = world.cluster.get(key).expect("what is deleted is there").clone();
    let change = delete::delete(&live, None, propagation, world.time(), "a user asks for it").unwrap();
    world.change(change.expect("a first delete does something"));
}

/// As `kubectl rollout undo --to-revision`.
fn roll_back(world: &mut World, name: &str, revision: i64) {
    let wanted = revision.to_string();
    let rs = world.cluster.of_kind(REPLICA_SET).find(|rs| rs.meta().annotations.get(REVISION) == Some(&wanted));
    let mut template = rs.expect("a set of that revision").value()["spec"]["template"].clone();
    template["metadata"]["labels"].as_object_mut().unwrap().remove("pod-template-hash");
    let key = key("Deployment", name);
    let before = world.get(&key);
    let mut after = before.clone();
    after["spec"]["template"] = template;
    world.put(manifest::written(&before, after));
}

/// Hashes of the sets that are left, by revision, as the corpus numbers them.
fn masks(world: &World) -> BTreeMap<String, String> {
    let mut sets: Vec<(i64, String)> = world
        .cluster
        .of_kind(REPLICA_SET)
        .filter_map(|rs| {
            let hash = rs.meta().labels.get("pod-template-hash")?.clone();
            Some((rs.meta().annotations.get(REVISION).and_then(|r| r.parse().ok()).unwrap_or(0), hash))
        })
        .collect();
    sets.sort();
    let hashes = sets.into_iter().enumerate().map(|(i, (_, hash))| (hash, format!("<HASH{}>", i + 1)));
    let uids = world.cluster.of_kind(JOB).map(|job| (job.meta().uid.clone(), "<UID>".to_owned()));
    hashes.chain(uids).collect()
}

/// A text with hashes masked, of sets that are gone too, and random ends of pod names.
fn mask(text: &str, masks: &BTreeMap<String, String>) -> String {
    let mut text = text.replace(" ns/", " <NS>/");
    for (hash, mask) in masks {
        text = text.replace(hash, mask);
    }
    let words: Vec<String> = text
        .split(' ')
        .map(|word| {
            let Some((stem, end)) = word.rsplit_once('-') else { return word.to_owned() };
            let random = |part: &str, len: std::ops::RangeInclusive<usize>| {
                len.contains(&part.len()) && part.bytes().all(|c| b"bcdfghjklmnpqrstvwxz2456789".contains(&c))
            };
            match stem.rsplit_once('-') {
                Some((front, hash)) if random(hash, 6..=10) => format!("{front}-<GONE>-<RAND>"),
                _ if random(end, 6..=10) => format!("{stem}-<GONE>"),
                _ if random(end, 5..=5) => format!("{stem}-<RAND>"),
                _ => word.to_owned(),
            }
        })
        .collect();
    words.join(" ")
}

fn mask_value(value: &mut Value, masks: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => *text = mask(text, masks),
        Value::Array(items) => items.iter_mut().for_each(|item| mask_value(item, masks)),
        Value::Object(map) => map.values_mut().for_each(|item| mask_value(item, masks)),
        _ => {}
    }
}

fn compare(case: &Value, world: World) {
    let name = case["name"].as_str().unwrap();
    let masks = masks(&world);
    compare_objects(name, case, &world, &masks);
    compare_pods(name, case, &world, &masks);
    compare_events(name, case, &world, &masks);
    if let (Some(bounds), Some(expect)) = (world.bounds, case["invariants"].as_object()) {
        let bound = |field: &str| usize::try_from(expect[field].as_u64().unwrap()).unwrap();
        assert!(bounds.max_pods <= bound("maxPods"), "{name}: {bounds:?} against {expect:?}");
        assert!(bounds.min_pods >= bound("minPods"), "{name}: {bounds:?} against {expect:?}");
        assert!(bounds.min_ready >= bound("minReady"), "{name}: {bounds:?} against {expect:?}");
    }
}

fn compare_objects(name: &str, case: &Value, world: &World, masks: &BTreeMap<String, String>) {
    for (kind, id) in [("Deployment", DEPLOYMENT), ("ReplicaSet", REPLICA_SET), ("Job", JOB)] {
        let expect = case["objects"].get(kind).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut ours: Vec<Value> = world.cluster.of_kind(id).map(|o| tidy(o.value(), kind, masks)).collect();
        let mut theirs: Vec<Value> = expect.into_iter().map(|o| tidy(o, kind, &BTreeMap::new())).collect();
        for list in [&mut ours, &mut theirs] {
            list.sort_by_key(|o| o["metadata"]["name"].to_string());
        }
        assert_eq!(pretty(&ours), pretty(&theirs), "{name}: {kind}");
    }
}

fn pretty(values: &[Value]) -> String {
    serde_json::to_string_pretty(values).unwrap()
}

fn tidy(mut value: Value, kind: &str, masks: &BTreeMap<String, String>) -> Value {
    for field in ["apiVersion", "kind"] {
        value.as_object_mut().unwrap().remove(field);
    }
    let meta = value["metadata"].as_object_mut().unwrap();
    for field in ["uid", "resourceVersion", "managedFields"] {
        meta.remove(field);
    }
    meta.insert("namespace".into(), json!("<NS>"));
    meta.insert("creationTimestamp".into(), json!("<TIME>"));
    for owner in value["metadata"]["ownerReferences"].as_array_mut().into_iter().flatten() {
        owner["uid"] = json!("<UID>");
    }
    for condition in value["status"]["conditions"].as_array_mut().into_iter().flatten() {
        for field in ["lastUpdateTime", "lastTransitionTime", "lastProbeTime"] {
            if condition.get(field).is_some() {
                condition[field] = json!("<TIME>");
            }
        }
    }
    for field in ["startTime", "completionTime"] {
        if value["status"].get(field).is_some() {
            value["status"][field] = json!("<TIME>");
        }
    }
    if kind == "ReplicaSet" {
        assert_eq!(value["metadata"]["generation"], value["status"]["observedGeneration"]);
        value["metadata"]["generation"] = json!(0);
        value["status"]["observedGeneration"] = json!(0);
    }
    mask_value(&mut value, masks);
    value
}

fn compare_pods(name: &str, case: &Value, world: &World, masks: &BTreeMap<String, String>) {
    let line = |parts: [Value; 10]| Value::from(parts.to_vec()).to_string();
    let mut theirs: Vec<String> = case["pods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| {
            let owner = if p["owner"].is_null() { json!([]) } else { p["owner"].clone() };
            let fields =
                ["name", "labels", "annotations", "phase", "ready", "image", "terminating", "hostname", "finalizers"]
                    .map(|f| p[f].clone());
            let [a, b, c, d, e, f, g, h, i] = fields;
            line([a, b, c, d, e, f, g, h, i, owner])
        })
        .collect();
    let mut ours: Vec<String> = world
        .cluster
        .list_all::<Pod>()
        .map(|pod| {
            let meta = &pod.metadata;
            let annotations = if meta.annotations.is_empty() { Value::Null } else { json!(meta.annotations) };
            let mut owners = json!(meta.owner_references);
            for owner in owners.as_array_mut().into_iter().flatten() {
                owner.as_object_mut().unwrap().remove("uid");
            }
            let mut value = json!([
                meta.name,
                meta.labels,
                annotations,
                pod.status.phase,
                is_ready(&pod),
                pod.spec.containers[0].image,
                meta.deletion_timestamp.is_some(),
                Some(&pod.spec.hostname).filter(|name| !name.is_empty()),
                Some(&meta.finalizers).filter(|list| !list.is_empty()),
                if meta.owner_references.is_empty() { json!([]) } else { owners }
            ]);
            mask_value(&mut value, masks);
            value.to_string()
        })
        .collect();
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs, "{name}: pods");
}

/// Scaling on the way depends on timing: of it, the way each set took from its first to its last size must agree. All
/// other events must be the same, as often.
fn compare_events(name: &str, case: &Value, world: &World, masks: &BTreeMap<String, String>) {
    let mut ours = Vec::new();
    for event in &world.events {
        let kind = event.about.kind.info().kind;
        let about = mask(&event.about.name, masks);
        ours.push((
            format!("{:?} {} {kind} {about} {}", event.kind, event.reason, event.source),
            mask(&event.message, masks),
        ));
    }
    let mut theirs = Vec::new();
    for event in case["events"].as_array().unwrap() {
        let text = |field: &str| event[field].as_str().unwrap_or_default();
        let about = mask(text("object"), &BTreeMap::new());
        let message = mask(text("message").trim_start_matches("(combined from similar events): "), &BTreeMap::new());
        let head = format!("{} {} {} {about} {}", text("type"), text("reason"), text("kind"), text("component"));
        // What was told several times was told as often.
        let times = usize::try_from(event["count"].as_u64().unwrap_or(1)).unwrap();
        theirs.extend(std::iter::repeat_n((head, message), times));
    }
    let scalings = |events: &[(String, String)]| {
        let mut ends: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for (_, message) in events.iter().filter(|(head, _)| head.contains("ScalingReplicaSet")) {
            let words: Vec<&str> = message.split(' ').collect();
            let [.., set, "from", from, "to", to] = words.as_slice() else { panic!("{message}") };
            let delta: i64 = to.parse::<i64>().unwrap() - from.parse::<i64>().unwrap();
            assert_eq!(words[1], if delta > 0 { "up" } else { "down" });
            let end = ends.entry((*set).to_owned()).or_default();
            end.0 += delta;
            end.1 = end.1.max(to.parse().unwrap());
        }
        ends
    };
    // Kubernetes folds events from the eleventh of an object on, so that some of its steps are not told.
    let folded = case["events"]
        .as_array()
        .unwrap()
        .iter()
        .any(|e| e["message"].as_str().unwrap_or_default().starts_with("(combined"));
    if !folded {
        assert_eq!(scalings(&ours), scalings(&theirs), "{name}: scalings {ours:#?}");
    }
    let others = |events: &[(String, String)]| {
        let mut list: Vec<String> = events
            .iter()
            .filter(|(head, _)| !head.contains("ScalingReplicaSet"))
            .map(|(head, m)| format!("{head}: {m}"))
            .collect();
        list.sort();
        list
    };
    assert_eq!(others(&ours), others(&theirs), "{name}: events");
}
