//! Nodes that are possible → a score each, by Kubernetes' default plugins and their weights.

use masthead_api::core::node::Taint;
use masthead_api::core::pod::{Pod, Toleration};

use crate::cluster::view::Cluster;
use crate::schedule::node_info::NodeInfo;
use crate::schedule::node_match;
use crate::schedule::request;
use crate::schedule::score::scale::{BEST, reversed, scaled};
use crate::schedule::score::{image, near, resources, spread};

/// The weights of the default profile; those of resources and images are 1.
const TAINTS: i64 = 3;
const NODE_AFFINITY: i64 = 2;
const SPREAD: i64 = 2;
const POD_AFFINITY: i64 = 2;

/// The total score of each possible node, in their order. `all` are the nodes before filtering, whose pods count for
/// affinity.
pub fn total(cluster: &Cluster, pod: &Pod, possible: &[&NodeInfo], all: &[&NodeInfo]) -> Vec<i64> {
    let asked = request::of(pod);
    let nonzero = request::nonzero(pod);
    let taints = reversed(possible.iter().map(|node| disliked_taints(pod, node)).collect());
    let affinity = scaled(possible.iter().map(|node| preferred_terms(pod, node)).collect());
    let near = near::scores(cluster, pod, possible, all);
    let spread = spread::scores(cluster, pod, possible, all);
    let images = image::scores(pod, possible, all);
    (0..possible.len())
        .map(|i| {
            taints[i] * TAINTS
                + affinity[i] * NODE_AFFINITY
                + near[i] * POD_AFFINITY
                + spread[i] * SPREAD
                + images[i]
                + resources::least_allocated(possible[i], &nonzero)
                + resources::balanced(possible[i], &asked)
        })
        .collect()
}

fn disliked_taints(pod: &Pod, node: &NodeInfo) -> i64 {
    let is_soft = |effect: &str| effect == "PreferNoSchedule";
    let fits = |t: &&Toleration| t.effect.is_empty() || is_soft(&t.effect);
    let tolerated = |taint: &Taint| pod.spec.tolerations.iter().filter(fits).any(|t| node_match::tolerates(t, taint));
    let disliked = node.node.spec.taints.iter().filter(|taint| is_soft(&taint.effect) && !tolerated(taint)).count();
    i64::try_from(disliked).unwrap_or(i64::MAX / BEST)
}

fn preferred_terms(pod: &Pod, node: &NodeInfo) -> i64 {
    let affinity = pod.spec.affinity.as_ref().and_then(|a| a.node_affinity.as_ref());
    let terms = affinity.map_or(&[][..], |a| &a.preferred_during_scheduling_ignored_during_execution);
    let fitting = terms.iter().filter(|term| node_match::term_matches(&term.preference, &node.node));
    fitting.map(|term| i64::from(term.weight)).sum()
}
