//! One pod of a job: how it counts, and what is to be written for it.

use std::sync::Arc;

use masthead_api::batch::job::{Job, JobSpec};
use masthead_api::change::Change;
use masthead_api::core::pod::Pod;
use masthead_api::meta::Time;
use masthead_api::object::{Error, Object};

use crate::cluster::edit::without_finalizer;
use crate::delete::{self, Propagation};
use crate::workload::job::streak::{self, TRACKING};

/// The annotation and the label of a pod's index.
pub const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// The annotation with the failures of a pod's index before it.
pub const INDEX_FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// The same of those that a policy ignored.
pub const INDEX_IGNORED_FAILURES: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

/// Whether each pod of the job has an index of its own.
pub fn is_indexed(spec: &JobSpec) -> bool {
    spec.completion_mode.as_deref() == Some("Indexed")
}

/// Whether a pod is replaced only when it has ended, not as soon as it is told to.
pub fn replaces_ended_only(spec: &JobSpec) -> bool {
    spec.pod_failure_policy.is_some() || spec.pod_replacement_policy.as_deref() == Some("Failed")
}

/// The index of a pod, where it has one of those that the job has.
pub fn index_of(job: &Job, pod: &Pod) -> Option<i32> {
    let index = pod.metadata.annotations.get(COMPLETION_INDEX)?.parse().ok()?;
    (0..job.spec.completions.unwrap_or_default()).contains(&index).then_some(index)
}

/// Whether a pod counts as failed: it has, or it was told to stop before it succeeded.
///
/// Where only ended pods are replaced, one that stops is waited for, unless no node will ever tell of it.
pub fn is_failed(job: &Job, pod: &Pod) -> bool {
    match pod.status.phase.as_str() {
        "Failed" => true,
        "Succeeded" => false,
        _ => {
            pod.metadata.deletion_timestamp.is_some()
                && (!replaces_ended_only(&job.spec) || pod.spec.node_name.is_empty())
        }
    }
}

/// A number in an annotation; none is 0.
pub fn number(pod: &Pod, annotation: &str) -> i32 {
    pod.metadata.annotations.get(annotation).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// When a pod ended, as far as can be told, and never later than now: a node's clock may be ahead.
pub fn ended_at(pod: &Pod, now: Time) -> Time {
    streak::ended_at(pod).unwrap_or(now).min(now)
}

/// One pod of the job: as it is, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Member {
    /// As stored, with the owner's reference; when it is new or taken in, as it is to be.
    pub object: Arc<Object>,
    /// The same, typed.
    pub pod: Arc<Pod>,
    /// Its index, if the job has indexes and the pod a valid one.
    pub index: Option<i32>,
    /// Whether it is made in this reaction.
    pub made: bool,
    /// Whether it is taken in, in this reaction.
    pub adopted: bool,
    /// Whether it stops being kept for counting.
    pub untracked: bool,
    /// Why it is told to stop, if it is.
    pub stopped: Option<String>,
}

impl Member {
    /// A pod that is there.
    pub fn of(job: &Job, object: Arc<Object>, pod: Arc<Pod>) -> Member {
        let index = index_of(job, &pod);
        Member { object, pod, index, made: false, adopted: false, untracked: false, stopped: None }
    }

    /// Whether it is kept until it is counted.
    pub fn is_tracked(&self) -> bool {
        !self.untracked && self.pod.metadata.finalizers.iter().any(|f| f == TRACKING)
    }

    /// The write that it needs, and the pod as it is after that; none when it is gone then.
    ///
    /// # Errors
    /// The pod is not of its kind's shape.
    pub fn write(&self, job: &str, now: Time) -> Result<(Option<Change>, Option<Arc<Pod>>), Error> {
        let mut object = self.object.clone();
        let mut reason = match (self.made, self.adopted) {
            (true, _) => format!("Job {job} wants another pod"),
            (_, true) => format!("its labels match Job {job}"),
            _ => String::new(),
        };
        if self.made {
            return Ok((Some(Change::Create { object, reason }), Some(self.pod.clone())));
        }
        if self.untracked {
            object = without_finalizer(&object, TRACKING)?;
            reason = format!("Job {job} has counted it");
        }
        if let Some(why) = &self.stopped {
            reason.clone_from(why);
            match delete::delete(&object, None, Propagation::Background, now, why)? {
                Some(Change::Update { object: marked, .. }) => object = marked,
                Some(gone) => return Ok((Some(gone), None)),
                None => {}
            }
        }
        if !self.adopted && object.body() == self.object.body() {
            return Ok((None, Some(self.pod.clone())));
        }
        let pod = object.typed::<Pod>()?;
        Ok((Some(Change::Update { base: self.object.revision(), object, reason }), Some(pod)))
    }
}
