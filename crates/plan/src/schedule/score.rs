//! Nodes that are possible → a score each, by Kubernetes' default plugins and their weights.

use std::collections::BTreeMap;

use masthead_api::core::pod::{Pod, TopologySpreadConstraint};

use crate::cluster::view::Cluster;
use crate::schedule::near::{self, Places};
use crate::schedule::node_info::NodeInfo;
use crate::schedule::node_match;
use crate::schedule::request::{self, Amounts};
use crate::schedule::spread::{self, HOSTNAME};

/// The best score a plugin gives.
const BEST: f64 = 100.0;

/// The weights of the default profile.
const TAINTS: f64 = 3.0;
const NODE_AFFINITY: f64 = 2.0;
const SPREAD: f64 = 2.0;
const POD_AFFINITY: f64 = 2.0;
const LEAST_ALLOCATED: f64 = 1.0;
const BALANCED: f64 = 1.0;

/// The total score of each possible node, in their order. `all` are the nodes before filtering, whose pods count for
/// affinity.
pub fn total(cluster: &Cluster, pod: &Pod, possible: &[&NodeInfo], all: &[NodeInfo]) -> Vec<f64> {
    let asked = request::of(pod);
    let nonzero = request::nonzero(pod);
    let taints = reversed(each(possible, |node| disliked_taints(pod, node)));
    let affinity = scaled(each(possible, |node| preferred_terms(pod, node)));
    let near = spanned(pod_affinity(cluster, pod, possible, all));
    let spread = spread_scores(cluster, pod, possible, all);
    (0..possible.len())
        .map(|i| {
            let node = possible[i];
            taints[i] * TAINTS
                + affinity[i] * NODE_AFFINITY
                + near[i] * POD_AFFINITY
                + spread[i] * SPREAD
                + least_allocated(node, &nonzero) * LEAST_ALLOCATED
                + balanced(node, &asked) * BALANCED
        })
        .collect()
}

fn each(nodes: &[&NodeInfo], score: impl Fn(&NodeInfo) -> f64) -> Vec<f64> {
    nodes.iter().map(|node| score(node)).collect()
}

/// Raw scores as shares of the highest.
fn scaled(raw: Vec<f64>) -> Vec<f64> {
    let most = raw.iter().copied().fold(0.0, f64::max);
    raw.into_iter().map(|score| if most > 0.0 { (score * BEST / most).floor() } else { 0.0 }).collect()
}

/// As [`scaled`], where less is better.
fn reversed(raw: Vec<f64>) -> Vec<f64> {
    scaled(raw).into_iter().map(|score| BEST - score).collect()
}

/// Raw scores spread from the lowest to the highest.
fn spanned(raw: Vec<f64>) -> Vec<f64> {
    let most = raw.iter().copied().fold(f64::MIN, f64::max);
    let least = raw.iter().copied().fold(f64::MAX, f64::min);
    raw.into_iter()
        .map(|score| if most > least { ((score - least) * BEST / (most - least)).floor() } else { 0.0 })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts and amounts are far below 2^52")]
fn float(amount: i64) -> f64 {
    amount as f64
}

fn disliked_taints(pod: &Pod, node: &NodeInfo) -> f64 {
    let soft = |t: &&masthead_api::core::node::Taint| t.effect == "PreferNoSchedule";
    let tolerated = |taint: &masthead_api::core::node::Taint| {
        let fits = |t: &&masthead_api::core::pod::Toleration| t.effect.is_empty() || t.effect == "PreferNoSchedule";
        pod.spec.tolerations.iter().filter(fits).any(|t| node_match::tolerates(t, taint))
    };
    node.node.spec.taints.iter().filter(soft).filter(|taint| !tolerated(taint)).count() as f64
}

fn preferred_terms(pod: &Pod, node: &NodeInfo) -> f64 {
    let affinity = pod.spec.affinity.as_ref().and_then(|a| a.node_affinity.as_ref());
    let terms = affinity.map_or(&[][..], |a| &a.preferred_during_scheduling_ignored_during_execution);
    terms
        .iter()
        .filter(|term| node_match::term_matches(&term.preference, &node.node))
        .map(|term| f64::from(term.weight))
        .sum()
}

/// The share of CPU and memory that stays free.
fn least_allocated(node: &NodeInfo, asked: &Amounts) -> f64 {
    let free = |resource: &str| -> Option<f64> {
        let allocatable = node.allocatable(resource);
        let used = node.nonzero.get(resource).copied().unwrap_or(0) + asked.get(resource).copied().unwrap_or(0);
        (allocatable > 0).then(|| {
            if used > allocatable { 0.0 } else { (float(allocatable - used) * BEST / float(allocatable)).floor() }
        })
    };
    let scores: Vec<f64> = ["cpu", "memory"].into_iter().filter_map(free).collect();
    if scores.is_empty() { 0.0 } else { (scores.iter().sum::<f64>() / float(scores.len() as i64)).floor() }
}

/// How alike the used shares of CPU and memory are; pods that ask for nothing change neither.
fn balanced(node: &NodeInfo, asked: &Amounts) -> f64 {
    if asked.values().all(|amount| *amount == 0) {
        return 0.0;
    }
    let share = |resource: &str| {
        let allocatable = node.allocatable(resource);
        let used = node.requested(resource) + asked.get(resource).copied().unwrap_or(0);
        (allocatable > 0).then(|| (float(used) / float(allocatable)).min(1.0))
    };
    match (share("cpu"), share("memory")) {
        (Some(cpu), Some(memory)) => ((1.0 - (cpu - memory).abs() / 2.0) * BEST).floor(),
        _ => BEST,
    }
}

/// Preferred terms of the pod towards others and of others towards it; required terms of others count as 1.
fn pod_affinity(cluster: &Cluster, pod: &Pod, possible: &[&NodeInfo], all: &[NodeInfo]) -> Vec<f64> {
    let mut keys: BTreeMap<String, Places> = BTreeMap::new();
    let mut add =
        |key: &str, node: &NodeInfo, weight: i64| keys.entry(key.to_owned()).or_default().add(key, node, weight);
    for node in all {
        for other in &node.pods {
            for (term, weight) in preferences(pod) {
                if near::term_selects(cluster, term, pod, other) {
                    add(&term.topology_key, node, weight);
                }
            }
            for (term, weight) in preferences(other).chain(near::required(other).iter().map(|term| (term, 1))) {
                if near::term_selects(cluster, term, other, pod) {
                    add(&term.topology_key, node, weight);
                }
            }
        }
    }
    possible.iter().map(|node| float(keys.iter().map(|(key, places)| places.at(key, node)).sum())).collect()
}

fn preferences(pod: &Pod) -> impl Iterator<Item = (&masthead_api::core::affinity::PodAffinityTerm, i64)> {
    let affinity = pod.spec.affinity.as_ref();
    let near = affinity
        .and_then(|a| a.pod_affinity.as_ref())
        .map_or(&[][..], |a| &a.preferred_during_scheduling_ignored_during_execution);
    let far = affinity
        .and_then(|a| a.pod_anti_affinity.as_ref())
        .map_or(&[][..], |a| &a.preferred_during_scheduling_ignored_during_execution);
    near.iter()
        .map(|t| (&t.pod_affinity_term, i64::from(t.weight)))
        .chain(far.iter().map(|t| (&t.pod_affinity_term, -i64::from(t.weight))))
}

/// A soft constraint with the pods of each domain that a possible node lies in; for hosts each node is asked itself.
struct Soft<'c> {
    constraint: &'c TopologySpreadConstraint,
    domains: BTreeMap<&'c str, i64>,
    weight: f64,
}

