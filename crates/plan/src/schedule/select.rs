//! A pod and all nodes → the best node that is possible, or how room is made, or why there is none.

use std::collections::BTreeSet;

use masthead_api::core::pod::Pod;

use crate::cluster::view::Cluster;
use crate::schedule::filter::{Prepared, Rejection};
use crate::schedule::message;
use crate::schedule::node_info::NodeInfo;
use crate::schedule::node_match;
use crate::schedule::preempt::{self, Candidate};
use crate::schedule::score::total;

/// What becomes of a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It goes to a node.
    Assign(Assignment),
    /// It fits nowhere; the sentence for the condition and the event.
    Refuse(String),
    /// It fits nowhere before others go; the same sentence, shorter.
    Preempt(String, Candidate),
    /// Those that must go for it are on their way.
    Wait,
}

/// Where a pod goes, and why there.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The index of the node among those given.
    pub node: usize,
    /// The score that decided.
    pub score: i64,
    /// How many nodes were possible.
    pub possible: usize,
}

/// Chooses a node: the one that others have left for this pod, else the best; of equal ones that with the fewest pods,
/// then the first by name.
pub fn select(cluster: &Cluster, pod: &Pod, nodes: &[NodeInfo]) -> Decision {
    if nodes.is_empty() {
        return Decision::Refuse(message::NO_NODES.to_owned());
    }
    let nodes: Vec<&NodeInfo> = nodes.iter().collect();
    let named = node_match::named(pod);
    let prepared = Prepared::new(cluster, pod, &nodes);
    if named.as_ref().is_some_and(BTreeSet::is_empty) {
        let rejections = vec![Rejection { reasons: Vec::new(), resolvable: false }; nodes.len()];
        return refuse(&prepared, pod, &nodes, &rejections, message::CONFLICT);
    }
    let mut possible = Vec::new();
    let mut rejections: Vec<Rejection> = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        if named.as_ref().is_some_and(|named| !named.contains(node.name())) {
            rejections.push(Rejection { reasons: vec![message::NOT_NAMED.to_owned()], resolvable: false });
            continue;
        }
        match prepared.admits(pod, &nodes, index) {
            Ok(()) => possible.push(index),
            Err(rejection) => rejections.push(rejection),
        }
    }
    if possible.is_empty() {
        return refuse(&prepared, pod, &nodes, &rejections, &message::reasons(&rejections));
    }
    possible.iter().position(|index| nodes[*index].name() == pod.status.nominated_node_name).map_or_else(
        || best(cluster, pod, &nodes, &possible),
        |at| Decision::Assign(Assignment { node: possible[at], score: 0, possible: possible.len() }),
    )
}

fn best(cluster: &Cluster, pod: &Pod, nodes: &[&NodeInfo], possible: &[usize]) -> Decision {
    let candidates: Vec<&NodeInfo> = possible.iter().map(|index| nodes[*index]).collect();
    let scores = total::total(cluster, pod, &candidates, nodes);
    let better = |a: &usize, b: &usize| {
        scores[*a]
            .cmp(&scores[*b])
            .then_with(|| candidates[*b].pods.len().cmp(&candidates[*a].pods.len()))
            .then_with(|| candidates[*b].name().cmp(candidates[*a].name()))
    };
    // There is at least one candidate.
    let best = (0..candidates.len()).max_by(better).unwrap_or(0);
    Decision::Assign(Assignment { node: possible[best], score: scores[best], possible: possible.len() })
}

/// `rejections` are those of all nodes, in their order.
fn refuse(
    prepared: &Prepared<'_>,
    pod: &Pod,
    nodes: &[&NodeInfo],
    rejections: &[Rejection],
    reasons: &str,
) -> Decision {
    let total = nodes.len();
    if !message::may_preempt(pod) {
        return Decision::Refuse(message::unschedulable(total, reasons, &[], pod));
    }
    let nominated = &pod.status.nominated_node_name;
    let waits = |(node, rejection): (&&NodeInfo, &Rejection)| {
        node.name() == nominated && rejection.resolvable && preempt::is_under_way(pod, node)
    };
    if !nominated.is_empty() && nodes.iter().zip(rejections).any(waits) {
        return Decision::Wait;
    }
    match preempt::find(prepared, pod, nodes, rejections) {
        Ok(candidate) => Decision::Preempt(message::unavailable(total, reasons), candidate),
        Err(said) => Decision::Refuse(message::unschedulable(total, reasons, &said, pod)),
    }
}
