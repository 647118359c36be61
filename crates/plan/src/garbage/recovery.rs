//! A pod that an agent brought into an empty store → whether it may go, once it is plain that nothing takes it in.
//!
//! After the store is lost, agents report what runs, and git says what should. A pod of the current template is taken in
//! by its replica set. What remains is of templates that git no longer asks for: it goes, but no faster than a rolling
//! update would have let it.

use std::sync::Arc;

use masthead_api::apps::deployment::Deployment;
use masthead_api::apps::replica_set::ReplicaSet;
use masthead_api::batch::job::Job;
use masthead_api::change::Change;
use masthead_api::core::pod::Pod;
use masthead_api::kind::registry::{POD, REPLICA_SET};
use masthead_api::object::{Error, Object};

use crate::cluster::view::{Cluster, RECOVERED_OWNER};
use crate::context::Context;
use crate::delete::{self, Propagation};
use crate::workload::deployment::fences::{Fences, is_rolling, replicas};
use crate::workload::deployment::hash::{POD_TEMPLATE_HASH, same_template, template_hash};
use crate::workload::job::recover;
use crate::workload::pods::{Availability, availability, is_active};

/// The delete of a recovered pod that nothing asks for; `None` as long as something may.
///
/// # Errors
/// The object's body is not of its kind's shape.
pub fn judge(cluster: &Cluster, object: &Arc<Object>, cx: &Context) -> Result<Option<Change>, Error> {
    let Some(commit) = cluster.applied_commit() else { return Ok(None) };
    let (namespace, labels) = (object.key().namespace.as_str(), &object.meta().labels);
    // Git asks for this very pod, or a set is about to take it in.
    let wanted = cluster.applied_of(object.key()).is_some()
        || cluster.list::<ReplicaSet>(namespace).any(|rs| {
            rs.metadata.deletion_timestamp.is_none()
                && rs.spec.selector.as_ref().is_some_and(|s| !s.is_empty() && s.matches(labels))
        })
        || cluster.list::<Job>(namespace).any(|job| recover::is_of(&job, object));
    if wanted {
        return Ok(None);
    }
    for deployment in cluster.list::<Deployment>(namespace) {
        let selects = deployment.spec.selector.as_ref().is_some_and(|s| !s.is_empty() && s.matches(labels));
        if selects && !may_shrink(cluster, &deployment, object, cx) {
            return Ok(None);
        }
    }
    let owner = object.meta().annotations.get(RECOVERED_OWNER).map_or("", String::as_str);
    let commit = commit.get(..10).unwrap_or(commit);
    let reason = format!("it was found running for {owner}, and commit {commit} asks for no such pod");
    delete::delete(object, None, Propagation::Background, cx.now, &reason)
}

/// Whether a deployment can do without one of the recovered pods that only its selector matches.
fn may_shrink(cluster: &Cluster, deployment: &Deployment, object: &Object, cx: &Context) -> bool {
    let meta = &deployment.metadata;
    let sets: Vec<Arc<ReplicaSet>> =
        cluster.owned_by(&meta.uid).filter(|o| o.kind() == REPLICA_SET).filter_map(|o| o.typed().ok()).collect();
    if deployment.status.observed_generation < meta.generation {
        return false;
    }
    if !is_rolling(&deployment.spec) {
        // Its new set is made only when the pods of all other templates are gone.
        let hash = template_hash(&deployment.spec.template, deployment.status.collision_count);
        return object.meta().labels.get(POD_TEMPLATE_HASH) != Some(&hash);
    }
    // The set of the current template must exist and have taken in its own, else they would be counted as strays.
    let settled = sets.iter().any(|rs| {
        same_template(&rs.spec.template, &deployment.spec.template)
            && rs.status.observed_generation >= rs.metadata.generation
    });
    if !settled {
        return false;
    }
    let is_available =
        |pod: &Pod| availability(pod, deployment.spec.min_ready_seconds, cx.now) == Availability::Available;
    let Ok(pod) = object.typed::<Pod>() else { return false };
    if !is_available(&pod) {
        return true;
    }
    let strays = serving(cluster.recovered(&meta.namespace).filter(|o| selects(deployment, o)), is_available);
    let owned = sets.iter().flat_map(|rs| cluster.owned_by(&rs.metadata.uid)).filter(|o| o.kind() == POD);
    let owned = serving(owned, is_available).len();
    let fewest = usize::try_from(Fences::of(deployment).fewest_available(replicas(&deployment.spec))).unwrap_or(0);
    let spare = (strays.len() + owned).saturating_sub(fewest);
    // Each stray is judged by itself, many of them on one view: their order says who may go, so that all agree.
    strays.iter().take(spare).any(|name| *name == pod.metadata.name)
}

fn selects(deployment: &Deployment, object: &Object) -> bool {
    deployment.spec.selector.as_ref().is_some_and(|s| s.matches(&object.meta().labels))
}

/// The names of the active, available pods, in order.
fn serving<'a>(pods: impl Iterator<Item = &'a Arc<Object>>, is_available: impl Fn(&Pod) -> bool) -> Vec<String> {
    pods.filter_map(|o| o.typed::<Pod>().ok())
        .filter(|pod| is_active(pod) && is_available(pod))
        .map(|pod| pod.metadata.name.clone())
        .collect()
}
