//! The pods of a replica set → its status.

use std::sync::Arc;

use masthead_api::apps::replica_set::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus};
use masthead_api::core::pod::Pod;
use masthead_api::meta::Time;

use crate::workload::pods::{Counts, count, is_active};

/// The type of the one condition that replica sets have.
const REPLICA_FAILURE: &str = "ReplicaFailure";

/// Why pods could not be made, when they could not: reason and message of the condition.
pub type Failure = (&'static str, String);

/// The status of a replica set that has these pods, and how they count.
pub fn status(rs: &ReplicaSet, pods: &[Arc<Pod>], failure: Option<Failure>, now: Time) -> (ReplicaSetStatus, Counts) {
    let counts = count(pods.iter().map(|pod| &**pod), rs.spec.min_ready_seconds, now);
    let template = &rs.spec.template.metadata.labels;
    let labelled =
        |pod: &&Arc<Pod>| is_active(pod) && template.iter().all(|(k, v)| pod.metadata.labels.get(k) == Some(v));
    let status = ReplicaSetStatus {
        replicas: counts.active,
        fully_labeled_replicas: i32::try_from(pods.iter().filter(labelled).count()).unwrap_or(i32::MAX),
        ready_replicas: counts.ready,
        available_replicas: counts.available,
        terminating_replicas: Some(counts.terminating),
        observed_generation: rs.metadata.generation,
        conditions: conditions(&rs.status.conditions, failure, now),
    };
    (status, counts)
}

fn conditions(before: &[ReplicaSetCondition], failure: Option<Failure>, now: Time) -> Vec<ReplicaSetCondition> {
    let known = before.iter().find(|c| c.type_ == REPLICA_FAILURE);
    let mut after: Vec<ReplicaSetCondition> = before.iter().filter(|c| c.type_ != REPLICA_FAILURE).cloned().collect();
    if let Some((reason, message)) = failure {
        // The first failure stays until one succeeds, as in Kubernetes, so that a repeat writes nothing.
        after.push(known.cloned().unwrap_or_else(|| ReplicaSetCondition {
            type_: REPLICA_FAILURE.to_owned(),
            status: "True".to_owned(),
            last_transition_time: Some(now),
            reason: reason.to_owned(),
            message,
        }));
    }
    after
}
