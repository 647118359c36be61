//! (Cluster, any object) → whether it goes, stays or loses an owner, by the rules that hold for every kind.

use std::sync::Arc;

use masthead_api::object::{Error, Object};

use crate::cluster::view::{Cluster, is_recovered};
use crate::context::{Context, Reaction};
use crate::garbage::{finalize, owners, recovery};

/// What the rules for every kind want of an object.
///
/// # Errors
/// An object's body is not of its kind's shape.
pub fn reconcile(cluster: &Cluster, object: &Arc<Object>, cx: &Context) -> Result<Reaction, Error> {
    let changes = if object.meta().deletion_timestamp.is_some() {
        finalize::finalize(cluster, object)?
    } else if is_recovered(object) {
        recovery::judge(cluster, object, cx)?.into_iter().collect()
    } else {
        owners::judge(cluster, object, cx)?.into_iter().collect()
    };
    Ok(Reaction { changes, ..Reaction::default() })
}
