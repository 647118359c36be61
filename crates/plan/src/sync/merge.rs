//! What git asks for, what it asked for before, and what is → the object as it will be, before admission.
//!
//! Git owns everything outside `status` and the metadata that servers and controllers write. Labels and annotations
//! are merged three ways: keys that git set before and sets no more go, keys that others set stay.

use masthead_api::object::Object;
use serde_json::{Map, Value};

/// Metadata that git never owns on an object that exists.
const SERVER_OWNED: [&str; 9] = [
    "uid",
    "creationTimestamp",
    "generation",
    "resourceVersion",
    "ownerReferences",
    "finalizers",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
];

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
    if let Some(map) = out.as_object_mut() {
        match live_value.get("status") {
            Some(status) => map.insert("status".to_owned(), status.clone()),
            None => map.remove("status"),
        };
    }
    out
}
