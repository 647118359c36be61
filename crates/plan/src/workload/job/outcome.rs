//! A job at one moment → whether it is done or has failed, and why.

use masthead_api::core::pod::Pod;

use crate::workload::job::condition::{FAILURE_TARGET, SUCCESS_CRITERIA_MET, is_true};
use crate::workload::job::member::is_failed;
use crate::workload::job::policy::{self, Verdict};
use crate::workload::job::run::Run;

/// How a job ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it succeeded.
    pub success: bool,
    /// One CamelCase word.
    pub reason: String,
    /// The sentence.
    pub message: String,
}

impl Outcome {
    fn failure(reason: &str, message: impl Into<String>) -> Outcome {
        Outcome { success: false, reason: reason.to_owned(), message: message.into() }
    }

    /// As many pods succeeded as were asked for.
    pub fn completions_reached() -> Outcome {
        let message = "Reached expected number of succeeded pods".to_owned();
        Outcome { success: true, reason: "CompletionsReached".to_owned(), message }
    }
}

/// The outcome that stands before any pod is made or stopped; none while the job goes on.
pub fn decide(run: &mut Run<'_>) -> Option<Outcome> {
    // What was said once stays said.
    for (kind, success) in [(SUCCESS_CRITERIA_MET, true), (FAILURE_TARGET, false)] {
        if let Some(c) = is_true(&run.status, kind) {
            return Some(Outcome { success, reason: c.reason.clone(), message: c.message.clone() });
        }
    }
    by_policy(run).or_else(|| by_limits(run)).or_else(|| by_indexes(run))
}

fn by_policy(run: &Run<'_>) -> Option<Outcome> {
    run.job.spec.pod_failure_policy.as_ref()?;
    run.members.iter().filter(|m| is_failed(&run.job, &m.pod)).find_map(|m| match policy::judge(&run.job, &m.pod) {
        Verdict::FailJob(message) => Some(Outcome::failure("PodFailurePolicy", message)),
        _ => None,
    })
}

fn by_limits(run: &mut Run<'_>) -> Option<Outcome> {
    let spec = &run.job.spec;
    let limit = spec.backoff_limit.unwrap_or(i32::MAX);
    if run.failed() > limit || (spec.template.spec.restart_policy == "OnFailure" && restarted(run, limit)) {
        return Some(Outcome::failure("BackoffLimitExceeded", "Job has reached the specified backoff limit"));
    }
    let (deadline_s, started) = (spec.active_deadline_seconds?, run.status.start_time?);
    if spec.suspend == Some(true) {
        return None;
    }
    let left_s = deadline_s - run.now.since(started);
    if left_s <= 0 {
        return Some(Outcome::failure("DeadlineExceeded", "Job was active longer than specified deadline"));
    }
    run.reaction.recheck_in_ms(Some(u64::try_from(left_s).unwrap_or(0).saturating_mul(1000)));
    None
}

/// Whether the containers of pods that restart them did so too often.
fn restarted(run: &Run<'_>, limit: i32) -> bool {
    let of = |pod: &Pod| -> i32 {
        let status = &pod.status;
        status.init_container_statuses.iter().chain(&status.container_statuses).map(|c| c.restart_count).sum()
    };
    let live = run.members.iter().filter(|m| matches!(m.pod.status.phase.as_str(), "Running" | "Pending"));
    let restarts: i32 = live.map(|m| of(&m.pod)).fold(0, i32::saturating_add);
    if limit == 0 { restarts > 0 } else { restarts >= limit }
}

fn by_indexes(run: &Run<'_>) -> Option<Outcome> {
    let spec = &run.job.spec;
    if let Some(failed) = &run.failed_indexes {
        if spec.max_failed_indexes.is_some_and(|max| failed.total() > max) {
            let message = "Job has exceeded the specified maximal number of failed indexes";
            return Some(Outcome::failure("MaxFailedIndexesExceeded", message));
        }
        let ended = failed.total().saturating_add(run.succeeded_indexes.total());
        if !failed.is_empty() && ended >= spec.completions.unwrap_or_default() {
            return Some(Outcome::failure("FailedIndexes", "Job has failed indexes"));
        }
    }
    let rule = policy::met(&run.job, &run.succeeded_indexes)?;
    let message = format!("Matched rules at index {rule}");
    Some(Outcome { success: true, reason: "SuccessPolicy".to_owned(), message })
}
