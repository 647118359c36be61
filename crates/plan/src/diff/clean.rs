//! An object as stored → what a reader of a diff wants of it: no status, no bookkeeping, no value of a Secret.

use masthead_api::batch::selector::{CONTROLLER_UID, JOB_NAME, OLD_CONTROLLER_UID, OLD_JOB_NAME};
use masthead_api::kind::Kind;
use masthead_api::kind::registry::JOB;
use masthead_api::object::Object;
use serde_json::{Map, Value};

/// Metadata that servers write and nobody reviews.
const BOOKKEEPING: [&str; 6] =
    ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink"];

/// Where kubectl keeps a copy of a whole manifest, which for a Secret holds its values.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Both states, cleaned; a value of a Secret is replaced by stars, which differ between the states where the values do.
pub fn pair(before: Option<&Object>, after: Option<&Object>) -> (Option<Value>, Option<Value>) {
    let (mut before, mut after) = (before.map(cleaned), after.map(cleaned));
    for field in ["data", "stringData"] {
        mask(field, before.as_mut(), after.as_mut());
    }
    (before, after)
}

fn cleaned(object: &Object) -> Value {
    let mut value = object.value();
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
        if let Some(meta) = map.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in BOOKKEEPING {
                meta.remove(field);
            }
        }
    }
    without_uid(&mut value);
    if object.kind().info().kind == "Secret"
        && let Some(annotations) = value.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
    {
        annotations.remove(LAST_APPLIED);
    }
    value
}

/// Takes what a Job has of its uid out of it, the selector and the labels that are made with it; other objects stay.
pub fn without_uid(job: &mut Value) {
    let text = |field: &str| job.get(field).and_then(Value::as_str).unwrap_or_default();
    let is_job = Kind::by_gvk(text("apiVersion"), text("kind")) == Some(JOB);
    if !is_job || job.pointer("/spec/manualSelector").and_then(Value::as_bool) == Some(true) {
        return;
    }
    if let Some(spec) = job.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("selector");
    }
    for path in ["/metadata", "/spec/template/metadata"] {
        let Some(meta) = job.pointer_mut(path).and_then(Value::as_object_mut) else { continue };
        let Some(labels) = meta.get_mut("labels").and_then(Value::as_object_mut) else { continue };
        for label in [CONTROLLER_UID, JOB_NAME, OLD_CONTROLLER_UID, OLD_JOB_NAME] {
            labels.remove(label);
        }
        if labels.is_empty() {
            meta.remove("labels");
        }
    }
}

/// Replaces the values of a Secret's `field` in both states.
fn mask(field: &str, before: Option<&mut Value>, after: Option<&mut Value>) {
    let is_secret = |value: &Value| value.get("kind").and_then(Value::as_str) == Some("Secret");
    let mut before = before.filter(|v| is_secret(v)).and_then(|v| v.get_mut(field)).and_then(Value::as_object_mut);
    let mut after = after.filter(|v| is_secret(v)).and_then(|v| v.get_mut(field)).and_then(Value::as_object_mut);
    let keys: Vec<String> = [&before, &after].into_iter().flatten().flat_map(|map| map.keys().cloned()).collect();
    for key in keys {
        let value = |map: &Option<&mut Map<String, Value>>| map.as_ref().and_then(|m| m.get(&key).cloned());
        let (old, new) = (value(&before), value(&after));
        let changed = old.is_some() && new.is_some() && old != new;
        let stars = |which: &str| if changed { format!("*** ({which})") } else { "***".to_owned() };
        for (map, which) in [(&mut before, "before"), (&mut after, "after")] {
            if let Some(slot) = map.as_mut().and_then(|m| m.get_mut(&key)) {
                *slot = Value::String(stars(which));
            }
        }
    }
}
