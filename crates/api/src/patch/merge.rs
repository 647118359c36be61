//! RFC 7386: a document and a merge patch to the patched document, as Kubernetes' library merges them.

use serde_json::{Map, Value};

/// Lays a patch over a document: nulls remove, objects merge, everything else is replaced.
pub fn merge(document: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, mut value) in patch {
        if value.is_null() {
            document.remove(&key);
            continue;
        }
        match (document.get_mut(&key), &mut value) {
            (Some(Value::Object(inner)), Value::Object(changes)) => merge(inner, std::mem::take(changes)),
            (live, _) => {
                // Where an object gives way to something else, the library leaves nulls within that as they are.
                if !matches!(live, Some(Value::Object(_))) {
                    prune(&mut value);
                }
                document.insert(key, value);
            }
        }
    }
}

/// Takes the null fields out of objects, also of those in lists; nulls that are elements stay.
fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, inner| !inner.is_null());
            map.values_mut().for_each(prune);
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}
