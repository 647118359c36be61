//! The old sets of a deployment → those that its history no longer keeps.

use crate::workload::deployment::revision::revision;
use crate::workload::deployment::rollout::Rollout;

/// Marks for deletion what exceeds `revisionHistoryLimit`, lowest revision first; a set with pods stays.
pub fn trim(rollout: &mut Rollout) {
    let Some(limit) = rollout.deployment.spec.revision_history_limit.filter(|limit| *limit != i32::MAX) else { return };
    let mut places: Vec<usize> =
        (0..rollout.old.len()).filter(|i| rollout.old[*i].rs.metadata.deletion_timestamp.is_none()).collect();
    let surplus = places.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    places.sort_by_key(|i| (revision(&rollout.old[*i].rs), rollout.old[*i].rs.metadata.creation_timestamp));
    for index in places.into_iter().take(surplus) {
        let set = &mut rollout.old[index];
        let meta = &set.rs.metadata;
        let settled = meta.generation <= set.rs.status.observed_generation;
        if set.rs.status.replicas == 0 && set.replicas() == 0 && set.pods.active == 0 && settled {
            set.doomed = true;
            set.reasons.push(format!("the history keeps {limit}"));
        }
    }
}
