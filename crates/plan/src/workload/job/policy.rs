//! A failed pod and a job's rules → how the failure counts; succeeded indexes and a job's rules → whether they suffice.

use masthead_api::batch::indexes::Indexes;
use masthead_api::batch::job::{Job, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern};
use masthead_api::core::pod::Pod;
use masthead_api::core::pod_status::{ContainerStatus, PodCondition};

/// What a failure means for its job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts against the limits; also when no rule speaks of it.
    Count,
    /// It does not count.
    Ignore,
    /// It counts, and its index has failed with it.
    FailIndex,
    /// It counts, and the whole job has failed with it, for this reason.
    FailJob(String),
}

impl Verdict {
    /// Whether the failure counts.
    pub fn counts(&self) -> bool {
        *self != Verdict::Ignore
    }
}

/// The verdict of the first rule that matches.
pub fn judge(job: &Job, pod: &Pod) -> Verdict {
    let rules = job.spec.pod_failure_policy.iter().flat_map(|policy| &policy.rules);
    for (i, rule) in rules.enumerate() {
        let (namespace, name) = (&pod.metadata.namespace, &pod.metadata.name);
        let why = match &rule.on_exit_codes {
            Some(codes) => ended_with(pod, codes).map(|container| {
                let code = container.state.terminated.as_ref().map_or(0, |end| end.exit_code);
                let container = &container.name;
                format!("Container {container} for pod {namespace}/{name} failed with exit code {code}")
            }),
            None => has(pod, &rule.on_pod_conditions)
                .map(|condition| format!("Pod {namespace}/{name} has condition {}", condition.type_)),
        };
        let Some(why) = why else { continue };
        match rule.action.as_str() {
            "Ignore" => return Verdict::Ignore,
            "FailIndex" => return Verdict::FailIndex,
            "FailJob" => return Verdict::FailJob(format!("{why} matching FailJob rule at index {i}")),
            "Count" => return Verdict::Count,
            // Validation lets no other action in.
            _ => {}
        }
    }
    Verdict::Count
}

/// The first container that failed with one of these codes.
fn ended_with<'a>(pod: &'a Pod, codes: &PodFailurePolicyOnExitCodesRequirement) -> Option<&'a ContainerStatus> {
    let status = &pod.status;
    status.container_statuses.iter().chain(&status.init_container_statuses).find(|container| {
        let named = codes.container_name.as_ref().is_none_or(|name| *name == container.name);
        let code = container.state.terminated.as_ref().map_or(0, |end| end.exit_code);
        let matches = match codes.operator.as_str() {
            "In" => codes.values.contains(&code),
            "NotIn" => !codes.values.contains(&code),
            _ => false,
        };
        named && code != 0 && matches
    })
}

/// The first condition of the pod that is one of these.
fn has<'a>(pod: &'a Pod, patterns: &[PodFailurePolicyOnPodConditionsPattern]) -> Option<&'a PodCondition> {
    pod.status.conditions.iter().find(|c| patterns.iter().any(|p| p.type_ == c.type_ && p.status == c.status))
}

/// The first rule of the success policy that these indexes meet.
pub fn met(job: &Job, succeeded: &Indexes) -> Option<usize> {
    let completions = job.spec.completions.unwrap_or_default();
    if succeeded.is_empty() {
        return None;
    }
    job.spec.success_policy.as_ref()?.rules.iter().position(|rule| {
        match (&rule.succeeded_indexes, rule.succeeded_count) {
            (Some(text), count) => {
                let needed = Indexes::of_status(text, completions);
                succeeded.common(&needed) >= count.unwrap_or_else(|| needed.total())
            }
            (None, Some(count)) => succeeded.total() >= count,
            (None, None) => false,
        }
    })
}