/// Fewer pods of the same kind in the same domain are better; constraints by default when the pod has none.
fn spread_scores(cluster: &Cluster, pod: &Pod, possible: &[&NodeInfo], all: &[NodeInfo]) -> Vec<f64> {
    let own = !pod.spec.topology_spread_constraints.is_empty();
    let by_default = if own { Vec::new() } else { spread::default_constraints(cluster, pod) };
    let constraints = if own { spread::of_kind(pod, "ScheduleAnyway") } else { by_default.iter().collect::<Vec<_>>() };
    if constraints.is_empty() {
        return vec![0.0; possible.len()];
    }
    // A node without a zone is left out of constraints that somebody wrote.
    let takes_part = |node: &NodeInfo| !own || constraints.iter().all(|c| node.label(&c.topology_key).is_some());
    let soft: Vec<Soft<'_>> = constraints.iter().map(|c| soft(pod, c, possible, all, &takes_part)).collect();
    let raw: Vec<Option<f64>> = possible
        .iter()
        .map(|node| {
            takes_part(node).then(|| soft.iter().map(|soft| domain_score(pod, soft, node)).sum::<f64>().round())
        })
        .collect();
    let known = || raw.iter().copied().flatten();
    let (most, least) = (known().fold(0.0, f64::max), known().fold(f64::MAX, f64::min));
    raw.iter()
        .map(|score| match score {
            None => 0.0,
            Some(_) if most <= 0.0 => BEST,
            Some(score) => (BEST * (most + least - score) / most).floor(),
        })
        .collect()
}

fn soft<'c>(
    pod: &Pod,
    constraint: &'c TopologySpreadConstraint,
    possible: &[&'c NodeInfo],
    all: &'c [NodeInfo],
    takes_part: &dyn Fn(&NodeInfo) -> bool,
) -> Soft<'c> {
    let mut domains: BTreeMap<&str, i64> = BTreeMap::new();
    let mut size = possible.iter().filter(|node| takes_part(node)).count();
    if constraint.topology_key != HOSTNAME {
        let labels = possible.iter().filter(|node| takes_part(node)).filter_map(|n| n.label(&constraint.topology_key));
        domains.extend(labels.map(|domain| (domain, 0)));
        size = domains.len();
        // Pods on nodes that are full count too.
        for node in all.iter().filter(|node| takes_part(node) && spread::included(pod, constraint, node)) {
            if let Some(count) = node.label(&constraint.topology_key).and_then(|domain| domains.get_mut(domain)) {
                *count += spread::matching(pod, constraint, node);
            }
        }
    }
    let weight = float(i64::try_from(size).unwrap_or(i64::MAX).saturating_add(2)).ln();
    Soft { constraint, domains, weight }
}

fn domain_score(pod: &Pod, soft: &Soft<'_>, node: &NodeInfo) -> f64 {
    let Some(domain) = node.label(&soft.constraint.topology_key) else { return 0.0 };
    let count = if soft.constraint.topology_key == HOSTNAME {
        spread::matching(pod, soft.constraint, node)
    } else {
        soft.domains.get(domain).copied().unwrap_or(0)
    };
    float(count) * soft.weight + float(i64::from(soft.constraint.max_skew) - 1)
}
