//! A job that is over → when it goes, and pods that are still kept for counting.

use std::sync::Arc;

use masthead_api::batch::job::{Job, JobCondition};
use masthead_api::change::Change;
use masthead_api::core::pod::Pod;
use masthead_api::kind::registry::POD;
use masthead_api::object::{Error, Object};

use crate::cluster::edit::without_finalizer;
use crate::cluster::view::Cluster;
use crate::context::{Context, Reaction};
use crate::delete::{self, Propagation};
use crate::workload::job::recover;
use crate::workload::job::streak::TRACKING;
use crate::workload::pods::is_active;

/// A job that is over stays this long at least, so that whoever waits for its outcome can see it.
///
/// Kubernetes says of a time of zero that the job may go at once, not that it does.
const SEEN_S: i64 = 2;

/// A pod that a node brought in after the job was over: one that ended is kept with the others, one that runs stops.
fn late(pod: &Object, job: &Object, cx: &Context) -> Result<Option<Change>, Error> {
    let base = pod.revision();
    let loose = without_finalizer(pod, TRACKING)?;
    if pod.typed::<Pod>().is_ok_and(|pod| is_active(&pod)) {
        let reason = format!("Job {} is over", job.key().name);
        return delete::delete(&loose, None, Propagation::Background, cx.now, &reason);
    }
    let reason = format!("it ran for Job {}", job.key().name);
    Ok(Some(Change::Update { object: recover::take(&loose, job)?, base, reason }))
}

/// Lets go of pods, and of the job itself when its time after its end (`ttlSecondsAfterFinished`) is over.
///
/// # Errors
/// An object's body is not of its kind's shape.
pub fn reconcile(
    cluster: &Cluster,
    object: &Arc<Object>,
    job: &Job,
    end: &JobCondition,
    cx: &Context,
) -> Result<Reaction, Error> {
    let mut reaction = Reaction::default();
    for pod in cluster.owned_by(&object.meta().uid).filter(|o| o.kind() == POD) {
        if pod.meta().finalizers.iter().any(|f| f == TRACKING) {
            let reason = format!("Job {} is over", job.metadata.name);
            let object = without_finalizer(pod, TRACKING)?;
            reaction.changes.push(Change::Update { object, base: pod.revision(), reason });
        }
    }
    for found in recover::found(cluster, job) {
        reaction.changes.extend(late(found, object, cx)?);
    }
    let Some(ttl_s) = job.spec.ttl_seconds_after_finished else { return Ok(reaction) };
    if job.metadata.deletion_timestamp.is_some() {
        return Ok(reaction);
    }
    let ended = end.last_transition_time.unwrap_or(cx.now);
    let left_s = i64::from(ttl_s).max(SEEN_S) - cx.now.since(ended);
    if left_s > 0 {
        reaction.recheck_in_ms(Some(u64::try_from(left_s).unwrap_or(0).saturating_mul(1000)));
        return Ok(reaction);
    }
    let reason = format!("it ended {} s ago and ttlSecondsAfterFinished is {ttl_s}", cx.now.since(ended));
    reaction.changes.extend(delete::delete(object, None, Propagation::Foreground, cx.now, &reason)?);
    Ok(reaction)
}
