//! The sets of a deployment → its status, without the Progressing condition.

use masthead_api::apps::deployment::DeploymentStatus;

use crate::workload::deployment::condition::{AVAILABLE, condition, set};
use crate::workload::deployment::rollout::{Rollout, Set};

/// The status that follows from the sets as their own controller last reported them.
pub fn status(rollout: &Rollout) -> DeploymentStatus {
    let before = &rollout.deployment.status;
    let available = rollout.total(|s| s.rs.status.available_replicas);
    let mut status = DeploymentStatus {
        observed_generation: rollout.deployment.metadata.generation,
        replicas: rollout.total(|s| s.rs.status.replicas),
        updated_replicas: rollout.new.as_ref().map_or(0, |s| s.rs.status.replicas),
        ready_replicas: rollout.total(|s| s.rs.status.ready_replicas),
        available_replicas: available,
        unavailable_replicas: rollout.total(Set::replicas).saturating_sub(available).max(0),
        // Known only when every set has reported it.
        terminating_replicas: rollout
            .sets()
            .map(|s| s.rs.status.terminating_replicas)
            .try_fold(0, |sum: i32, n| Some(sum.saturating_add(n?))),
        conditions: before.conditions.clone(),
        collision_count: before.collision_count,
    };
    let enough = available >= rollout.fences.fewest_available(rollout.size());
    let (truth, reason, message) = if enough {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    set(&mut status, condition(AVAILABLE, truth, reason, message.to_owned(), rollout.now));
    status
}

/// Whether the rollout is complete: every pod asked for is of the new set and available, and no other is left.
pub fn is_complete(rollout: &Rollout, status: &DeploymentStatus) -> bool {
    let size = rollout.size();
    status.updated_replicas == size
        && status.replicas == size
        && status.available_replicas == size
        && status.observed_generation >= rollout.deployment.metadata.generation
}
