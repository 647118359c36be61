//! A deployment's status before and after → its Progressing condition, and when to look at the deadline again.

use masthead_api::apps::deployment::{DeploymentCondition, DeploymentSpec, DeploymentStatus};

use crate::workload::deployment::condition::{
    DEPLOYMENT_PAUSED, DEPLOYMENT_RESUMED, NEW_REPLICA_SET_AVAILABLE, PROGRESS_DEADLINE_EXCEEDED, PROGRESSING,
    REPLICA_FAILURE, REPLICA_SET_UPDATED, condition, get, progress_is, remove, set,
};
use crate::workload::deployment::rollout::{Rollout, Set};
use crate::workload::deployment::status::is_complete;

/// Seconds without progress after which a rollout counts as stuck; `None` when that is not asked for.
pub fn deadline_s(spec: &DeploymentSpec) -> Option<i64> {
    spec.progress_deadline_seconds.filter(|s| *s != i32::MAX).map(i64::from)
}

/// Notes that the rollout was told to stand still, or to go on, so that the pause does not count as lack of progress.
pub fn sync_paused(rollout: &mut Rollout) {
    let spec = &rollout.deployment.spec;
    let status = &rollout.deployment.status;
    if deadline_s(spec).is_none() || progress_is(status, PROGRESS_DEADLINE_EXCEEDED) {
        return;
    }
    let (reason, message) = match (spec.paused, progress_is(status, DEPLOYMENT_PAUSED)) {
        (true, false) => (DEPLOYMENT_PAUSED, "Deployment is paused"),
        (false, true) => (DEPLOYMENT_RESUMED, "Deployment is resumed"),
        _ => return,
    };
    let now = rollout.now;
    set(&mut rollout.deployment.status, condition(PROGRESSING, "Unknown", reason, message.to_owned(), now));
}

/// Completes `status` with what it says of the rollout's progress.
pub fn judge(rollout: &mut Rollout, status: &mut DeploymentStatus) {
    let Some(deadline_s) = deadline_s(&rollout.deployment.spec) else {
        remove(status, PROGRESSING);
        return copy_failure(rollout, status);
    };
    let before = &rollout.deployment.status;
    let current = get(before, PROGRESSING).cloned();
    let settled = status.replicas == status.updated_replicas
        && current.as_ref().is_some_and(|c| c.reason == NEW_REPLICA_SET_AVAILABLE);
    if !settled {
        let what = match &rollout.new {
            Some(new) => format!("ReplicaSet {:?}", new.rs.metadata.name),
            None => format!("Deployment {:?}", rollout.stored.key().name),
        };
        let now = rollout.now;
        if is_complete(rollout, status) {
            let message = format!("{what} has successfully progressed.");
            set(status, condition(PROGRESSING, "True", NEW_REPLICA_SET_AVAILABLE, message, now));
        } else if has_progressed(before, status) {
            let message = format!("{what} is progressing.");
            let mut progress = condition(PROGRESSING, "True", REPLICA_SET_UPDATED, message, now);
            // Progress of the same reason is news too: its time is what the deadline counts from.
            if let Some(current) = &current
                && current.status == "True"
            {
                progress.last_transition_time = current.last_transition_time;
            }
            remove(status, PROGRESSING);
            set(status, progress);
        } else if current.as_ref().is_some_and(|c| is_timed_out(c, deadline_s, now.0)) {
            let message = format!("{what} has timed out progressing.");
            set(status, condition(PROGRESSING, "False", PROGRESS_DEADLINE_EXCEEDED, message, now));
        }
    }
    copy_failure(rollout, status);
    recheck(rollout, status, deadline_s);
}

/// Whether there are more new pods, fewer old ones, or more that serve.
fn has_progressed(before: &DeploymentStatus, after: &DeploymentStatus) -> bool {
    let old = |status: &DeploymentStatus| status.replicas - status.updated_replicas;
    after.updated_replicas > before.updated_replicas
        || old(after) < old(before)
        || after.ready_replicas > before.ready_replicas
        || after.available_replicas > before.available_replicas
}

fn is_timed_out(current: &DeploymentCondition, deadline_s: i64, now_s: i64) -> bool {
    match current.reason.as_str() {
        // A rollout that completed is not stuck when pods fail later.
        NEW_REPLICA_SET_AVAILABLE => false,
        PROGRESS_DEADLINE_EXCEEDED => true,
        _ => current.last_update_time.is_some_and(|at| at.0 + deadline_s < now_s),
    }
}

/// Looks again when the deadline may have passed.
fn recheck(rollout: &mut Rollout, status: &DeploymentStatus, deadline_s: i64) {
    let Some(current) = get(status, PROGRESSING) else { return };
    let over = current.reason == PROGRESS_DEADLINE_EXCEEDED || current.reason == NEW_REPLICA_SET_AVAILABLE;
    if over || is_complete(rollout, status) {
        return;
    }
    let Some(updated) = current.last_update_time else { return };
    // The deadline is passed a second after it, as times are whole seconds.
    let left_s = (updated.0 + deadline_s + 1 - rollout.now.0).max(1);
    rollout.recheck_after_s = Some(rollout.recheck_after_s.map_or(left_s, |s| s.min(left_s)));
}

/// Shows a set's failure to make pods on the deployment, the new set's before the old ones'.
fn copy_failure(rollout: &Rollout, status: &mut DeploymentStatus) {
    let failure = |s: &Set| s.rs.status.conditions.iter().find(|c| c.type_ == REPLICA_FAILURE).cloned();
    match rollout.new.iter().chain(&rollout.old).find_map(failure) {
        Some(found) => set(
            status,
            DeploymentCondition {
                type_: found.type_,
                status: found.status,
                last_update_time: found.last_transition_time,
                last_transition_time: found.last_transition_time,
                reason: found.reason,
                message: found.message,
            },
        ),
        None => remove(status, REPLICA_FAILURE),
    }
}
