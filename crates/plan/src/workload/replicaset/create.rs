//! A replica set's template → a new pod, as the API would store it.

use std::sync::Arc;

use masthead_api::admit;
use masthead_api::core::pod::{Pod, PodTemplateSpec};
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::kind::registry::POD;
use masthead_api::object::Object;

use crate::admission;
use crate::cluster::view::Cluster;
use crate::context::Context;
use crate::workload::claim::controller_reference;

/// Why no pod was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The template makes no valid pod.
    #[error("Pod {name:?} is invalid: {why}")]
    Invalid {
        /// The pod that was to be.
        name: String,
        /// What is wrong, with the fields.
        why: String,
    },
    /// A rule of the cluster does not admit it.
    #[error("pods {name:?} is forbidden: {why}")]
    Forbidden {
        /// The pod that was to be.
        name: String,
        /// Which rule.
        why: String,
    },
    /// The pod does not encode, which no registered type does.
    #[error("the pod cannot be written: {0}")]
    Unreadable(String),
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
/// It goes through the same admission as a pod that a user asks for.
///
/// # Errors
/// The template makes no valid pod, or no name is free.
pub fn pod(
    cluster: &Cluster,
    owner: &Object,
    template: &PodTemplateSpec,
    cx: &mut Context,
) -> Result<Arc<Object>, Error> {
    named(cluster, owner, template, format!("{}-", owner.key().name), cx)
}

/// As [`pod`], with a name that begins with `generate_name`.
///
/// # Errors
/// As [`pod`].
pub fn named(
    cluster: &Cluster,
    owner: &Object,
    template: &PodTemplateSpec,
    generate_name: String,
    cx: &mut Context,
) -> Result<Arc<Object>, Error> {
    let namespace = owner.key().namespace.as_str();
    let mut pod =
        Pod { api_version: "v1".to_owned(), kind: "Pod".to_owned(), spec: template.spec.clone(), ..Pod::default() };
    let meta = &mut pod.metadata;
    meta.generate_name = generate_name;
    meta.name = free_name(cluster, namespace, &meta.generate_name, cx)?;
    meta.namespace = namespace.to_owned();
    meta.labels = template.metadata.labels.clone();
    meta.annotations = template.metadata.annotations.clone();
    meta.finalizers = template.metadata.finalizers.clone();
    meta.owner_references = vec![controller_reference(owner)];
    admission::of_pod(cluster, &mut pod).map_err(|why| Error::Forbidden { name: pod.metadata.name.clone(), why })?;
    let name = pod.metadata.name.clone();
    let value = pod.to_json_value().map_err(|error| Error::Unreadable(error.to_string()))?;
    let value = admit::create(value, namespace).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(|p| format!("{}: {}", p.path, p.message)).collect();
        Error::Invalid { name, why: problems.join(", ") }
    })?;
    let mut pod = Pod::from_json_value(value).map_err(|error| Error::Unreadable(error.to_string()))?;
    pod.metadata.uid = cx.ids.uid();
    pod.metadata.creation_timestamp = Some(cx.now);
    Ok(Arc::new(Object::of(&pod).map_err(|error| Error::Unreadable(error.to_string()))?))
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
