//! A change of one object → which objects must be decided anew; (Cluster, key) → what that object needs next.

use std::collections::BTreeSet;
use std::sync::Arc;

use masthead_api::apps::deployment::Deployment;
use masthead_api::apps::replica_set::ReplicaSet;
use masthead_api::batch::job::Job;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Kind;
use masthead_api::kind::registry::{
    DEPLOYMENT, ENDPOINTS, GATEWAY, GATEWAY_CLASS, GRPC_ROUTE, HTTP_ROUTE, INGRESS, JOB, NAMESPACE, POD, REPLICA_SET,
    SERVICE,
};
use masthead_api::object::{Error, Object};

use crate::cluster::event::Changed;
use crate::cluster::view::{Cluster, controller_of, is_recovered};
use crate::context::{Context, Reaction};
use crate::garbage;
use crate::garbage::owners::waits_for_dependents;
use crate::gateway;
use crate::namespace;
use crate::service;
use crate::workload::{deployment, job, replicaset};

/// The objects that a change concerns, in order; `cluster` is the view after it.
pub fn affected(cluster: &Cluster, changed: &Changed) -> Vec<ObjectKey> {
    let mut keys = BTreeSet::new();
    if let Some(new) = &changed.new {
        keys.insert(new.key().clone());
        if waits_for_dependents(new) {
            keys.extend(cluster.dependents(&new.meta().uid).map(|o| o.key().clone()));
        }
    }
    if let Some(ended) = changed.ended() {
        keys.extend(cluster.dependents(&ended.meta().uid).map(|o| o.key().clone()));
    }
    for side in changed.sides() {
        owners(side, &mut keys);
        selecting(cluster, side, &mut keys);
        in_namespace(cluster, side, &mut keys);
    }
    service::affected::affected(cluster, changed, &mut keys);
    gateway::affected::affected(cluster, changed, &mut keys);
    keys.into_iter().collect()
}

/// The objects that a commit concerns when all its writes are in the view: pods that still look for an owner.
pub fn affected_by_commit(cluster: &Cluster) -> Vec<ObjectKey> {
    cluster.recovered_everywhere().map(|pod| pod.key().clone()).collect()
}

/// All owners: controllers that count it, and owners that wait for it to go.
fn owners(object: &Object, keys: &mut BTreeSet<ObjectKey>) {
    for owner in &object.meta().owner_references {
        if let Some(kind) = Kind::by_gvk(&owner.api_version, &owner.kind) {
            keys.insert(ObjectKey::new(kind, object.key().namespace.as_str(), owner.name.as_str()));
        }
    }
}

/// Those that would take the object in, when it has no controller.
fn selecting(cluster: &Cluster, object: &Object, keys: &mut BTreeSet<ObjectKey>) {
    if controller_of(object).is_some() {
        return;
    }
    let (namespace, labels) = (object.key().namespace.as_str(), &object.meta().labels);
    if object.kind() == POD {
        let matching = cluster
            .list::<ReplicaSet>(namespace)
            .filter(|rs| rs.spec.selector.as_ref().is_some_and(|s| s.matches(labels)));
        keys.extend(matching.map(|rs| ObjectKey::new(REPLICA_SET, namespace, rs.metadata.name.as_str())));
        let matching = cluster.list::<Job>(namespace).filter(|job| {
            job.spec.selector.as_ref().is_some_and(|s| s.matches(labels)) || job::recover::is_of(job, object)
        });
        keys.extend(matching.map(|job| ObjectKey::new(JOB, namespace, job.metadata.name.as_str())));
    }
    // A recreating deployment waits for recovered pods too.
    if object.kind() == REPLICA_SET || is_recovered(object) {
        let matching = cluster
            .list::<Deployment>(namespace)
            .filter(|d| d.spec.selector.as_ref().is_some_and(|s| s.matches(labels)));
        keys.extend(matching.map(|d| ObjectKey::new(DEPLOYMENT, namespace, d.metadata.name.as_str())));
    }
}

/// A namespace that waits to be empty, and recovered pods that may have become superfluous.
fn in_namespace(cluster: &Cluster, object: &Object, keys: &mut BTreeSet<ObjectKey>) {
    let namespace = object.key().namespace.as_str();
    if cluster.is_terminating(namespace) {
        keys.insert(ObjectKey::new(NAMESPACE, "", namespace));
    }
    if matches!(object.kind(), POD | REPLICA_SET | DEPLOYMENT | JOB) {
        keys.extend(cluster.recovered(namespace).map(|pod| pod.key().clone()));
    }
}

/// What an object needs next.
///
/// The answer is a function of the view: asked again after its changes are in the view, and nothing else happened, it
/// is empty, or one step nearer to being so.
///
/// # Errors
/// The object, or one that would be written with it, is not of its kind's shape. It is left as it is; the view's
/// [faults](Cluster::faults) name it.
pub fn reconcile(cluster: &Cluster, key: &ObjectKey, cx: &mut Context) -> Result<Reaction, Error> {
    let Some(object) = cluster.get(key) else { return Ok(Reaction::default()) };
    let object: Arc<Object> = object.clone();
    let mut reaction = garbage::reconcile::reconcile(cluster, &object, cx)?;
    // What goes, or changes hands, is decided on anew when that is done.
    if !reaction.changes.is_empty() {
        return Ok(reaction);
    }
    reaction.append(match key.kind {
        DEPLOYMENT => deployment::reconcile::reconcile(cluster, &object, cx)?,
        REPLICA_SET => replicaset::reconcile::reconcile(cluster, &object, cx)?,
        JOB => job::reconcile::reconcile(cluster, &object, cx)?,
        POD => job::orphan::reconcile(cluster, &object)?,
        NAMESPACE => namespace::reconcile::reconcile(cluster, &object, cx)?,
        SERVICE => service::reconcile::reconcile(cluster, &object, cx)?,
        ENDPOINTS => service::mirror::reconcile(cluster, &object, cx)?,
        INGRESS => service::ingress::reconcile(cluster, &object)?,
        GATEWAY_CLASS | GATEWAY | HTTP_ROUTE | GRPC_ROUTE => gateway::reconcile::reconcile(cluster, &object, cx)?,
        _ => Reaction::default(),
    });
    Ok(reaction)
}
