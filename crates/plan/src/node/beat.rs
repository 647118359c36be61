//! A heartbeat → the renewed lease of its node: the only write that a cluster at rest makes.

use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::coordination::lease::Lease;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::object::{Error, Object};

use crate::cluster::view::Cluster;
use crate::context::{Context, Reaction};
use crate::node::register::LEASE_NAMESPACE;

/// Microseconds between two writes of a lease, at least (Kubernetes renews every 10 s).
const RENEW_EVERY_US: i64 = 9_000_000;

/// Renews the lease of `node` when it is due; nothing for a node that never registered.
///
/// The time is the control plane's own, so that a node with a wrong clock is as alive as any other.
///
/// # Errors
/// The lease cannot be written as JSON.
pub fn beat(cluster: &Cluster, node: &str, cx: &Context) -> Result<Reaction, Error> {
    let mut reaction = Reaction::default();
    let key = ObjectKey::new(Lease::KIND, LEASE_NAMESPACE, node);
    let (Some(live), Some(lease)) = (cluster.get(&key), cluster.typed::<Lease>(&key)) else {
        return Ok(reaction);
    };
    if lease.spec.renew_time.is_some_and(|last| cx.micro_time().0 - last.0 < RENEW_EVERY_US) {
        return Ok(reaction);
    }
    let mut renewed = Lease::clone(&lease);
    renewed.spec.renew_time = Some(cx.micro_time());
    let object = Arc::new(Object::of(&renewed)?);
    reaction.changes.push(Change::Update { object, base: live.revision(), reason: "heartbeat".to_owned() });
    Ok(reaction)
}
