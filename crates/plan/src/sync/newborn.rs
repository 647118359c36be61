//! A manifest → the object as it is made: with a uid and the time of its creation, a pod as admission leaves it.

use std::sync::Arc;

use masthead_api::admit;
use masthead_api::core::pod::Pod;
use masthead_api::kind::Resource;
use masthead_api::kind::registry::POD;
use masthead_api::object::Object;
use serde_json::{Value, json};

use crate::admission;
use crate::cluster::view::Cluster;
use crate::context::Context;

/// An admitted manifest with what the server gives each new object.
///
/// # Errors
/// It has no metadata, is no object, or is a pod that no plugin admits.
pub fn newborn(wanted: &Object, mut value: Value, cluster: &Cluster, cx: &mut Context) -> Result<Arc<Object>, String> {
    if wanted.key().kind == POD {
        let mut pod = Pod::from_json_value(value).map_err(|error| error.to_string())?;
        admission::of_pod(cluster, &mut pod)?;
        value = pod.to_json_value().map_err(|error| error.to_string())?;
    }
    let meta = value.get_mut("metadata").and_then(Value::as_object_mut).ok_or("metadata: Required value")?;
    meta.insert("uid".into(), json!(cx.ids.uid()));
    meta.insert("creationTimestamp".into(), json!(cx.now));
    // What follows from the uid, as a job's selector.
    let value = admit::settle(value).map_err(|fault| format!("{}: {}", fault.path, fault.message))?;
    Ok(Arc::new(Object::from_value(value).map_err(|e| e.to_string())?))
}
