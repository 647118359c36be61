//! A pod that fits nowhere → the node where it would if pods below it went, and which of them must go
//! (`DefaultPreemption`). There are no disruption budgets to keep.

use std::cmp::Reverse;
use std::sync::Arc;

use masthead_api::core::pod::Pod;
use masthead_api::core::pod_status::PodCondition;
use masthead_api::meta::Time;

use crate::schedule::filter::{Prepared, Rejection};
use crate::schedule::node_info::{NodeInfo, priority};
use crate::workload::pods;

/// Candidates that are enough to choose from, unless a tenth of the nodes is more.
const ENOUGH: usize = 100;

/// What is said of a node that no deletion makes possible.
const NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";
/// What is said of a node that has no pod below the one that waits.
const NO_VICTIMS: &str = "No preemption victims found for incoming pod";

const DISRUPTION_TARGET: &str = "DisruptionTarget";
const BY_SCHEDULER: &str = "PreemptionByScheduler";

/// Room that can be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The index of the node.
    pub node: usize,
    /// The pods that must go, the most important first.
    pub victims: Vec<Arc<Pod>>,
}

/// Finds the node where making room costs least: the lowest priority of what goes, then the fewest and lowest, then
/// the youngest.
///
/// # Errors
/// What is said of each node, when none can be made possible.
pub fn find(
    prepared: &Prepared<'_>,
    pod: &Pod,
    nodes: &[&NodeInfo],
    rejections: &[Rejection],
) -> Result<Candidate, Vec<String>> {
    let mut reasons = Vec::new();
    let mut candidates = Vec::new();
    let enough = ENOUGH.max(rejections.iter().filter(|rejection| rejection.resolvable).count() / 10);
    for (index, rejection) in rejections.iter().enumerate() {
        if !rejection.resolvable {
            reasons.push(NOT_HELPFUL.to_owned());
            continue;
        }
        if candidates.len() >= enough {
            break;
        }
        match victims(prepared, pod, nodes, index) {
            Ok(victims) => candidates.push(Candidate { node: index, victims }),
            Err(mut why) => reasons.append(&mut why),
        }
    }
    candidates.into_iter().min_by_key(|candidate| cost(&candidate.victims)).ok_or(reasons)
}

/// The pods of a node that must go: all below the one that waits, less those that may stay, the most important first.
fn victims(
    prepared: &Prepared<'_>,
    pod: &Pod,
    nodes: &[&NodeInfo],
    index: usize,
) -> Result<Vec<Arc<Pod>>, Vec<String>> {
    let is_below = |other: &Arc<Pod>| priority(other) < priority(pod);
    if !nodes[index].pods.iter().any(is_below) {
        return Err(vec![NO_VICTIMS.to_owned()]);
    }
    let (mut below, others): (Vec<_>, Vec<_>) = nodes[index].pods.iter().cloned().partition(is_below);
    let mut node = nodes[index].with_pods(others);
    prepared.admits_changed(pod, nodes, index, &node).map_err(|rejection| rejection.reasons)?;
    below.sort_by_key(|other| (Reverse(priority(other)), started(other), other.metadata.name.clone()));
    let mut victims = Vec::new();
    for other in below {
        let mut fuller = node.clone();
        fuller.add(other.clone());
        match prepared.admits_changed(pod, nodes, index, &fuller) {
            Ok(()) => node = fuller,
            Err(_) => victims.push(other),
        }
    }
    Ok(victims)
}

/// What is compared between nodes, the least is best. Every victim adds more to the sum than its priority can take away.
fn cost(victims: &[Arc<Pod>]) -> (i32, i64, Reverse<Time>) {
    let highest = victims.iter().map(|pod| priority(pod)).max().unwrap_or(i32::MIN);
    let sum = victims.iter().map(|pod| i64::from(priority(pod)) - i64::from(i32::MIN)).sum();
    let earliest = victims.iter().filter(|pod| priority(pod) == highest).map(|pod| started(pod)).min();
    (highest, sum, Reverse(earliest.unwrap_or(Time(i64::MAX))))
}

/// When the pod was started; one that was not yet counts as the youngest.
fn started(pod: &Pod) -> Time {
    pod.status.start_time.unwrap_or(Time(i64::MAX))
}

/// Whether pods below this one are on their way out of the node, to make room.
pub fn is_under_way(pod: &Pod, node: &NodeInfo) -> bool {
    node.pods.iter().any(|other| {
        priority(other) < priority(pod)
            && other.metadata.deletion_timestamp.is_some()
            && pods::condition(other, DISRUPTION_TARGET)
                .is_some_and(|condition| condition.status == "True" && condition.reason == BY_SCHEDULER)
    })
}

/// The condition that tells a victim why it goes.
pub fn disruption(scheduler: &str) -> PodCondition {
    PodCondition {
        type_: DISRUPTION_TARGET.to_owned(),
        status: "True".to_owned(),
        reason: BY_SCHEDULER.to_owned(),
        message: format!("{scheduler}: preempting to accommodate a higher priority pod"),
        ..PodCondition::default()
    }
}
