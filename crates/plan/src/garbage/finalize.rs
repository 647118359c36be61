//! An object on its way out → what its finalizers still ask for, and its end when none is left.

use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::core::namespace::Namespace;
use masthead_api::core::pod::Pod;
use masthead_api::kind::registry::{NAMESPACE, POD};
use masthead_api::meta::OwnerReference;
use masthead_api::object::{Error, Object};

use crate::cluster::edit::{with_owners, without_finalizer};
use crate::cluster::view::Cluster;

/// Dependents that block go first.
pub const FOREGROUND: &str = "foregroundDeletion";
/// Dependents stay and lose their owner.
pub const ORPHAN: &str = "orphan";

/// The writes that bring an object on its way out nearer to its end, in order.
///
/// # Errors
/// An object's body is not of its kind's shape.
pub fn finalize(cluster: &Cluster, object: &Arc<Object>) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::new();
    let mut after = object.clone();
    let has = |finalizer: &str| object.meta().finalizers.iter().any(|f| f == finalizer);
    if has(ORPHAN) {
        changes = orphan_dependents(cluster, object)?;
        after = without_finalizer(&after, ORPHAN)?;
    }
    if has(FOREGROUND) && !is_blocked(cluster, object) {
        after = without_finalizer(&after, FOREGROUND)?;
    }
    let base = object.revision();
    if after.meta().finalizers.is_empty() && may_leave(&after)? {
        changes.push(Change::Delete {
            key: object.key().clone(),
            base,
            reason: "nothing holds it any more".to_owned(),
        });
    } else if after.meta().finalizers != object.meta().finalizers {
        changes.push(Change::Update { object: after, base, reason: "its dependents are seen to".to_owned() });
    }
    Ok(changes)
}

/// Takes the owner off all its dependents.
fn orphan_dependents(cluster: &Cluster, owner: &Object) -> Result<Vec<Change>, Error> {
    let uid = &owner.meta().uid;
    cluster
        .dependents(uid)
        .map(|dependent| {
            let kept: Vec<OwnerReference> =
                dependent.meta().owner_references.iter().filter(|o| o.uid != *uid).cloned().collect();
            let reason = format!("its owner {} leaves it behind", owner.key());
            Ok(Change::Update { object: with_owners(dependent, &kept)?, base: dependent.revision(), reason })
        })
        .collect()
}

/// Whether a dependent that blocks its owner's end is still there.
fn is_blocked(cluster: &Cluster, owner: &Object) -> bool {
    let uid = &owner.meta().uid;
    cluster.dependents(uid).any(|dependent| {
        dependent.meta().owner_references.iter().any(|o| o.uid == *uid && o.block_owner_deletion == Some(true))
    })
}

/// Whether an object without finalizers may leave: a pod on a node only when its node says so, a namespace when empty.
fn may_leave(object: &Object) -> Result<bool, Error> {
    Ok(match object.kind() {
        POD => {
            let pod = object.typed::<Pod>()?;
            pod.spec.node_name.is_empty() || pod.metadata.deletion_grace_period_seconds == Some(0)
        }
        NAMESPACE => object.typed::<Namespace>()?.spec.finalizers.is_empty(),
        _ => true,
    })
}
