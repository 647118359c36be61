//! Jobs with their defaults.

use crate::batch::job::Job;
use crate::batch::selector::label;
use crate::default::pod;

/// Failures of pods that a job puts up with.
const BACKOFF_LIMIT: i32 = 6;

/// A job.
pub fn job(job: &mut Job) {
    let spec = &mut job.spec;
    if spec.parallelism.is_none() {
        spec.completions.get_or_insert(1);
        spec.parallelism = Some(1);
    }
    // With a limit for each index there is none for all of them together.
    let limit = if spec.backoff_limit_per_index.is_some() { i32::MAX } else { BACKOFF_LIMIT };
    spec.backoff_limit.get_or_insert(limit);
    spec.completion_mode.get_or_insert_with(|| "NonIndexed".to_owned());
    spec.suspend.get_or_insert(false);
    spec.manual_selector.get_or_insert(false);
    let replaced = if spec.pod_failure_policy.is_some() { "Failed" } else { "TerminatingOrFailed" };
    spec.pod_replacement_policy.get_or_insert_with(|| replaced.to_owned());
    let rules = spec.pod_failure_policy.iter_mut().flat_map(|policy| &mut policy.rules);
    for pattern in rules.flat_map(|rule| &mut rule.on_pod_conditions).filter(|pattern| pattern.status.is_empty()) {
        pattern.status = "True".to_owned();
    }
    pod::template(&mut spec.template);
    label(job);
}
