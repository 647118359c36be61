//! Topology spread constraints: matching pods per domain, and the skew that one more would make.

use std::collections::BTreeMap;

use masthead_api::apps::replica_set::ReplicaSet;
use masthead_api::core::pod::{Pod, TopologySpreadConstraint};
use masthead_api::core::service::Service;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::meta::selector::LabelSelector;

use crate::cluster::view::Cluster;
use crate::schedule::node_info::NodeInfo;
use crate::schedule::node_match;
use crate::service::claims;
use crate::workload::pods::controller;

/// The label of a node's own name.
pub const HOSTNAME: &str = "kubernetes.io/hostname";
/// The label of a node's zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";

/// A constraint with its counts.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The node label whose values are the domains.
    pub key: String,
    /// The most by which a domain may be above the emptiest.
    pub max_skew: i64,
    /// Matching pods by domain; only domains of nodes that take part.
    pub domains: BTreeMap<String, i64>,
    /// The least number of domains, below which the emptiest counts as 0.
    pub min_domains: i64,
    /// 1 when the pod itself matches.
    pub own: i64,
}

impl Counted {
    /// The skew in a domain once the pod is there.
    pub fn skew(&self, domain: &str) -> i64 {
        let count = self.domains.get(domain).copied().unwrap_or(0);
        let enough = i64::try_from(self.domains.len()).unwrap_or(i64::MAX) >= self.min_domains;
        let least = if enough { self.domains.values().min().copied().unwrap_or(0) } else { 0 };
        count + self.own - least
    }
}

/// The pod's constraints of one kind (`DoNotSchedule` or `ScheduleAnyway`).
pub fn of_kind<'p>(pod: &'p Pod, action: &str) -> Vec<&'p TopologySpreadConstraint> {
    pod.spec.topology_spread_constraints.iter().filter(|c| c.when_unsatisfiable == action).collect()
}

/// The pod's hard constraints, counted over `nodes`.
pub fn counted(pod: &Pod, nodes: &[&NodeInfo]) -> Vec<Counted> {
    let constraints = of_kind(pod, "DoNotSchedule");
    let keys: Vec<&str> = constraints.iter().map(|c| c.topology_key.as_str()).collect();
    constraints.iter().map(|constraint| count(pod, constraint, &keys, nodes)).collect()
}

/// Whether a constraint is about a pod. What its label keys ask for was laid into its selector when its pod was stored.
fn selects(constraint: &TopologySpreadConstraint, pod: &Pod) -> bool {
    constraint.label_selector.as_ref().is_some_and(|selector| selector.matches(&pod.metadata.labels))
}

fn count(pod: &Pod, constraint: &TopologySpreadConstraint, keys: &[&str], nodes: &[&NodeInfo]) -> Counted {
    let mut domains: BTreeMap<String, i64> = BTreeMap::new();
    for node in nodes {
        // A node takes part when it has all topology keys and its policies let it.
        if !keys.iter().all(|key| node.label(key).is_some()) || !included(pod, constraint, node) {
            continue;
        }
        let Some(domain) = node.label(&constraint.topology_key) else { continue };
        *domains.entry(domain.to_owned()).or_default() += matching(pod, constraint, node);
    }
    Counted {
        key: constraint.topology_key.clone(),
        max_skew: i64::from(constraint.max_skew),
        domains,
        min_domains: i64::from(constraint.min_domains.unwrap_or(1)),
        own: i64::from(selects(constraint, pod)),
    }
}

/// Whether a constraint's policies let a node take part.
pub fn included(pod: &Pod, constraint: &TopologySpreadConstraint, node: &NodeInfo) -> bool {
    let affinity =
        constraint.node_affinity_policy.as_deref() == Some("Ignore") || node_match::selected(pod, &node.node);
    let taints =
        constraint.node_taints_policy.as_deref() != Some("Honor") || node_match::untolerated(pod, &node.node).is_none();
    affinity && taints
}

/// The pods on a node that a constraint is about. One that selects everything counts nothing, as in Kubernetes.
pub fn matching(pod: &Pod, constraint: &TopologySpreadConstraint, node: &NodeInfo) -> i64 {
    if constraint.label_selector.as_ref().is_some_and(LabelSelector::is_empty) {
        return 0;
    }
    let counts = |other: &&std::sync::Arc<Pod>| {
        other.metadata.namespace == pod.metadata.namespace
            && other.metadata.deletion_timestamp.is_none()
            && selects(constraint, other)
    };
    i64::try_from(node.pods.iter().filter(counts).count()).unwrap_or(i64::MAX)
}

/// The constraints that a pod has by default (`system` defaulting of PodTopologySpread), over hosts, then zones: of pods
/// that the same services and replica set select.
pub fn default_constraints(cluster: &Cluster, pod: &Pod) -> Vec<TopologySpreadConstraint> {
    let selector = default_selector(cluster, pod);
    if selector.is_empty() {
        return Vec::new();
    }
    [(HOSTNAME, 3), (ZONE, 5)]
        .into_iter()
        .map(|(key, max_skew)| TopologySpreadConstraint {
            max_skew,
            topology_key: key.to_owned(),
            when_unsatisfiable: "ScheduleAnyway".to_owned(),
            label_selector: Some(selector.clone()),
            ..TopologySpreadConstraint::default()
        })
        .collect()
}

fn default_selector(cluster: &Cluster, pod: &Pod) -> LabelSelector {
    let meta = &pod.metadata;
    let set = controller(pod).filter(|owner| owner.kind == ReplicaSet::KIND.info().kind).and_then(|owner| {
        let key = ObjectKey::new(ReplicaSet::KIND, meta.namespace.clone(), owner.name.clone());
        cluster.typed::<ReplicaSet>(&key)
    });
    let mut selector = set.and_then(|set| set.spec.selector.clone()).unwrap_or_default();
    for (key, value) in &meta.labels {
        for object in cluster.services_with(&claims::selects(&meta.namespace, key, value)) {
            let Ok(service) = object.typed::<Service>() else { continue };
            if service.spec.selector.iter().all(|(key, value)| meta.labels.get(key) == Some(value)) {
                selector.match_labels.extend(service.spec.selector.clone());
            }
        }
    }
    selector
}
