//! Preferences about other pods → a score of each possible node (`InterPodAffinity`).

use std::collections::BTreeMap;

use masthead_api::core::affinity::PodAffinityTerm;
use masthead_api::core::pod::Pod;

use crate::cluster::view::Cluster;
use crate::schedule::near::{self, Places};
use crate::schedule::node_info::NodeInfo;
use crate::schedule::score::scale::spanned;

/// What a required term of another pod counts towards this one (`hardPodAffinityWeight`).
const REQUIRED_WEIGHT: i64 = 1;

/// Preferred terms of the pod towards others and of others towards it, from the worst node to the best.
pub fn scores(cluster: &Cluster, pod: &Pod, possible: &[&NodeInfo], all: &[&NodeInfo]) -> Vec<i64> {
    let mut keys: BTreeMap<&str, Places> = BTreeMap::new();
    for node in all {
        for other in &node.pods {
            let own = preferences(pod).filter(|(term, _)| near::term_selects(cluster, term, pod, other));
            let required = near::required(other).iter().map(|term| (term, REQUIRED_WEIGHT));
            let theirs = preferences(other).chain(required);
            let theirs = theirs.filter(|(term, _)| near::term_selects(cluster, term, other, pod));
            for (term, weight) in own.chain(theirs) {
                keys.entry(&term.topology_key).or_default().add(&term.topology_key, node, weight);
            }
        }
    }
    let raw = possible.iter().map(|node| keys.iter().map(|(key, places)| places.at(key, node)).sum()).collect();
    spanned(raw)
}

/// The preferred terms of a pod; those to keep away count against.
fn preferences(pod: &Pod) -> impl Iterator<Item = (&PodAffinityTerm, i64)> {
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
