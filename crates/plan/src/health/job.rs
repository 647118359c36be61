//! A job's status, and its pods where these explain it → its health and its numbers.

use masthead_api::batch::job::Job;

use crate::cluster::view::Cluster;
use crate::health::verdict::Health;
use crate::health::workload::pod_trouble;
use crate::workload::job::condition::{self, COMPLETE, FAILURE_TARGET};
use crate::workload::job::member::is_indexed;
use crate::workload::job::reconcile::managed_by;

/// `2 of 3 succeeded, 1 active`, and failures where there are any.
pub fn numbers(job: &Job) -> String {
    let status = &job.status;
    let mut text = match job.spec.completions {
        Some(completions) => format!("{} of {completions} succeeded, {} active", status.succeeded, status.active),
        None => format!("{} succeeded, {} active", status.succeeded, status.active),
    };
    if status.failed > 0 {
        text.push_str(&format!(", {} failed", status.failed));
    }
    text
}

/// The verdict on a job that is over; it stands while the job is on its way out, too.
pub fn ended(job: &Job) -> Option<Health> {
    let end = condition::end(&job.status)?;
    if end.type_ == COMPLETE {
        return Some(Health::Healthy);
    }
    let mut message = end.message.clone();
    if is_indexed(&job.spec)
        && let Some(failed) = job.status.failed_indexes.as_ref().filter(|text| !text.is_empty())
    {
        message.push_str(&format!(" (failed indexes: {failed})"));
    }
    Some(Health::failed(end.reason.clone(), message))
}

/// The health of a job: healthy when it is complete, failed when it has failed.
///
/// One that is suspended is as asked: git says so, and it waits for git to say otherwise.
pub fn job(cluster: &Cluster, job: &Job) -> Health {
    if let Some(health) = ended(job) {
        return health;
    }
    if let Some(controller) = managed_by(job) {
        let message = format!("its pods are left to the controller {controller}, which is not here");
        return Health::failed("ManagedByOther", message);
    }
    if job.spec.suspend == Some(true) {
        return Health::Healthy;
    }
    let mut message = numbers(job);
    if let Some(target) = condition::is_true(&job.status, FAILURE_TARGET) {
        message.push_str(&format!("; {}: {}", target.reason, target.message));
    } else if let Some(trouble) = pod_trouble(cluster, &job.metadata.uid) {
        message.push_str(&format!("; {trouble}"));
    }
    Health::progressing(message)
}
