//! Manifests of the corpus → as the API would store them: defaults for the few fields that its cases leave out, patches
//! as strategic merge, generations.

use masthead_api::core::pod::PodSpec;
use serde_json::{Map, Value, json};

/// A new object with what the API gives it.
pub fn create(mut value: Value, uid: String, now: &Value) -> Value {
    let kind = value["kind"].as_str().unwrap_or_default().to_owned();
    let meta = value["metadata"].as_object_mut().expect("metadata");
    meta.insert("namespace".into(), json!("ns"));
    meta.insert("uid".into(), json!(uid));
    meta.insert("creationTimestamp".into(), now.clone());
    meta.insert("generation".into(), json!(1));
    if kind == "Pod" {
        pod_spec(&mut value["spec"]);
        value["status"] = json!({"phase": "Pending"});
        return value;
    }
    pod_spec(&mut value["spec"]["template"]["spec"]);
    default(&mut value["spec"], "replicas", json!(1));
    if kind == "Deployment" {
        strategy(&mut value["spec"]);
    }
    value
}

fn strategy(spec: &mut Value) {
    default(spec, "revisionHistoryLimit", json!(10));
    default(spec, "progressDeadlineSeconds", json!(600));
    default(spec, "strategy", json!({}));
    let strategy = &mut spec["strategy"];
    default(strategy, "type", json!("RollingUpdate"));
    if strategy["type"] == "RollingUpdate" {
        default(strategy, "rollingUpdate", json!({}));
        default(&mut strategy["rollingUpdate"], "maxSurge", json!("25%"));
        default(&mut strategy["rollingUpdate"], "maxUnavailable", json!("25%"));
    }
}

fn pod_spec(spec: &mut Value) {
    default(spec, "restartPolicy", json!("Always"));
    default(spec, "dnsPolicy", json!("ClusterFirst"));
    default(spec, "securityContext", json!({}));
    default(spec, "schedulerName", json!("default-scheduler"));
    default(spec, "terminationGracePeriodSeconds", json!(30));
    for container in spec["containers"].as_array_mut().into_iter().flatten() {
        default(container, "resources", json!({}));
        default(container, "terminationMessagePath", json!("/dev/termination-log"));
        default(container, "terminationMessagePolicy", json!("File"));
        default(container, "imagePullPolicy", json!("IfNotPresent"));
    }
    let _: PodSpec = serde_json::from_value(spec.clone()).expect("a pod's spec");
}

fn default(value: &mut Value, field: &str, with: Value) {
    let map = value.as_object_mut().expect("an object");
    if map.get(field).is_none_or(Value::is_null) {
        map.insert(field.to_owned(), with);
    }
}

/// Lays a patch over an object: maps merge, `null` removes, containers merge by name, the rest is replaced.
pub fn patch(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (field, with) in fields {
        let map = target.as_object_mut().expect("made one above");
        match with {
            Value::Null => drop(map.remove(field)),
            Value::Array(items) if field == "containers" => {
                let known = map.entry(field.clone()).or_insert_with(|| json!([]));
                for item in items {
                    let list = known.as_array_mut().expect("a list");
                    match list.iter_mut().find(|c| c["name"] == item["name"]) {
                        Some(container) => self::patch(container, item),
                        None => list.push(item.clone()),
                    }
                }
            }
            with => self::patch(map.entry(field.clone()).or_insert(Value::Null), with),
        }
    }
}

/// Counts a write of a user as a new generation, as the API does.
pub fn written(before: &Value, mut after: Value) -> Value {
    let annotations = before["kind"] == "Deployment" && before["metadata"]["annotations"] != after["metadata"]["annotations"];
    if after["kind"] == "Deployment" {
        strategy(&mut after["spec"]);
    }
    if before["spec"] != after["spec"] || annotations {
        let generation = before["metadata"]["generation"].as_i64().unwrap_or(0);
        after["metadata"]["generation"] = json!(generation + 1);
    }
    after
}
