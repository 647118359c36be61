//! A pod that is kept for a job to count, and whose job is gone → the same pod, kept no more.

use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::JOB;
use masthead_api::object::{Error, Object};

use crate::cluster::edit::without_finalizer;
use crate::cluster::view::{Cluster, controller_of, is_recovered};
use crate::context::Reaction;
use crate::workload::job::streak::TRACKING;

/// Lets go of a pod that no job will count.
///
/// # Errors
/// The pod's body is not of its kind's shape.
pub fn reconcile(cluster: &Cluster, pod: &Arc<Object>) -> Result<Reaction, Error> {
    let mut reaction = Reaction::default();
    // One that an agent brought into an empty store may find its job again.
    let kept = pod.meta().finalizers.iter().any(|f| f == TRACKING);
    if !kept || (is_recovered(pod) && pod.meta().deletion_timestamp.is_none()) {
        return Ok(reaction);
    }
    let counted = controller_of(pod).is_some_and(|owner| {
        let key = ObjectKey::new(JOB, pod.key().namespace.as_str(), owner.name.as_str());
        owner.kind == "Job" && cluster.get(&key).is_some_and(|job| job.meta().uid == owner.uid)
    });
    if !counted {
        let object = without_finalizer(pod, TRACKING)?;
        let reason = "the job that would count it is gone".to_owned();
        reaction.changes.push(Change::Update { object, base: pod.revision(), reason });
    }
    Ok(reaction)
}
