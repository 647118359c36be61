//! A pod and all nodes → the best node that is possible, or why there is none.

use std::collections::BTreeSet;

use masthead_api::core::pod::Pod;

use crate::cluster::view::Cluster;
use crate::schedule::filter::{Prepared, Rejection};
use crate::schedule::message;
use crate::schedule::node_info::NodeInfo;
use crate::schedule::node_match;
use crate::schedule::score;

/// Where a pod goes, and why there.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The index of the node among those given.
    pub node: usize,
    /// The score that decided.
    pub score: f64,
    /// How many nodes were possible.
    pub possible: usize,
}

/// Chooses a node; of equal ones that with the fewest pods, then the first by name.
///
/// # Errors
/// The sentence for the condition and the event, when no node is possible.
pub fn select(cluster: &Cluster, pod: &Pod, nodes: &[NodeInfo]) -> Result<Assignment, String> {
    let named = node_match::named(pod);
    if !nodes.is_empty() && named.as_ref().is_some_and(BTreeSet::is_empty) {
        return Err(message::conflict(nodes.len(), pod));
    }
    let prepared = Prepared::new(cluster, pod, nodes);
    let mut possible = Vec::new();
    let mut rejections: Vec<Rejection> = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        if named.as_ref().is_some_and(|named| !named.contains(node.name())) {
            rejections.push(Rejection { reasons: vec![message::NOT_NAMED.to_owned()], resolvable: false });
            continue;
        }
        match prepared.check(pod, node) {
            Ok(()) => possible.push(index),
            Err(rejection) => rejections.push(rejection),
        }
    }
    if possible.is_empty() {
        return Err(message::unschedulable(&rejections, pod));
    }
    let candidates: Vec<&NodeInfo> = possible.iter().map(|index| &nodes[*index]).collect();
    let scores = score::total(cluster, pod, &candidates, nodes);
    let better = |a: &usize, b: &usize| {
        scores[*a]
            .total_cmp(&scores[*b])
            .then_with(|| candidates[*b].pods.len().cmp(&candidates[*a].pods.len()))
            .then_with(|| candidates[*b].name().cmp(candidates[*a].name()))
    };
    // There is at least one candidate.
    let best = (0..candidates.len()).max_by(better).unwrap_or(0);
    Ok(Assignment { node: possible[best], score: scores[best], possible: possible.len() })
}
