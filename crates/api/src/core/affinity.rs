//! Affinity of pods to nodes and to each other.

use crate::meta::selector::LabelSelector;
use crate::schema::object::object;

object! {
    /// Rules that draw a pod to nodes and pods, or away from them.
    pub struct Affinity {
        node_affinity: Option<NodeAffinity> = "nodeAffinity", 1, [omitempty];
        pod_affinity: Option<PodAffinity> = "podAffinity", 2, [omitempty];
        pod_anti_affinity: Option<PodAntiAffinity> = "podAntiAffinity", 3, [omitempty];
    }

    /// Which nodes a pod needs or prefers.
    pub struct NodeAffinity {
        required_during_scheduling_ignored_during_execution: Option<NodeSelector> = "requiredDuringSchedulingIgnoredDuringExecution", 1, [omitempty];
        preferred_during_scheduling_ignored_during_execution: Vec<PreferredSchedulingTerm> = "preferredDuringSchedulingIgnoredDuringExecution", 2, [omitempty, list_atomic];
    }

    /// Terms of which one must match a node.
    pub struct NodeSelector {
        node_selector_terms: Vec<NodeSelectorTerm> = "nodeSelectorTerms", 1, [list_atomic];
    }

    /// Requirements that must all match a node.
    pub struct NodeSelectorTerm {
        match_expressions: Vec<NodeSelectorRequirement> = "matchExpressions", 1, [omitempty, list_atomic];
        match_fields: Vec<NodeSelectorRequirement> = "matchFields", 2, [omitempty, list_atomic];
    }

    /// One requirement on a label or field of a node.
    pub struct NodeSelectorRequirement {
        key: String = "key", 1, [];
        operator: String = "operator", 2, [go("v1.NodeSelectorOperator")];
        values: Vec<String> = "values", 3, [omitempty, list_atomic];
    }

    /// A term with the weight it adds to a node's score.
    pub struct PreferredSchedulingTerm {
        weight: i32 = "weight", 1, [];
        preference: NodeSelectorTerm = "preference", 2, [];
    }

    /// Which pods a pod needs or prefers near it.
    pub struct PodAffinity {
        required_during_scheduling_ignored_during_execution: Vec<PodAffinityTerm> = "requiredDuringSchedulingIgnoredDuringExecution", 1, [omitempty, list_atomic];
        preferred_during_scheduling_ignored_during_execution: Vec<WeightedPodAffinityTerm> = "preferredDuringSchedulingIgnoredDuringExecution", 2, [omitempty, list_atomic];
    }

    /// Which pods a pod must or would rather not have near it.
    pub struct PodAntiAffinity {
        required_during_scheduling_ignored_during_execution: Vec<PodAffinityTerm> = "requiredDuringSchedulingIgnoredDuringExecution", 1, [omitempty, list_atomic];
        preferred_during_scheduling_ignored_during_execution: Vec<WeightedPodAffinityTerm> = "preferredDuringSchedulingIgnoredDuringExecution", 2, [omitempty, list_atomic];
    }

    /// Pods, and the node label within which they count as near.
    pub struct PodAffinityTerm {
        label_selector: Option<LabelSelector> = "labelSelector", 1, [omitempty];
        namespaces: Vec<String> = "namespaces", 2, [omitempty, list_atomic];
        topology_key: String = "topologyKey", 3, [];
        namespace_selector: Option<LabelSelector> = "namespaceSelector", 4, [omitempty];
        match_label_keys: Vec<String> = "matchLabelKeys", 5, [omitempty, list_atomic];
        mismatch_label_keys: Vec<String> = "mismatchLabelKeys", 6, [omitempty, list_atomic];
    }

    /// A term with the weight it adds to a node's score.
    pub struct WeightedPodAffinityTerm {
        weight: i32 = "weight", 1, [];
        pod_affinity_term: PodAffinityTerm = "podAffinityTerm", 2, [];
    }
}
