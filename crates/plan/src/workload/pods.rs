//! A pod → whether it counts: active, terminating, ready, available.

use masthead_api::core::pod::Pod;
use masthead_api::core::pod_status::PodCondition;
use masthead_api::meta::{OwnerReference, Time};

/// Whether the pod ran to its end.
pub fn is_finished(pod: &Pod) -> bool {
    matches!(pod.status.phase.as_str(), "Succeeded" | "Failed")
}

/// Whether the pod counts as a replica: not finished and not on its way out.
pub fn is_active(pod: &Pod) -> bool {
    !is_finished(pod) && pod.metadata.deletion_timestamp.is_none()
}

/// Whether the pod still runs but is on its way out.
pub fn is_terminating(pod: &Pod) -> bool {
    !is_finished(pod) && pod.metadata.deletion_timestamp.is_some()
}

/// The owner that controls the pod.
pub fn controller(pod: &Pod) -> Option<&OwnerReference> {
    pod.metadata.owner_references.iter().find(|owner| owner.controller == Some(true))
}

/// A condition by its type.
pub fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    pod.status.conditions.iter().find(|c| c.type_ == kind)
}

/// Whether the pod's Ready condition is true.
pub fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|c| c.status == "True")
}

/// Since when the pod is ready; `None` when it is not, or when that was not noted.
pub fn ready_since(pod: &Pod) -> Option<Time> {
    condition(pod, "Ready").filter(|c| c.status == "True").and_then(|c| c.last_transition_time)
}

/// Whether a pod has been ready for long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It has.
    Available,
    /// It is ready, and will have been for long enough after this many seconds (at least 1).
    InS(i64),
    /// It is not ready.
    NotReady,
}

/// Whether a pod has been ready for `min_ready_s` seconds at `now`.
pub fn availability(pod: &Pod, min_ready_s: i32, now: Time) -> Availability {
    if !is_ready(pod) {
        return Availability::NotReady;
    }
    let wait_s = i64::from(min_ready_s.max(0));
    let left_s = match ready_since(pod) {
        _ if wait_s == 0 => 0,
        Some(since) => since.plus(wait_s).since(now),
        // A ready pod that does not say since when has to be watched for the whole time.
        None => wait_s,
    };
    if left_s <= 0 { Availability::Available } else { Availability::InS(left_s) }
}

/// How many pods of one owner count, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not finished, not on their way out.
    pub active: i32,
    /// Of these, ready.
    pub ready: i32,
    /// Of these, ready for long enough.
    pub available: i32,
    /// Not finished, on their way out.
    pub terminating: i32,
    /// Seconds until the next ready pod becomes available.
    pub next_available_s: Option<i64>,
}

/// Counts pods for an owner that wants them ready for `min_ready_s`.
pub fn count<'a>(pods: impl IntoIterator<Item = &'a Pod>, min_ready_s: i32, now: Time) -> Counts {
    let mut counts = Counts::default();
    for pod in pods {
        if is_terminating(pod) {
            counts.terminating += 1;
        }
        if !is_active(pod) {
            continue;
        }
        counts.active += 1;
        match availability(pod, min_ready_s, now) {
            Availability::NotReady => {}
            Availability::Available => {
                counts.ready += 1;
                counts.available += 1;
            }
            Availability::InS(left_s) => {
                counts.ready += 1;
                counts.next_available_s = Some(counts.next_available_s.map_or(left_s, |next| next.min(left_s)));
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(status: Value) -> Pod {
        serde_json::from_value(json!({"spec": {"containers": []}, "status": status})).unwrap()
    }

    #[test]
    fn availability_waits_for_min_ready_seconds() {
        let ready = |since: Value| {
            pod(json!({"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": since}]}))
        };
        let at = |s: i64| json!(Time(s));
        let check = |pod: &Pod, min_ready_s, now, expect| assert_eq!(availability(pod, min_ready_s, Time(now)), expect);
        check(&ready(at(100)), 0, 100, Availability::Available);
        check(&ready(at(100)), 10, 100, Availability::InS(10));
        check(&ready(at(100)), 10, 109, Availability::InS(1));
        check(&ready(at(100)), 10, 110, Availability::Available);
        check(&ready(Value::Null), 10, 110, Availability::InS(10));
        check(&pod(json!({})), 0, 110, Availability::NotReady);
        let unready = pod(json!({"conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": at(1)}]}));
        check(&unready, 0, 110, Availability::NotReady);
    }
}
