//! A node's labels, name and taints against what a pod selects and tolerates.

use std::collections::BTreeSet;

use masthead_api::core::affinity::{NodeSelectorRequirement, NodeSelectorTerm};
use masthead_api::core::node::{Node, Taint};
use masthead_api::core::pod::{Pod, Toleration};

/// Whether a node is one that the pod's node selector and required node affinity allow.
pub fn selected(pod: &Pod, node: &Node) -> bool {
    let labels = &node.metadata.labels;
    if !pod.spec.node_selector.iter().all(|(key, value)| labels.get(key) == Some(value)) {
        return false;
    }
    let affinity = pod.spec.affinity.as_ref().and_then(|a| a.node_affinity.as_ref());
    match affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref()) {
        Some(required) => required.node_selector_terms.iter().any(|term| term_matches(term, node)),
        None => true,
    }
}

/// Whether all requirements of a term hold; a term without any matches nothing.
pub fn term_matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    if term.match_expressions.is_empty() && term.match_fields.is_empty() {
        return false;
    }
    term.match_expressions.iter().all(|r| requirement_matches(r, node.metadata.labels.get(&r.key).map(String::as_str)))
        && term
            .match_fields
            .iter()
            .all(|r| requirement_matches(r, (r.key == "metadata.name").then_some(node.metadata.name.as_str())))
}

/// The names of nodes that required affinity leaves, where each of its terms names some; none of them where terms
/// contradict themselves.
pub fn named(pod: &Pod) -> Option<BTreeSet<&str>> {
    let affinity = pod.spec.affinity.as_ref()?.node_affinity.as_ref()?;
    let required = affinity.required_during_scheduling_ignored_during_execution.as_ref()?;
    let mut all: Option<BTreeSet<&str>> = None;
    for term in &required.node_selector_terms {
        let mut of_term: Option<BTreeSet<&str>> = None;
        for requirement in term.match_fields.iter().filter(|r| r.key == "metadata.name" && r.operator == "In") {
            let names: BTreeSet<&str> = requirement.values.iter().map(String::as_str).collect();
            of_term =
                Some(of_term.map_or_else(|| names.clone(), |known| known.intersection(&names).copied().collect()));
        }
        all.get_or_insert_default().extend(of_term?);
    }
    all
}

fn requirement_matches(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = &requirement.values;
    let compare = |wanted: fn(i64, i64) -> bool| {
        let (Some(value), [bound]) = (value, values.as_slice()) else { return false };
        matches!((value.parse::<i64>(), bound.parse::<i64>()), (Ok(value), Ok(bound)) if wanted(value, bound))
    };
    match requirement.operator.as_str() {
        "In" => value.is_some_and(|v| values.iter().any(|w| w == v)),
        "NotIn" => value.is_none_or(|v| !values.iter().any(|w| w == v)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compare(|value, bound| value > bound),
        "Lt" => compare(|value, bound| value < bound),
        _ => false,
    }
}

/// Whether a toleration covers a taint.
pub fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    if !toleration.effect.is_empty() && toleration.effect != taint.effect {
        return false;
    }
    if !toleration.key.is_empty() && toleration.key != taint.key {
        return false;
    }
    match toleration.operator.as_str() {
        "" | "Equal" => toleration.value == taint.value,
        "Exists" => true,
        _ => false,
    }
}

/// The first taint that keeps the pod off: `NoSchedule` or `NoExecute`, and not tolerated.
pub fn untolerated<'n>(pod: &Pod, node: &'n Node) -> Option<&'n Taint> {
    let hard = |taint: &&Taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute");
    node.spec.taints.iter().filter(hard).find(|taint| !pod.spec.tolerations.iter().any(|t| tolerates(t, taint)))
}
