//! Inter-pod affinity: which pods count for a term, and in which topology they lie.

use std::collections::BTreeMap;

use masthead_api::core::affinity::PodAffinityTerm;
use masthead_api::core::namespace::Namespace;
use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;

use crate::cluster::view::Cluster;
use crate::schedule::node_info::NodeInfo;

/// Whether a pod is one that `term`, written by `owner`, is about. What its label keys ask for was laid into its selector
/// when the pod was stored.
pub fn term_selects(cluster: &Cluster, term: &PodAffinityTerm, owner: &Pod, other: &Pod) -> bool {
    let Some(selector) = &term.label_selector else { return false };
    in_namespaces(cluster, term, owner, &other.metadata.namespace) && selector.matches(&other.metadata.labels)
}

fn in_namespaces(cluster: &Cluster, term: &PodAffinityTerm, owner: &Pod, namespace: &str) -> bool {
    if term.namespaces.is_empty() && term.namespace_selector.is_none() {
        return owner.metadata.namespace == namespace;
    }
    if term.namespaces.iter().any(|n| n == namespace) {
        return true;
    }
    let labels = cluster
        .get(&ObjectKey::new(Namespace::KIND, "", namespace))
        .map(|object| object.meta().labels.clone())
        .unwrap_or_default();
    term.namespace_selector.as_ref().is_some_and(|selector| selector.matches(&labels))
}

/// The required terms of a pod's affinity.
pub fn required(pod: &Pod) -> &[PodAffinityTerm] {
    let affinity = pod.spec.affinity.as_ref().and_then(|a| a.pod_affinity.as_ref());
    affinity.map_or(&[], |a| &a.required_during_scheduling_ignored_during_execution)
}

/// The required terms of a pod's anti-affinity.
pub fn forbidden(pod: &Pod) -> &[PodAffinityTerm] {
    let affinity = pod.spec.affinity.as_ref().and_then(|a| a.pod_anti_affinity.as_ref());
    affinity.map_or(&[], |a| &a.required_during_scheduling_ignored_during_execution)
}

/// How many pods each (topology key, value) holds, for one question about pods.
#[derive(Debug, Default)]
pub struct Places(BTreeMap<(String, String), i64>);

impl Places {
    /// Counts a pod on a node for a topology key; nodes without the label are no place.
    pub fn add(&mut self, key: &str, node: &NodeInfo, count: i64) {
        if let Some(value) = node.label(key) {
            *self.0.entry((key.to_owned(), value.to_owned())).or_default() += count;
        }
    }

    /// The count where a node lies.
    pub fn at(&self, key: &str, node: &NodeInfo) -> i64 {
        node.label(key).and_then(|value| self.0.get(&(key.to_owned(), value.to_owned()))).copied().unwrap_or(0)
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(|count| *count == 0)
    }
}
