//! Soft spread constraints, written or by default → a score of each possible node (`PodTopologySpread`).

use std::collections::BTreeMap;

use masthead_api::core::pod::{Pod, TopologySpreadConstraint};

use crate::cluster::view::Cluster;
use crate::schedule::node_info::NodeInfo;
use crate::schedule::score::scale::BEST;
use crate::schedule::spread::{self, HOSTNAME};

/// A soft constraint with the pods of each domain that a possible node lies in; for hosts each node is asked itself.
struct Soft<'c> {
    constraint: &'c TopologySpreadConstraint,
    domains: BTreeMap<&'c str, i64>,
    weight: f64,
}

/// Fewer pods of the same kind in the same domain are better; constraints by default when the pod has none.
pub fn scores(cluster: &Cluster, pod: &Pod, possible: &[&NodeInfo], all: &[&NodeInfo]) -> Vec<i64> {
    let own = !pod.spec.topology_spread_constraints.is_empty();
    let by_default = if own { Vec::new() } else { spread::default_constraints(cluster, pod) };
    let constraints = if own { spread::of_kind(pod, "ScheduleAnyway") } else { by_default.iter().collect::<Vec<_>>() };
    if constraints.is_empty() {
        return vec![0; possible.len()];
    }
    // A node without a zone is left out of constraints that somebody wrote.
    let takes_part = |node: &NodeInfo| !own || constraints.iter().all(|c| node.label(&c.topology_key).is_some());
    let soft: Vec<Soft<'_>> = constraints.iter().map(|c| soft(pod, c, possible, all, &takes_part)).collect();
    let raw: Vec<Option<i64>> =
        possible.iter().map(|node| takes_part(node).then(|| domain_scores(pod, &soft, node))).collect();
    let known = || raw.iter().copied().flatten();
    let (most, least) = (known().max().unwrap_or(0), known().min().unwrap_or(0));
    raw.iter()
        .map(|score| match score {
            None => 0,
            Some(_) if most <= 0 => BEST,
            Some(score) => BEST * (most + least - score) / most,
        })
        .collect()
}

fn soft<'c>(
    pod: &Pod,
    constraint: &'c TopologySpreadConstraint,
    possible: &[&'c NodeInfo],
    all: &[&'c NodeInfo],
    takes_part: &dyn Fn(&NodeInfo) -> bool,
) -> Soft<'c> {
    let mut domains: BTreeMap<&str, i64> = BTreeMap::new();
    let mut size = possible.iter().filter(|node| takes_part(node)).count();
    // Nodes without the label that take part all the same are one domain, which counts among them.
    let domain = |node: &'c NodeInfo| node.label(&constraint.topology_key).unwrap_or_default();
    if constraint.topology_key != HOSTNAME {
        domains.extend(possible.iter().filter(|node| takes_part(node)).map(|node| (domain(node), 0)));
        size = domains.len();
        // Pods on nodes that are full count too.
        for node in all.iter().filter(|node| takes_part(node) && spread::included(pod, constraint, node)) {
            if let Some(count) = domains.get_mut(domain(node)) {
                *count += spread::matching(pod, constraint, node);
            }
        }
    }
    let weight = float(i64::try_from(size).unwrap_or(i64::MAX).saturating_add(2)).ln();
    Soft { constraint, domains, weight }
}

fn domain_scores(pod: &Pod, soft: &[Soft<'_>], node: &NodeInfo) -> i64 {
    soft.iter().map(|soft| domain_score(pod, soft, node)).sum::<f64>().round() as i64
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

fn float(count: i64) -> f64 {
    count as f64
}
