//! What git asks for, what it asked for before, and what is → the object as it will be, before admission.
//!
//! Git owns everything outside `status` and the metadata that servers and controllers write. Labels, annotations and
//! finalizers are merged three ways: what git set before and sets no more goes, what others set stays. So are the fields
//! of a pod's spec, of which admission and the scheduler fill in some.

use masthead_api::kind::registry::POD;
use masthead_api::object::Object;
use serde_json::{Map, Value};

use crate::cluster::edit::set_list;

/// Metadata that git never owns on an object that exists.
const SERVER_OWNED: [&str; 8] = [
    "uid",
    "creationTimestamp",
    "generation",
    "resourceVersion",
    "ownerReferences",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
];

const TOLERATIONS: &str = "tolerations";

/// `wanted` laid over `live`; `last` is what git asked for when the record was made.
pub fn overlay(live: &Object, last: Option<&Object>, wanted: &Object) -> Value {
    let live_value = live.value();
    let mut out = wanted.value();
    let none = Map::new();
    let live_meta = live_value.get("metadata").and_then(Value::as_object).unwrap_or(&none);
    if let Some(meta) = out.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in SERVER_OWNED {
            match live_meta.get(field) {
                Some(value) => meta.insert(field.to_owned(), value.clone()),
                None => meta.remove(field),
            };
        }
        let last_meta = last.map(Object::meta);
        let (mut finalizers, asked) = (live.meta().finalizers.clone(), &wanted.meta().finalizers);
        finalizers.retain(|f| asked.contains(f) || !last_meta.is_some_and(|last| last.finalizers.contains(f)));
        finalizers.extend(asked.iter().filter(|f| !live.meta().finalizers.contains(f)).cloned());
        set_list(meta, "finalizers", &finalizers);
        for (field, before) in
            [("labels", last_meta.map(|m| &m.labels)), ("annotations", last_meta.map(|m| &m.annotations))]
        {
            let mut merged = live_meta.get(field).and_then(Value::as_object).cloned().unwrap_or_default();
            for key in before.into_iter().flat_map(|map| map.keys()) {
                merged.remove(key);
            }
            if let Some(wanted) = meta.get(field).and_then(Value::as_object) {
                merged.extend(wanted.iter().map(|(k, v)| (k.clone(), v.clone())));
            }
            match merged.is_empty() {
                true => meta.remove(field),
                false => meta.insert(field.to_owned(), Value::Object(merged)),
            };
        }
    }
    if live.key().kind == POD
        && let Some(spec) = out.get_mut("spec").and_then(Value::as_object_mut)
    {
        let last = last.map(Object::value);
        keep_filled_in(live_value.get("spec"), last.as_ref().and_then(|last| last.get("spec")), spec);
    }
    if let Some(map) = out.as_object_mut() {
        match live_value.get("status") {
            Some(status) => map.insert("status".to_owned(), status.clone()),
            None => map.remove("status"),
        };
    }
    out
}

/// Lays what others filled in of a live pod's spec below what git asks for. Tolerations, which admission adds to those of
/// the manifest, are kept one by one.
fn keep_filled_in(live: Option<&Value>, last: Option<&Value>, spec: &mut Map<String, Value>) {
    for (field, value) in live.and_then(Value::as_object).into_iter().flatten() {
        let before = last.and_then(|last| last.get(field));
        match (spec.get_mut(field), value.as_array()) {
            (None, _) if before.is_none() => drop(spec.insert(field.clone(), value.clone())),
            (asked, Some(value)) if field == TOLERATIONS => {
                let was_gits = |one: &Value| before.and_then(Value::as_array).is_some_and(|all| all.contains(one));
                let added: Vec<Value> = value.iter().filter(|one| !was_gits(one)).cloned().collect();
                let mut all = asked.and_then(|asked| asked.as_array().cloned()).unwrap_or_default();
                all.extend(added.into_iter().filter(|one| !all.contains(one)).collect::<Vec<_>>());
                spec.insert(field.clone(), Value::Array(all));
            }
            _ => {}
        }
    }
}
