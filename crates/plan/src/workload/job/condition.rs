//! The conditions of a job: what is noted, and what is true.

use masthead_api::batch::job::{JobCondition, JobStatus};
use masthead_api::meta::Time;

/// The job is done; its last pods are counted and stop.
pub const SUCCESS_CRITERIA_MET: &str = "SuccessCriteriaMet";
/// The job has failed; its last pods are counted and stop.
pub const FAILURE_TARGET: &str = "FailureTarget";
/// The job is done and nothing of it runs.
pub const COMPLETE: &str = "Complete";
/// The job has failed and nothing of it runs.
pub const FAILED: &str = "Failed";
/// Nothing of the job may run for now.
pub const SUSPENDED: &str = "Suspended";

/// The condition of a type when it is true.
pub fn is_true<'a>(status: &'a JobStatus, kind: &str) -> Option<&'a JobCondition> {
    status.conditions.iter().find(|c| c.type_ == kind && c.status == "True")
}

/// The condition with which the job ended: `Complete` or `Failed`.
pub fn end(status: &JobStatus) -> Option<&JobCondition> {
    status.conditions.iter().find(|c| (c.type_ == COMPLETE || c.type_ == FAILED) && c.status == "True")
}

/// Notes a condition; says whether that is news. What was never true is not noted as false.
pub fn set(status: &mut JobStatus, kind: &str, is: bool, reason: &str, message: &str, now: Time) -> bool {
    let word = if is { "True" } else { "False" };
    let condition = JobCondition {
        type_: kind.to_owned(),
        status: word.to_owned(),
        last_probe_time: Some(now),
        last_transition_time: Some(now),
        reason: reason.to_owned(),
        message: message.to_owned(),
    };
    match status.conditions.iter_mut().find(|c| c.type_ == kind) {
        Some(known) if known.status == word && known.reason == reason && known.message == message => false,
        Some(known) => {
            *known = condition;
            true
        }
        None if is => {
            status.conditions.push(condition);
            true
        }
        None => false,
    }
}
