//! Manifests of the corpus → as the API stores them; patches as strategic merge.

use masthead_api::admit;
use serde_json::{Map, Value, json};

/// A new object as the API stores it.
pub fn create(value: Value, uid: String, now: &Value) -> Value {
    let mut value = admit::create(value, "ns").expect("a valid manifest");
    value["metadata"]["uid"] = json!(uid);
    value["metadata"]["creationTimestamp"] = now.clone();
    admit::settle(value).expect("an admitted object")
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

/// A user's write as the API stores it.
pub fn written(before: &Value, after: Value) -> Value {
    admit::update(before, after).expect("a valid manifest")
}
