//! A replica set's template → a new pod, as the API would store it.

use std::sync::Arc;

use masthead_api::kind::registry::POD;
use masthead_api::core::pod::PodTemplateSpec;
use masthead_api::key::ObjectKey;
use masthead_api::object::Object;
use serde_json::{Map, Value, json};

use crate::cluster::view::Cluster;
use crate::context::Context;
use crate::workload::claim::controller_reference;

/// Why no pod was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The template makes no valid pod.
    #[error("{0}")]
    Invalid(String),
    /// Every name that was drawn is taken.
    #[error("no free name after {NAME_TRIES} tries")]
    NoName,
}

/// Names are drawn this often before giving up.
const NAME_TRIES: usize = 8;

/// A generated name's stem is cut to this many bytes: a label of 63 less the five letters (Kubernetes' `names` package).
const STEM_MAX: usize = 58;

/// A pod of `template` that `owner` controls, with a new name, uid and time of creation.
///
/// # Errors
/// The template makes no valid pod, or no name is free.
pub fn pod(cluster: &Cluster, owner: &Object, template: &PodTemplateSpec, cx: &mut Context) -> Result<Arc<Object>, Error> {
    let invalid = |error: &dyn std::fmt::Display| Error::Invalid(error.to_string());
    let generate_name = format!("{}-", owner.key().name);
    let namespace = owner.key().namespace.as_str();
    let name = free_name(cluster, namespace, &generate_name, cx)?;
    let mut meta = Map::new();
    meta.insert("name".into(), json!(name));
    meta.insert("generateName".into(), json!(generate_name));
    meta.insert("namespace".into(), json!(namespace));
    meta.insert("uid".into(), json!(cx.ids.uid()));
    meta.insert("creationTimestamp".into(), json!(cx.now));
    meta.insert("generation".into(), json!(1));
    meta.insert("ownerReferences".into(), json!([controller_reference(owner)]));
    let from = &template.metadata;
    let copied = [("labels", json!(from.labels)), ("annotations", json!(from.annotations)), ("finalizers", json!(from.finalizers))];
    for (field, value) in copied {
        let empty = value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            meta.insert(field.into(), value);
        }
    }
    let spec = serde_json::to_value(&template.spec).map_err(|error| invalid(&error))?;
    let value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": {"phase": "Pending"}});
    let object = Object::from_value(admitted(value)?).map_err(|error| invalid(&error))?;
    Ok(Arc::new(object))
}

/// The pod after defaulting, admission and validation.
fn admitted(value: Value) -> Result<Value, Error> {
    Ok(value)
}

fn free_name(cluster: &Cluster, namespace: &str, generate_name: &str, cx: &mut Context) -> Result<String, Error> {
    let mut end = generate_name.len().min(STEM_MAX);
    while !generate_name.is_char_boundary(end) {
        end -= 1;
    }
    let stem = &generate_name[..end];
    (0..NAME_TRIES)
        .map(|_| format!("{stem}{}", cx.ids.suffix()))
        .find(|name| cluster.get(&ObjectKey::new(POD, namespace, name)).is_none())
        .ok_or(Error::NoName)
}
