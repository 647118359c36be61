//! Pods that agents brought into an empty store → those that are a job's own, although it has another uid now.
//!
//! The selector of a job holds its uid, so that other owners' way to find their pods again, by labels, is none here: a pod
//! is the job's when it ran for a job of this name and is as this job would make it.

use std::collections::BTreeMap;
use std::sync::Arc;

use masthead_api::batch::job::Job;
use masthead_api::batch::selector::{CONTROLLER_UID, JOB_NAME, OLD_CONTROLLER_UID};
use masthead_api::core::pod::{Pod, PodSpec};
use masthead_api::object::{Error, Object};
use serde_json::json;

use crate::cluster::edit::with_meta;
use crate::cluster::view::{Cluster, RECOVERED_OWNER, is_recovered};
use crate::workload::claim::adopt;
use crate::workload::job::create::template;
use crate::workload::job::member::{index_of, is_indexed};

/// The recovered pods that are the job's.
pub fn found<'c>(cluster: &'c Cluster, job: &'c Job) -> impl Iterator<Item = &'c Arc<Object>> {
    cluster.recovered(&job.metadata.namespace).filter(|pod| is_of(job, pod))
}

/// Whether a recovered pod is the job's.
pub fn is_of(job: &Job, pod: &Object) -> bool {
    let meta = pod.meta();
    let owner = format!("Job/{}", job.metadata.name);
    let claimed = is_recovered(pod)
        && meta.deletion_timestamp.is_none()
        && job.metadata.deletion_timestamp.is_none()
        && job.spec.manual_selector != Some(true)
        && meta.annotations.get(RECOVERED_OWNER) == Some(&owner)
        && meta.labels.get(JOB_NAME) == Some(&job.metadata.name);
    claimed && pod.typed::<Pod>().is_ok_and(|pod| is_alike(job, &pod))
}

/// Whether the job would make a pod like this one: the same containers, run the same way.
fn is_alike(job: &Job, pod: &Pod) -> bool {
    let index = index_of(job, pod);
    if is_indexed(&job.spec) && index.is_none() {
        return false;
    }
    let asked = template(job, index, None);
    let plain = |labels: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        let own = |key: &str| key != CONTROLLER_UID && key != OLD_CONTROLLER_UID;
        labels.iter().filter(|(key, _)| own(key)).map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    plain(&asked.metadata.labels) == plain(&pod.metadata.labels) && is_same(&asked.spec, &pod.spec)
}

/// Compares what a template says; what admission and the scheduler fill in is left out.
fn is_same(asked: &PodSpec, is: &PodSpec) -> bool {
    let core = |spec: &PodSpec| {
        let mut spec = spec.clone();
        for container in spec.init_containers.iter_mut().chain(&mut spec.containers) {
            for (resource, limit) in container.resources.limits.clone() {
                container.resources.requests.entry(resource).or_insert(limit);
            }
            for field in container.env.iter_mut().filter_map(|e| e.value_from.as_mut()?.field_ref.as_mut()) {
                field.api_version = "v1".to_owned();
            }
        }
        (spec.init_containers, spec.containers, spec.volumes, spec.restart_policy, spec.hostname, spec.node_selector)
    };
    core(asked) == core(is)
}

/// The pod with the job as its owner and the labels that its selector asks for.
///
/// # Errors
/// The pod's body is not of its kind's shape.
pub fn take(pod: &Object, job: &Object) -> Result<Arc<Object>, Error> {
    let mut labels = pod.meta().labels.clone();
    for key in [CONTROLLER_UID, OLD_CONTROLLER_UID] {
        labels.insert(key.to_owned(), job.meta().uid.clone());
    }
    let relabelled = with_meta(pod, |meta| drop(meta.insert("labels".to_owned(), json!(labels))))?;
    adopt(&relabelled, job)
}
