//! An owner with a selector and the objects around it → which it keeps, takes in and lets go.
//!
//! The rules are those of Kubernetes' controller references: an object has at most one controller; an owner takes in
//! what matches and has none, and lets go of what it has and matches no more; an owner or object on its way out changes
//! no hands.

use std::sync::Arc;

use masthead_api::kind::Kind;
use masthead_api::meta::{LabelSelector, OwnerReference};
use masthead_api::object::{Error, Object};

use crate::cluster::edit::{set_list, with_meta, with_owners};
use crate::cluster::view::{Cluster, RECOVERED_OWNER, controller_of};

/// One object of an owner.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The object, with the owner's reference; its revision is that of the stored one.
    pub object: Arc<Object>,
    /// Whether it was taken in just now, so that the reference has still to be written.
    pub adopted: bool,
}

/// What an owner has after claiming.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// What it owns, by name.
    pub owned: Vec<Claimed>,
    /// Objects that it lets go, without its reference.
    pub released: Vec<Arc<Object>>,
}

/// The reference that makes `owner` the controller of an object.
pub fn controller_reference(owner: &Object) -> OwnerReference {
    let info = owner.kind().info();
    OwnerReference {
        api_version: info.api_version(),
        kind: info.kind.to_owned(),
        name: owner.key().name.clone(),
        uid: owner.meta().uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// Claims objects of a kind in the owner's namespace.
///
/// # Errors
/// Metadata of an object is not of its shape.
pub fn claim(cluster: &Cluster, owner: &Object, selector: &LabelSelector, kind: Kind) -> Result<Claims, Error> {
    let (uid, namespace) = (&owner.meta().uid, &owner.key().namespace);
    let leaving = owner.meta().deletion_timestamp.is_some();
    let mut claims = Claims::default();
    for object in cluster.owned_by(uid).filter(|o| o.kind() == kind && o.key().namespace == *namespace) {
        if selector.matches(&object.meta().labels) {
            claims.owned.push(Claimed { object: object.clone(), adopted: false });
        } else if !leaving {
            let owners: Vec<OwnerReference> =
                object.meta().owner_references.iter().filter(|o| o.uid != *uid).cloned().collect();
            claims.released.push(with_owners(object, &owners)?);
        }
    }
    if !leaving {
        for object in cluster.orphans(kind, namespace) {
            let adoptable = object.meta().deletion_timestamp.is_none() && selector.matches(&object.meta().labels);
            if adoptable && controller_of(object).is_none() {
                claims.owned.push(Claimed { object: adopt(object, owner)?, adopted: true });
            }
        }
        claims.owned.sort_by(|a, b| a.object.key().name.cmp(&b.object.key().name));
    }
    Ok(claims)
}

/// The object with a controller; a recovered pod has found its owner again and is marked no more.
///
/// # Errors
/// The object's body is not of its kind's shape.
pub fn adopt(object: &Object, owner: &Object) -> Result<Arc<Object>, Error> {
    let uid = &owner.meta().uid;
    let mut owners: Vec<OwnerReference> =
        object.meta().owner_references.iter().filter(|o| o.uid != *uid).cloned().collect();
    owners.push(controller_reference(owner));
    with_meta(object, |meta| {
        set_list(meta, "ownerReferences", &owners);
        if let Some(annotations) = meta.get_mut("annotations").and_then(serde_json::Value::as_object_mut) {
            annotations.remove(RECOVERED_OWNER);
            if annotations.is_empty() {
                meta.remove("annotations");
            }
        }
    })
}
