//! A recreating update's next step: all old pods go, and only when the last is gone the new ones come.

use crate::cluster::view::Cluster;
use crate::context::Context;
use crate::workload::deployment::hash::{POD_TEMPLATE_HASH, template_hash};
use crate::workload::deployment::revision;
use crate::workload::deployment::rollout::Rollout;

/// Scales old sets to nothing; when none of their pods runs any more, makes the new set and scales it up.
pub fn step(cluster: &Cluster, rollout: &mut Rollout, cx: &mut Context) {
    let mut scaled = false;
    for index in 0..rollout.old.len() {
        if rollout.old[index].replicas() > 0 {
            scaled |= rollout.scale_old(index, 0);
        }
    }
    if scaled || rollout.old.iter().any(|set| set.running) || recovered_runs(cluster, rollout) {
        return;
    }
    revision::create_missing(cluster, rollout, cx);
    let size = rollout.size();
    if rollout.new.as_ref().is_some_and(|new| new.replicas() != size) {
        rollout.scale_new(size);
    }
}

/// Whether a pod of an earlier template that an agent brought into an empty store still runs.
///
/// Those of the new set's own template are taken in by it, once it exists; until then they must not hold it up.
fn recovered_runs(cluster: &Cluster, rollout: &Rollout) -> bool {
    let selector = rollout.deployment.spec.selector.as_ref();
    let hash = template_hash(&rollout.deployment.spec.template, rollout.deployment.status.collision_count);
    cluster.recovered(&rollout.stored.key().namespace).any(|pod| {
        let labels = &pod.meta().labels;
        selector.is_some_and(|selector| selector.matches(labels)) && labels.get(POD_TEMPLATE_HASH) != Some(&hash)
    })
}
