//! Failures of pods and when they were → how long no new pod is made.

use masthead_api::core::pod::Pod;
use masthead_api::meta::Time;

use crate::workload::job::member::{INDEX_FAILURES, INDEX_IGNORED_FAILURES, ended_at, number};

/// The wait after the first failure; each further one doubles it.
const FIRST_S: i64 = 10;
/// The longest wait (`MaxJobPodFailureBackOff`; the documentation of Jobs says six minutes, the controller ten).
const MAX_S: i64 = 600;

/// Seconds that are left of the wait after so many failures in a row, the last of them at `last`.
pub fn left_s(failures: i32, last: Time, now: Time) -> i64 {
    if failures <= 0 {
        return 0;
    }
    // Six doublings are past the maximum.
    let wait_s = (FIRST_S << (failures - 1).min(6)).min(MAX_S);
    (wait_s - now.since(last)).max(0)
}

/// Seconds to wait for an index whose last pod was this one.
pub fn of_index(last: Option<&Pod>, now: Time) -> i64 {
    let Some(pod) = last else { return 0 };
    let before = number(pod, INDEX_FAILURES).saturating_add(number(pod, INDEX_IGNORED_FAILURES));
    left_s(before.saturating_add(1), ended_at(pod, now), now)
}
