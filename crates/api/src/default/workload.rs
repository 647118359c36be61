//! Deployments and replica sets with their defaults.

use crate::apps::deployment::{Deployment, RollingUpdateDeployment};
use crate::apps::replica_set::ReplicaSet;
use crate::default::pod;

/// A deployment.
pub fn deployment(deployment: &mut Deployment) {
    let spec = &mut deployment.spec;
    spec.replicas.get_or_insert(1);
    if spec.strategy.type_.is_empty() {
        spec.strategy.type_ = "RollingUpdate".to_owned();
    }
    if spec.strategy.type_ == "RollingUpdate" {
        let rolling = spec.strategy.rolling_update.get_or_insert_with(RollingUpdateDeployment::default);
        rolling.max_unavailable.get_or_insert_with(|| "25%".into());
        rolling.max_surge.get_or_insert_with(|| "25%".into());
    }
    spec.revision_history_limit.get_or_insert(10);
    spec.progress_deadline_seconds.get_or_insert(600);
    pod::template(&mut spec.template);
}

/// A replica set.
pub fn replica_set(set: &mut ReplicaSet) {
    set.spec.replicas.get_or_insert(1);
    pod::template(&mut set.spec.template);
}
