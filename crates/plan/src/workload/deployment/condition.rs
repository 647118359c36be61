//! Conditions of a deployment: reading, setting and taking them away, with the rules for their times.

use masthead_api::apps::deployment::{DeploymentCondition, DeploymentStatus};
use masthead_api::meta::Time;

/// Whether enough pods are available.
pub const AVAILABLE: &str = "Available";
/// Whether the rollout comes along.
pub const PROGRESSING: &str = "Progressing";
/// Whether pods could not be made.
pub const REPLICA_FAILURE: &str = "ReplicaFailure";

/// A replica set for the template was made.
pub const NEW_REPLICA_SET_CREATED: &str = "NewReplicaSetCreated";
/// A replica set of the template was there already.
pub const FOUND_NEW_REPLICA_SET: &str = "FoundNewReplicaSet";
/// The rollout has moved.
pub const REPLICA_SET_UPDATED: &str = "ReplicaSetUpdated";
/// The rollout is complete.
pub const NEW_REPLICA_SET_AVAILABLE: &str = "NewReplicaSetAvailable";
/// The rollout has not moved for too long.
pub const PROGRESS_DEADLINE_EXCEEDED: &str = "ProgressDeadlineExceeded";
/// The rollout stands still because it was told to.
pub const DEPLOYMENT_PAUSED: &str = "DeploymentPaused";
/// The rollout was told to go on.
pub const DEPLOYMENT_RESUMED: &str = "DeploymentResumed";

/// A condition that holds since now.
pub fn condition(kind: &str, status: &str, reason: &str, message: String, now: Time) -> DeploymentCondition {
    DeploymentCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        last_update_time: Some(now),
        last_transition_time: Some(now),
        reason: reason.to_owned(),
        message,
    }
}

/// The condition of a type.
pub fn get<'a>(status: &'a DeploymentStatus, kind: &str) -> Option<&'a DeploymentCondition> {
    status.conditions.iter().find(|c| c.type_ == kind)
}

/// Whether the condition of the progress has this reason.
pub fn progress_is(status: &DeploymentStatus, reason: &str) -> bool {
    get(status, PROGRESSING).is_some_and(|c| c.reason == reason)
}

/// Sets a condition, last in the list; one of the same status and reason stays as it is, and the time of transition
/// moves only with the status.
pub fn set(status: &mut DeploymentStatus, mut condition: DeploymentCondition) {
    if let Some(known) = get(status, &condition.type_) {
        if known.status == condition.status && known.reason == condition.reason {
            return;
        }
        if known.status == condition.status {
            condition.last_transition_time = known.last_transition_time;
        }
    }
    remove(status, &condition.type_);
    status.conditions.push(condition);
}

/// Takes the condition of a type away.
pub fn remove(status: &mut DeploymentStatus, kind: &str) {
    status.conditions.retain(|c| c.type_ != kind);
}
