//! (Cluster, a namespace on its way out) → deletes of its content, its conditions, and its own end.

use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::core::namespace::Namespace;
use masthead_api::kind::registry::POD;
use masthead_api::object::{Error, Object};

use crate::cluster::view::Cluster;
use crate::context::{Context, Reaction};
use crate::delete::{self, Propagation};
use crate::namespace::conditions::conditions;

/// The finalizer that stands for the content (in `spec.finalizers`).
pub const KUBERNETES: &str = "kubernetes";

/// Objects deleted in one reaction at most; the rest follows when these are gone.
const DELETES_MAX: usize = 1000;

/// What a namespace needs next; nothing unless it is on its way out.
///
/// Pods go before all else, as in Kubernetes, so that none outlives the secrets, policies and services it relies on.
///
/// # Errors
/// An object's body is not of its kind's shape.
pub fn reconcile(cluster: &Cluster, object: &Arc<Object>, cx: &Context) -> Result<Reaction, Error> {
    let mut reaction = Reaction::default();
    if object.meta().deletion_timestamp.is_none() {
        return Ok(reaction);
    }
    let name = object.key().name.as_str();
    let pods_first = cluster.in_namespace(POD, name).next().is_some();
    let mut left = Vec::new();
    for content in cluster.content(name) {
        if (pods_first && content.kind() != POD) || reaction.changes.len() >= DELETES_MAX {
            left.push(content.clone());
            continue;
        }
        let reason = format!("its namespace {name} is being deleted");
        match delete::delete(content, None, Propagation::Background, cx.now, &reason)? {
            // One that waits for its finalizers or its node is marked already.
            _ if content.meta().deletion_timestamp.is_some() => left.push(content.clone()),
            Some(Change::Delete { key, base, reason }) => reaction.changes.push(Change::Delete { key, base, reason }),
            Some(change) => {
                left.push(content.clone());
                reaction.changes.push(change);
            }
            None => left.push(content.clone()),
        }
    }
    let before = object.typed::<Namespace>()?;
    let mut after = Namespace::clone(&before);
    after.status.phase = "Terminating".to_owned();
    after.status.conditions = conditions(&before.status.conditions, &left, cx.now);
    // The end is decided on a view that shows no content, never on deletes that are still to be done.
    if left.is_empty() && reaction.changes.is_empty() {
        after.spec.finalizers.retain(|f| f != KUBERNETES);
        if after.spec.finalizers.is_empty() && after.metadata.finalizers.is_empty() {
            let reason = "it is empty".to_owned();
            reaction.changes.push(Change::Delete { key: object.key().clone(), base: object.revision(), reason });
            return Ok(reaction);
        }
    }
    if after != *before {
        let reason = format!("{} objects are left in it", left.len());
        reaction.changes.push(Change::Update {
            object: Arc::new(Object::of(&after)?),
            base: object.revision(),
            reason,
        });
    }
    Ok(reaction)
}
