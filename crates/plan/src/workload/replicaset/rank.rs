//! The pods of a replica set → the order in which it gives them up.

use std::cmp::Ordering;
use std::collections::HashMap;

use masthead_api::core::pod::Pod;
use masthead_api::meta::Time;

use crate::workload::pods::{Availability, availability, is_active, is_ready, ready_since};

/// How gladly a pod is kept among its siblings; the lower, the less.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// How many active pods of the same workload run on each node.
pub type OnNode<'a> = HashMap<&'a str, usize>;

/// Counts the active pods of a workload by node.
pub fn on_node<'a>(related: impl IntoIterator<Item = &'a Pod>) -> OnNode<'a> {
    let mut nodes = OnNode::new();
    for pod in related.into_iter().filter(|pod| is_active(pod)) {
        *nodes.entry(pod.spec.node_name.as_str()).or_default() += 1;
    }
    nodes
}

/// Which of two pods goes first: `Less` when `a` does.
///
/// The order is Kubernetes' (`ActivePodsWithRanks`): without a node; pending, then unknown; not ready; lower deletion
/// cost; more siblings on its node; ready for a shorter time; more restarts; younger. Times count by powers of two, so
/// that a burst of equals is not always cut at the same end; ties go by uid there and by name here, where a decision
/// must be reproducible. One rule is ours: what is not available yet (`min_ready_s`) goes before what is, else scaling
/// down could break the promise of maxUnavailable.
pub fn compare(a: &Pod, b: &Pod, nodes: &OnNode<'_>, min_ready_s: i32, now: Time) -> Ordering {
    let assigned = |pod: &Pod| !pod.spec.node_name.is_empty();
    let available = |pod: &Pod| availability(pod, min_ready_s, now) == Availability::Available;
    let siblings = |pod: &Pod| nodes.get(pod.spec.node_name.as_str()).copied().unwrap_or(0);
    assigned(a)
        .cmp(&assigned(b))
        .then_with(|| phase(a).cmp(&phase(b)))
        .then_with(|| is_ready(a).cmp(&is_ready(b)))
        .then_with(|| available(a).cmp(&available(b)))
        .then_with(|| deletion_cost(a).cmp(&deletion_cost(b)))
        .then_with(|| siblings(b).cmp(&siblings(a)))
        .then_with(|| by_ready_time(a, b, now))
        .then_with(|| restarts(b).cmp(&restarts(a)))
        .then_with(|| by_age(a.metadata.creation_timestamp, b.metadata.creation_timestamp, now))
        .then_with(|| a.metadata.name.cmp(&b.metadata.name))
}

/// As [`compare`] for pods that are no replicas of one another (`ActivePods`), as those of jobs: of two that run the one
/// that has run longer stays, whatever it cost and wherever it is.
pub fn compare_by_work(a: &Pod, b: &Pod) -> Ordering {
    let assigned = |pod: &Pod| !pod.spec.node_name.is_empty();
    // What is not known counts as the latest, and the later goes first.
    let at = |time: Option<Time>| time.unwrap_or(Time(i64::MAX));
    let later = |a: Option<Time>, b: Option<Time>| at(b).cmp(&at(a));
    let by_ready_time =
        || if is_ready(a) && is_ready(b) { later(ready_since(a), ready_since(b)) } else { Ordering::Equal };
    assigned(a)
        .cmp(&assigned(b))
        .then_with(|| phase(a).cmp(&phase(b)))
        .then_with(|| is_ready(a).cmp(&is_ready(b)))
        .then_with(by_ready_time)
        .then_with(|| restarts(b).cmp(&restarts(a)))
        .then_with(|| later(a.metadata.creation_timestamp, b.metadata.creation_timestamp))
        .then_with(|| a.metadata.name.cmp(&b.metadata.name))
}

fn phase(pod: &Pod) -> u8 {
    match pod.status.phase.as_str() {
        "Running" => 2,
        "Unknown" => 1,
        _ => 0,
    }
}

fn deletion_cost(pod: &Pod) -> i32 {
    pod.metadata.annotations.get(DELETION_COST).and_then(|cost| cost.parse().ok()).unwrap_or(0)
}

fn by_ready_time(a: &Pod, b: &Pod, now: Time) -> Ordering {
    if !(is_ready(a) && is_ready(b)) {
        return Ordering::Equal;
    }
    by_age(ready_since(a), ready_since(b), now)
}

/// The younger first, by the magnitude of the ages; a time that is not known counts as the youngest.
fn by_age(a: Option<Time>, b: Option<Time>, now: Time) -> Ordering {
    let magnitude = |time: Option<Time>| match time.map(|time| now.since(time)) {
        Some(age_s) if age_s > 0 => i64::from(age_s.saturating_mul(1_000_000_000).ilog2()),
        _ => -1,
    };
    magnitude(a).cmp(&magnitude(b))
}

