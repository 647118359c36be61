//! (Cluster, key) → the health of one object, and one line that tells of it.

use std::sync::Arc;

use masthead_api::apps::deployment::Deployment;
use masthead_api::apps::replica_set::ReplicaSet;
use masthead_api::batch::job::Job;
use masthead_api::core::pod::Pod;
use masthead_api::gateway::class::GatewayClass;
use masthead_api::gateway::gateway::Gateway;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::{
    DEPLOYMENT, GATEWAY, GATEWAY_CLASS, GRPC_ROUTE, HTTP_ROUTE, INGRESS, JOB, POD, REPLICA_SET,
};
use masthead_api::networking::ingress::Ingress;
use masthead_api::object::Object;

use crate::cluster::view::Cluster;
use crate::gateway::route::Route;
use crate::health::verdict::Health;
use crate::health::{gateway, job, pod, workload};

/// The health of an object; `None` when there is none of that key.
///
/// Kinds without a rollout of their own are healthy when they are stored. One that does not decode has failed.
pub fn assess(cluster: &Cluster, key: &ObjectKey) -> Option<Health> {
    let object = cluster.get(key)?;
    if object.meta().deletion_timestamp.is_some() {
        // A job that is over goes by itself after a while: what came of it is still what came of it.
        let ended = object.typed::<Job>().ok().and_then(|j| job::ended(&j));
        return Some(ended.unwrap_or_else(|| deleting(object)));
    }
    let unreadable = |error: masthead_api::object::Error| Health::failed("Unreadable", error.to_string());
    Some(match key.kind {
        DEPLOYMENT => object.typed::<Deployment>().map_or_else(unreadable, |d| workload::deployment(cluster, &d)),
        REPLICA_SET => object.typed::<ReplicaSet>().map_or_else(unreadable, |rs| workload::replica_set(cluster, &rs)),
        JOB => object.typed::<Job>().map_or_else(unreadable, |j| job::job(cluster, &j)),
        POD => object.typed::<Pod>().map_or_else(unreadable, |p| pod::assess(&p)),
        GATEWAY_CLASS => object.typed::<GatewayClass>().map_or_else(unreadable, |c| gateway::class(&c)),
        GATEWAY => object.typed::<Gateway>().map_or_else(unreadable, |g| gateway::gateway(cluster, &g)),
        INGRESS => object.typed::<Ingress>().map_or_else(unreadable, |i| gateway::ingress(cluster, object, &i)),
        HTTP_ROUTE | GRPC_ROUTE => match Route::of(object) {
            Ok(route) => route.map_or(Health::Healthy, |route| gateway::route(cluster, &route)),
            Err(error) => unreadable(error),
        },
        _ => Health::Healthy,
    })
}

/// The health of an object that a commit made, changed or removed; `None` when it is not there.
///
/// What git asks for no more has only to go, however it fared; if it is not on its way out, somebody else made it anew.
pub fn assess_asked(cluster: &Cluster, key: &ObjectKey) -> Option<Health> {
    if cluster.applied_of(key).is_some() {
        return assess(cluster, key);
    }
    let leaves = |object: &&Arc<Object>| object.meta().deletion_timestamp.is_some();
    cluster.get(key).filter(leaves).map(|object| deleting(object))
}

/// One line on an object for a user who watches: `Deployment default/web: 3 of 5 updated, 2 available`.
pub fn line(cluster: &Cluster, key: &ObjectKey) -> String {
    line_of(cluster, key, assess(cluster, key))
}

/// The same on one that a commit made, changed or removed, by [`assess_asked`].
pub fn line_asked(cluster: &Cluster, key: &ObjectKey) -> String {
    line_of(cluster, key, assess_asked(cluster, key))
}

fn line_of(cluster: &Cluster, key: &ObjectKey, health: Option<Health>) -> String {
    match health {
        None => format!("{key}: gone"),
        Some(health) => {
            let numbers = match key.kind {
                DEPLOYMENT => cluster.typed::<Deployment>(key).map(|d| workload::deployment_numbers(&d)),
                REPLICA_SET => cluster.typed::<ReplicaSet>(key).map(|rs| workload::replica_set_numbers(&rs)),
                JOB => cluster.typed::<Job>(key).map(|job| job::numbers(&job)),
                _ => None,
            };
            match (numbers, health) {
                (Some(numbers), Health::Healthy) => format!("{key}: {numbers}"),
                (Some(numbers), Health::Progressing { message }) if message.starts_with(&numbers) => {
                    format!("{key}: {message}")
                }
                (Some(numbers), health) => format!("{key}: {numbers}; {health}"),
                (None, health) => format!("{key}: {health}"),
            }
        }
    }
}

fn deleting(object: &Object) -> Health {
    let finalizers = &object.meta().finalizers;
    match finalizers.is_empty() {
        true => Health::progressing("being deleted"),
        false => Health::progressing(format!("being deleted, waits for {}", finalizers.join(", "))),
    }
}
