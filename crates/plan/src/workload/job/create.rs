//! A job's template and an index → a new pod that is kept until it is counted.

use std::sync::Arc;

use masthead_api::batch::job::Job;
use masthead_api::core::container::Container;
use masthead_api::core::env::{EnvVar, EnvVarSource, ObjectFieldSelector};
use masthead_api::core::pod::{Pod, PodTemplateSpec};
use masthead_api::object::Object;

use crate::cluster::view::Cluster;
use crate::context::Context;
use crate::workload::job::member::{COMPLETION_INDEX, INDEX_FAILURES, INDEX_IGNORED_FAILURES, number};
use crate::workload::job::policy;
use crate::workload::job::streak::TRACKING;
use crate::workload::replicaset::create;

/// The variable with a pod's index.
const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";

/// A generated name's stem is cut to this many bytes (Kubernetes' `names` package); an index in it is not.
const STEM_MAX: usize = 58;

/// The template of the job's next pod: with an index the one of that index, after the failed one that it replaces.
pub fn template(job: &Job, index: Option<i32>, replaced: Option<&Pod>) -> PodTemplateSpec {
    let mut template = job.spec.template.clone();
    let meta = &mut template.metadata;
    if !meta.finalizers.iter().any(|f| f == TRACKING) {
        meta.finalizers.push(TRACKING.to_owned());
    }
    let Some(index) = index else { return template };
    meta.annotations.insert(COMPLETION_INDEX.to_owned(), index.to_string());
    meta.labels.insert(COMPLETION_INDEX.to_owned(), index.to_string());
    if job.spec.backoff_limit_per_index.is_some() {
        let (failed, ignored) = replaced.map_or((0, 0), |pod| {
            let counts = policy::judge(job, pod).counts();
            let (failed, ignored) = (number(pod, INDEX_FAILURES), number(pod, INDEX_IGNORED_FAILURES));
            (failed.saturating_add(i32::from(counts)), ignored.saturating_add(i32::from(!counts)))
        });
        meta.annotations.insert(INDEX_FAILURES.to_owned(), failed.to_string());
        if ignored > 0 {
            meta.annotations.insert(INDEX_IGNORED_FAILURES.to_owned(), ignored.to_string());
        }
    }
    let spec = &mut template.spec;
    spec.hostname = format!("{}-{index}", job.metadata.name);
    spec.init_containers.iter_mut().chain(&mut spec.containers).for_each(tell_index);
    template
}

fn tell_index(container: &mut Container) {
    if container.env.iter().any(|variable| variable.name == INDEX_VARIABLE) {
        return;
    }
    let field = ObjectFieldSelector {
        api_version: String::new(),
        field_path: format!("metadata.labels['{COMPLETION_INDEX}']"),
    };
    container.env.push(EnvVar {
        name: INDEX_VARIABLE.to_owned(),
        value_from: Some(EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() }),
        ..EnvVar::default()
    });
}

/// What the name of a pod begins with.
fn stem(job: &Job, index: Option<i32>) -> String {
    let name = &job.metadata.name;
    let Some(index) = index else { return format!("{name}-") };
    let end = format!("-{index}-");
    let mut keep = name.len().min(STEM_MAX.saturating_sub(end.len()));
    while !name.is_char_boundary(keep) {
        keep -= 1;
    }
    format!("{}{end}", &name[..keep])
}

/// A new pod of the job.
///
/// # Errors
/// The template makes no valid pod, or no name is free.
pub fn pod(
    cluster: &Cluster,
    owner: &Object,
    job: &Job,
    index: Option<i32>,
    replaced: Option<&Pod>,
    cx: &mut Context,
) -> Result<Arc<Object>, create::Error> {
    create::named(cluster, owner, &template(job, index, replaced), stem(job, index), cx)
}
