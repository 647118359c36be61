//! An object's owners → whether it goes with them, as Kubernetes' garbage collector decides.

use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Kind;
use masthead_api::meta::OwnerReference;
use masthead_api::object::{Error, Object};

use crate::cluster::edit::with_owners;
use crate::cluster::view::Cluster;
use crate::context::Context;
use crate::delete::{self, Propagation};
use crate::garbage::finalize::FOREGROUND;

/// How an owner stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is there, or of a kind that this program does not know, so that nothing can be said.
    Solid,
    /// It is gone; another object may have its name.
    Gone,
    /// It waits for its dependents to go first.
    Waiting,
}

/// How the owner that a reference names stands.
pub fn standing(cluster: &Cluster, namespace: &str, owner: &OwnerReference) -> Standing {
    let Some(kind) = Kind::by_gvk(&owner.api_version, &owner.kind) else { return Standing::Solid };
    if owner.uid.is_empty() {
        return Standing::Solid;
    }
    match cluster.get(&ObjectKey::new(kind, namespace, owner.name.as_str())) {
        Some(found) if found.meta().uid != owner.uid => Standing::Gone,
        Some(found) if waits_for_dependents(found) => Standing::Waiting,
        Some(_) => Standing::Solid,
        None => Standing::Gone,
    }
}

/// Whether an object is on its way out and goes only after its dependents.
pub fn waits_for_dependents(object: &Object) -> bool {
    object.meta().deletion_timestamp.is_some() && object.meta().finalizers.iter().any(|f| f == FOREGROUND)
}

/// The write that an object's owners ask for: its delete when none is left, or the loss of those that left.
///
/// # Errors
/// The object's body is not of its kind's shape.
pub fn judge(cluster: &Cluster, object: &Arc<Object>, cx: &Context) -> Result<Option<Change>, Error> {
    let owners = &object.meta().owner_references;
    if owners.is_empty() {
        return Ok(None);
    }
    let standings: Vec<Standing> = owners.iter().map(|o| standing(cluster, &object.key().namespace, o)).collect();
    let Some(leaving) = standings.iter().position(|s| *s != Standing::Solid) else { return Ok(None) };
    let owner = &owners[leaving];
    let verb = if standings[leaving] == Standing::Gone { "is gone" } else { "is being deleted" };
    let reason = format!("its owner {} {} {verb}", owner.kind, owner.name);
    if standings.contains(&Standing::Solid) {
        let kept: Vec<OwnerReference> = owners
            .iter()
            .zip(&standings)
            .filter(|(_, standing)| **standing == Standing::Solid)
            .map(|(owner, _)| owner.clone())
            .collect();
        let after = with_owners(object, &kept)?;
        return Ok(Some(Change::Update { object: after, base: object.revision(), reason }));
    }
    // One that an owner waits for, and that has dependents of its own, lets these go first too.
    let foreground = standings.contains(&Standing::Waiting) && cluster.dependents(&object.meta().uid).next().is_some();
    let propagation = if foreground { Propagation::Foreground } else { Propagation::Background };
    delete::delete(object, None, propagation, cx.now, &reason)
}
