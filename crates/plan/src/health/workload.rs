//! The status of a workload, and its pods where these explain it → its health and its numbers.

use std::sync::Arc;

use masthead_api::apps::deployment::Deployment;
use masthead_api::apps::replica_set::ReplicaSet;
use masthead_api::core::pod::Pod;
use masthead_api::kind::registry::{POD, REPLICA_SET};

use crate::cluster::view::Cluster;
use crate::health::pod;
use crate::health::verdict::Health;
use crate::workload::deployment::condition::{PROGRESS_DEADLINE_EXCEEDED, PROGRESSING, REPLICA_FAILURE, get};
use crate::workload::deployment::fences::replicas;
use crate::workload::deployment::hash::same_template;
use crate::workload::pods::is_active;

/// `3 of 5 updated, 2 available`, and what else there is.
pub fn deployment_numbers(deployment: &Deployment) -> String {
    let (status, size) = (&deployment.status, replicas(&deployment.spec));
    let mut text = format!("{} of {size} updated, {} available", status.updated_replicas, status.available_replicas);
    let old = status.replicas - status.updated_replicas;
    if old > 0 {
        text.push_str(&format!(", {old} old to go"));
    }
    text
}

/// `2 of 3 ready`.
pub fn replica_set_numbers(rs: &ReplicaSet) -> String {
    format!("{} of {} ready", rs.status.ready_replicas, rs.spec.replicas.unwrap_or(1))
}

/// The health of a deployment: healthy when every pod is of the newest template and available, and no other is left.
pub fn deployment(cluster: &Cluster, deployment: &Deployment) -> Health {
    let (status, size) = (&deployment.status, replicas(&deployment.spec));
    if status.observed_generation < deployment.metadata.generation {
        return Health::progressing("waits to be seen by its controller");
    }
    let trouble = trouble(cluster, deployment);
    if let Some(stuck) = get(status, PROGRESSING).filter(|c| c.reason == PROGRESS_DEADLINE_EXCEEDED) {
        let message = match &trouble {
            Some(trouble) => format!("{} {trouble}", stuck.message),
            None => stuck.message.clone(),
        };
        return Health::failed(PROGRESS_DEADLINE_EXCEEDED, message);
    }
    let complete = status.updated_replicas >= size && status.replicas <= status.updated_replicas;
    // A replica that an earlier template has too many of is no reason to wait; an unavailable one is.
    if complete && status.available_replicas >= status.updated_replicas {
        return Health::Healthy;
    }
    let mut message = deployment_numbers(deployment);
    if deployment.spec.paused {
        message.push_str("; paused");
    }
    if let Some(failure) = get(status, REPLICA_FAILURE).filter(|c| c.status == "True") {
        message.push_str(&format!("; {}: {}", failure.reason, failure.message));
    }
    if let Some(trouble) = trouble {
        message.push_str(&format!("; {trouble}"));
    }
    Health::progressing(message)
}

/// What holds up the pods of the newest template, by the first pod that has failed or waits: `web-x: CrashLoopBackOff: …`.
fn trouble(cluster: &Cluster, deployment: &Deployment) -> Option<String> {
    let set = cluster
        .owned_by(&deployment.metadata.uid)
        .filter(|o| o.kind() == REPLICA_SET)
        .filter_map(|o| o.typed::<ReplicaSet>().ok())
        .find(|rs| same_template(&rs.spec.template, &deployment.spec.template))?;
    pod_trouble(cluster, &set.metadata.uid)
}

/// What holds up the pods of an owner, by the first one that has failed or waits.
pub(in crate::health) fn pod_trouble(cluster: &Cluster, owner: &str) -> Option<String> {
    let pods: Vec<Arc<Pod>> = cluster
        .owned_by(owner)
        .filter(|o| o.kind() == POD)
        .filter_map(|o| o.typed::<Pod>().ok())
        .filter(|p| is_active(p))
        .collect();
    let mut unwell: Vec<(&str, Health)> = pods
        .iter()
        .map(|p| (p.metadata.name.as_str(), pod::assess(p)))
        .filter(|(_, health)| !health.is_healthy())
        .collect();
    // A failure explains more than a wait.
    unwell.sort_by_key(|(name, health)| (!matches!(health, Health::Failed { .. }), *name));
    let (name, health) =
        unwell.into_iter().find(|(_, health)| matches!(health, Health::Failed { .. }) || explains(health))?;
    Some(format!("{name}: {health}"))
}

/// Whether a wait is worth telling: not those that every pod goes through for a moment.
fn explains(health: &Health) -> bool {
    matches!(health, Health::Progressing { message } if message.starts_with("not scheduled: ") || message.ends_with("is not ready"))
}

/// The health of a replica set: healthy when all its pods are available.
pub fn replica_set(cluster: &Cluster, rs: &ReplicaSet) -> Health {
    let size = rs.spec.replicas.unwrap_or(1);
    if rs.status.observed_generation < rs.metadata.generation {
        return Health::progressing("waits to be seen by its controller");
    }
    if rs.status.replicas == size && rs.status.available_replicas >= size {
        return Health::Healthy;
    }
    let mut message = replica_set_numbers(rs);
    if let Some(failure) = rs.status.conditions.iter().find(|c| c.type_ == REPLICA_FAILURE && c.status == "True") {
        message.push_str(&format!("; {}: {}", failure.reason, failure.message));
    }
    if let Some(trouble) = pod_trouble(cluster, &rs.metadata.uid) {
        message.push_str(&format!("; {trouble}"));
    }
    Health::progressing(message)
}
