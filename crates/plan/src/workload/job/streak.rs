//! Ends of a job's pods, write by write → how many failed in a row and when the last did (Kubernetes' `backoffRecord`).

use masthead_api::core::pod::Pod;
use masthead_api::meta::Time;

/// The finalizer that keeps a pod until its job has counted how it ended.
pub const TRACKING: &str = "batch.kubernetes.io/job-tracking";

/// Failures in a row that are told apart at most; from the seventh on they all wait equally long.
const TOLD_APART: usize = 64;

/// How a pod ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When, as its node told.
    pub at: Time,
    /// Whether it failed.
    pub failed: bool,
}

impl End {
    /// The end of a pod, if it came to one: a pod that was told to stop and did not succeed has failed.
    pub fn of(pod: &Pod) -> Option<End> {
        let failed = match pod.status.phase.as_str() {
            "Failed" => true,
            "Succeeded" => false,
            _ if pod.metadata.deletion_timestamp.is_some() => true,
            _ => return None,
        };
        ended_at(pod).map(|at| End { at, failed })
    }
}

/// Failures in a row.
///
/// Ends that are counted in one write are weighed against one another by their times, which are whole seconds: a failure
/// in the second of a success counts nothing. Those of a later write come after it, whatever their times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streak {
    before: Option<(i32, Time)>,
    revision: u64,
    success: Option<Time>,
    failures: Vec<Time>,
}

impl Streak {
    /// Takes in an end that the write of this revision counts.
    pub fn count(&mut self, revision: u64, end: End) {
        if revision != self.revision {
            *self = Streak { before: self.failures(), revision, ..Streak::default() };
        }
        if !end.failed {
            self.success = self.success.max(Some(end.at));
        } else if self.failures.len() < TOLD_APART {
            self.failures.push(end.at);
        }
    }

    /// How many failed in a row, and when the last of them did.
    pub fn failures(&self) -> Option<(i32, Time)> {
        let known = if self.success.is_none() { self.before } else { None };
        let new = || self.failures.iter().copied().filter(|at| self.success.is_none_or(|success| *at > success));
        match new().max() {
            None => known,
            Some(last) => {
                let count = i32::try_from(new().count()).unwrap_or(i32::MAX);
                Some((known.map_or(0, |(count, _)| count).saturating_add(count), last))
            }
        }
    }
}

/// When a pod ended: when all its containers had, else when it was last ready, else when it was told to, else when it
/// was made. Init containers that ran to their end tell nothing of it.
pub fn ended_at(pod: &Pod) -> Option<Time> {
    let status = &pod.status;
    let unready = || {
        let ready = status.conditions.iter().find(|c| c.type_ == "Ready" && c.status == "False");
        ready.and_then(|c| c.last_transition_time)
    };
    let told = || {
        let grace_s = pod.metadata.deletion_grace_period_seconds.unwrap_or(0);
        pod.metadata.deletion_timestamp.map(|at| at.plus(-grace_s))
    };
    containers_ended(pod).or_else(unready).or_else(told).or(pod.metadata.creation_timestamp)
}

/// When the last container ended, sidecars among them; none while one goes on.
fn containers_ended(pod: &Pod) -> Option<Time> {
    let is_sidecar = |name: &str| {
        pod.spec.init_containers.iter().any(|c| c.name == name && c.restart_policy.as_deref() == Some("Always"))
    };
    let sidecars = pod.status.init_container_statuses.iter().filter(|status| is_sidecar(&status.name));
    let mut last = None;
    for status in pod.status.container_statuses.iter().chain(sidecars) {
        last = last.max(Some(status.state.terminated.as_ref()?.finished_at?));
    }
    last
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn failures_count_from_the_last_success_on() {
        let check = |ends: &[(u64, i64, bool)], expect: Option<(i32, i64)>| {
            let mut streak = Streak::default();
            ends.iter()
                .for_each(|(revision, at, failed)| streak.count(*revision, End { at: Time(*at), failed: *failed }));
            assert_eq!(streak.failures(), expect.map(|(count, at)| (count, Time(at))), "{ends:?}");
        };
        check(&[], None);
        check(&[(1, 10, true)], Some((1, 10)));
        check(&[(1, 10, true), (2, 20, true), (2, 15, true)], Some((3, 20)));
        check(&[(1, 10, true), (2, 20, false)], None);
        check(&[(1, 10, true), (2, 20, false), (3, 30, true)], Some((1, 30)));
        // In one write the times tell, and the success wins in its second, whatever comes first.
        check(&[(1, 10, true), (2, 20, false), (2, 20, true), (2, 21, true)], Some((1, 21)));
        check(&[(1, 10, true), (2, 20, true), (2, 21, true), (2, 20, false)], Some((1, 21)));
        check(&[(1, 10, true), (2, 20, true), (2, 20, false)], None);
        // Of a later write also in the same second.
        check(&[(1, 20, false), (2, 20, true)], Some((1, 20)));
    }

    #[test]
    fn a_pod_ended_when_its_last_container_did() {
        let check = |meta: Value, status: Value, expect: Option<(i64, bool)>| {
            let mut meta = meta;
            meta["creationTimestamp"] = json!(Time(5));
            let init = json!([{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]);
            let pod = json!({"metadata": meta, "status": status, "spec": {"containers": [], "initContainers": init}});
            let end = End::of(&serde_json::from_value(pod).unwrap());
            assert_eq!(end.map(|end| (end.at.0, end.failed)), expect, "{status}");
        };
        let ended = |name: &str, at: i64| json!({"name": name, "state": {"terminated": {"exitCode": 1, "finishedAt": Time(at)}}});
        let runs = |name: &str| json!({"name": name, "state": {"running": {}}});
        let unready = json!([{"type": "Ready", "status": "False", "lastTransitionTime": Time(70)}]);
        check(json!({}), json!({"phase": "Running"}), None);
        check(
            json!({}),
            json!({"phase": "Succeeded", "containerStatuses": [ended("c", 20), ended("d", 30)]}),
            Some((30, false)),
        );
        let with = |init: Value| json!({"phase": "Failed", "containerStatuses": [ended("c", 20)], "initContainerStatuses": init, "conditions": unready});
        check(json!({}), with(json!([ended("i", 50), ended("s", 40)])), Some((40, true)));
        check(json!({}), with(json!([runs("s")])), Some((70, true)));
        check(json!({}), json!({"phase": "Failed", "initContainerStatuses": [ended("i", 10)]}), Some((5, true)));
        let told = json!({"deletionTimestamp": Time(90), "deletionGracePeriodSeconds": 30});
        check(told.clone(), json!({"phase": "Pending", "containerStatuses": [runs("c")]}), Some((60, true)));
        check(told, json!({"phase": "Succeeded"}), Some((60, false)));
    }
}
