//! Pods that a node holds and the store does not know → pods to import after the store was lost, or to forget.

use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::core::pod::Pod;
use masthead_api::meta::Time;
use masthead_api::object::{Error, Object};

use crate::cluster::view::{Cluster, RECOVERED_OWNER};
use crate::context::Reaction;

/// Imports what `node` held before this store was born; everything younger was deleted on purpose and stays deleted.
///
/// Times of pods are whole seconds. One that is of the second of the birth may be either: it is taken in, since an owner
/// that has too many gives the wrong one back, and nobody gives back what was running.
///
/// The pods come as orphans: owners find them by selector, as any orphan, whatever uids the owners have now.
///
/// # Errors
/// A pod cannot be written as JSON.
pub fn import(cluster: &Cluster, node: &str, held: &[Arc<Object>], store_born: Time) -> Result<Reaction, Error> {
    let mut reaction = Reaction::default();
    for object in held {
        let Ok(pod) = object.typed::<Pod>() else { continue };
        let is_older = pod.metadata.creation_timestamp.is_some_and(|at| at <= store_born);
        if !is_older || pod.spec.node_name != node || cluster.get(object.key()).is_some() {
            continue;
        }
        let mut pod = Pod::clone(&pod);
        pod.metadata.resource_version.clear();
        let owner = pod.metadata.owner_references.iter().find(|owner| owner.controller == Some(true)).cloned();
        pod.metadata.owner_references.clear();
        if let Some(owner) = owner {
            pod.metadata.annotations.insert(RECOVERED_OWNER.to_owned(), format!("{}/{}", owner.kind, owner.name));
        }
        let object = Arc::new(Object::of(&pod)?);
        reaction.changes.push(Change::Create { object, reason: format!("node {node} runs it and the store was new") });
    }
    Ok(reaction)
}
