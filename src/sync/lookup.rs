//! What charts are told of the cluster: the objects that `lookup` asks for, as the API would give them, and their release.

use std::sync::Arc;

use masthead_api::key::ObjectKey;
use masthead_api::kind::find;
use masthead_api::object::Object;
use serde_json::{Value, json};

use crate::control::view::View;
use crate::sync::charts::{Find, Known};

/// Looks up in a view of the cluster. An object that is not there is an empty map, and so is a kind that is not served,
/// as with Helm.
pub fn find(view: Arc<View>) -> Find {
    Arc::new(move |version, kind, namespace, name| {
        let Ok(found) = find::find(version, kind) else { return Ok(json!({})) };
        let cluster = view.read();
        if !name.is_empty() {
            let key = ObjectKey::new(found, if found.info().namespaced { namespace } else { "" }, name);
            return Ok(cluster.get(&key).map_or_else(|| json!({}), |object| object.value()));
        }
        let is_asked = |object: &&Arc<Object>| namespace.is_empty() || object.key().namespace == namespace;
        let items: Vec<Value> = cluster.of_kind(found).filter(is_asked).map(|object| object.value()).collect();
        Ok(json!({ "apiVersion": version, "kind": format!("{kind}List"), "metadata": {}, "items": items }))
    })
}

/// What is known of releases in a view of the cluster.
pub fn known(view: Arc<View>) -> Known {
    Arc::new(move |key| view.read().installed().get(key).cloned())
}