/// Restarts of the container that restarted most, then of the sidecar that did.
fn restarts(pod: &Pod) -> (i32, i32) {
    let most = |counts: &mut dyn Iterator<Item = i32>| counts.max().unwrap_or(0);
    let sidecar = |name: &str| {
        pod.spec.init_containers.iter().any(|c| c.name == name && c.restart_policy.as_deref() == Some("Always"))
    };
    let regular = most(&mut pod.status.container_statuses.iter().map(|s| s.restart_count));
    let sidecars =
        most(&mut pod.status.init_container_statuses.iter().filter(|s| sidecar(&s.name)).map(|s| s.restart_count));
    (regular, sidecars)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(name: &str, node: &str, phase: &str, ready_at: Option<i64>, extra: Value) -> Pod {
        let ready = ready_at
            .map_or(json!([]), |at| json!([{"type": "Ready", "status": "True", "lastTransitionTime": Time(at)}]));
        let mut value = json!({
            "metadata": {"name": name, "creationTimestamp": Time(0)},
            "spec": {"nodeName": node, "containers": []},
            "status": {"phase": phase, "conditions": ready},
        });
        for (path, extra) in extra.as_object().unwrap() {
            *value.pointer_mut(&format!("/{path}")).unwrap() = extra.clone();
        }
        serde_json::from_value(value).unwrap()
    }

    /// Of two that have run for about as long, one by the logarithm of the time, the longer stays.
    #[test]
    fn of_work_the_youngest_goes_first() {
        let none = || json!({});
        let costly = json!({"metadata": {"name": "x", "annotations": {DELETION_COST: "9"}}});
        let created = |at: i64| json!({"metadata": {"name": "x", "creationTimestamp": Time(at)}});
        let pairs = [
            (pod("a", "", "Pending", None, none()), pod("b", "n", "Pending", None, none())),
            (pod("b", "n", "Pending", None, none()), pod("a", "n", "Running", None, none())),
            (pod("b", "n", "Running", None, none()), pod("a", "n", "Running", Some(10), none())),
            (pod("b", "n", "Running", Some(11), costly), pod("a", "n", "Running", Some(10), none())),
            (pod("b", "n", "Running", None, created(11)), pod("a", "n", "Running", None, created(10))),
            (pod("a", "n", "Running", None, none()), pod("b", "n", "Running", None, none())),
        ];
        for (first, second) in &pairs {
            assert_eq!(compare_by_work(first, second), Ordering::Less, "{first:?}\n{second:?}");
            assert_eq!(compare_by_work(second, first), Ordering::Greater);
        }
    }

    #[test]
    fn the_least_useful_pod_goes_first() {
        let costly = |cost: &str| json!({"metadata": {"name": "x", "annotations": {DELETION_COST: cost}}});
        let restarted = |n: i32| {
            json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": Time(10)}],
                "containerStatuses": [{"name": "c", "restartCount": n}]}})
        };
        let none = || json!({});
        // Each pair: the first goes before the second.
        let pairs = [
            (pod("a", "", "Pending", None, none()), pod("b", "n", "Pending", None, none())),
            (pod("b", "n", "Pending", None, none()), pod("a", "n", "Running", None, none())),
            (pod("b", "n", "Unknown", None, none()), pod("a", "n", "Running", None, none())),
            (pod("b", "n", "Running", None, none()), pod("a", "n", "Running", Some(10), none())),
            (pod("b", "n", "Running", Some(10), costly("-5")), pod("a", "n", "Running", Some(900), none())),
            (pod("b", "n", "Running", Some(970), none()), pod("a", "full", "Running", Some(10), none())),
            (pod("b", "full", "Running", Some(10), none()), pod("a", "n", "Running", Some(10), none())),
            (pod("b", "n", "Running", Some(900), none()), pod("a", "n", "Running", Some(10), none())),
            (pod("b", "n", "Running", Some(10), restarted(3)), pod("a", "n", "Running", Some(10), none())),
            (
                pod("b", "n", "Running", Some(10), json!({"metadata": {"name": "b", "creationTimestamp": Time(900)}})),
                pod("a", "n", "Running", Some(10), none()),
            ),
            (pod("a", "n", "Running", Some(10), none()), pod("b", "n", "Running", Some(11), none())),
        ];
        let nodes = OnNode::from([("n", 1), ("full", 2)]);
        for (first, second) in &pairs {
            assert_eq!(compare(first, second, &nodes, 50, Time(1000)), Ordering::Less, "{first:?}\n{second:?}");
            assert_eq!(compare(second, first, &nodes, 50, Time(1000)), Ordering::Greater);
        }
    }
}
