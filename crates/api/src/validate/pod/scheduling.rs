//! What decides where a pod runs (affinity, tolerations, spread, gates) to faults.

use std::collections::BTreeSet;

use crate::core::affinity::{
    Affinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, WeightedPodAffinityTerm,
};
use crate::core::pod::{PodSchedulingGate, Toleration, TopologySpreadConstraint};
use crate::meta::selector::LabelSelector;
use crate::validate::error::Errors;
use crate::validate::name;
use crate::validate::path::Path;
use crate::validate::selector::{validate_label_name, validate_selector};

const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Affinity to nodes and pods.
pub fn validate_affinity(path: &Path<'_>, affinity: &Affinity, errors: &mut Errors) {
    let (required, preferred) =
        ("requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution");
    if let Some(node) = &affinity.node_affinity {
        let at = path.child("nodeAffinity");
        if let Some(selector) = &node.required_during_scheduling_ignored_during_execution {
            validate_node_selector(&at.child(required), selector, errors);
        }
        let at = at.child(preferred);
        for (i, term) in node.preferred_during_scheduling_ignored_during_execution.iter().enumerate() {
            let at = at.index(i);
            validate_weight(&at, term.weight, errors);
            validate_term(&at.child("preference"), &term.preference, true, errors);
        }
    }
    let pods = |at: &Path<'_>, hard: &[PodAffinityTerm], soft: &[WeightedPodAffinityTerm], errors: &mut Errors| {
        let hard_at = at.child(required);
        for (i, term) in hard.iter().enumerate() {
            validate_pod_term(&hard_at.index(i), term, errors);
        }
        let soft_at = at.child(preferred);
        for (i, term) in soft.iter().enumerate() {
            let at = soft_at.index(i);
            validate_weight(&at, term.weight, errors);
            validate_pod_term(&at.child("podAffinityTerm"), &term.pod_affinity_term, errors);
        }
    };
    if let Some(near) = &affinity.pod_affinity {
        pods(
            &path.child("podAffinity"),
            &near.required_during_scheduling_ignored_during_execution,
            &near.preferred_during_scheduling_ignored_during_execution,
            errors,
        );
    }
    if let Some(apart) = &affinity.pod_anti_affinity {
        pods(
            &path.child("podAntiAffinity"),
            &apart.required_during_scheduling_ignored_during_execution,
            &apart.preferred_during_scheduling_ignored_during_execution,
            errors,
        );
    }
}

fn validate_weight(path: &Path<'_>, weight: i32, errors: &mut Errors) {
    if !(1..=100).contains(&weight) {
        errors.invalid(&path.child("weight"), &weight, "must be in the range 1-100");
    }
}

fn validate_node_selector(path: &Path<'_>, selector: &NodeSelector, errors: &mut Errors) {
    let terms = path.child("nodeSelectorTerms");
    if selector.node_selector_terms.is_empty() {
        errors.required(&terms, "must have at least one node selector term");
    }
    for (i, term) in selector.node_selector_terms.iter().enumerate() {
        validate_term(&terms.index(i), term, false, errors);
    }
}

/// One term; a preference may name values that no label can have.
fn validate_term(path: &Path<'_>, term: &NodeSelectorTerm, preference: bool, errors: &mut Errors) {
    let expressions = path.child("matchExpressions");
    for (i, requirement) in term.match_expressions.iter().enumerate() {
        validate_node_requirement(&expressions.index(i), requirement, preference, errors);
    }
    let fields = path.child("matchFields");
    for (i, requirement) in term.match_fields.iter().enumerate() {
        validate_field_requirement(&fields.index(i), requirement, errors);
    }
}

fn validate_node_requirement(path: &Path<'_>, r: &NodeSelectorRequirement, preference: bool, errors: &mut Errors) {
    let values = path.child("values");
    match r.operator.as_str() {
        "In" | "NotIn" => {
            if r.values.is_empty() {
                errors.required(&values, "must be specified when `operator` is 'In' or 'NotIn'");
            }
        }
        "Exists" | "DoesNotExist" => {
            if !r.values.is_empty() {
                errors.forbidden(&values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
        }
        "Gt" | "Lt" => {
            if r.values.len() != 1 {
                errors.required(&values, "must be specified single value when `operator` is 'Lt' or 'Gt'");
            }
        }
        other => errors.invalid_named(&path.child("operator"), other, "not a valid selector operator"),
    }
    validate_label_name(&path.child("key"), &r.key, errors);
    if !preference {
        for (i, value) in r.values.iter().enumerate() {
            errors.invalid_each(&values.index(i), value, name::label_value(value));
        }
    }
}

fn validate_field_requirement(path: &Path<'_>, r: &NodeSelectorRequirement, errors: &mut Errors) {
    let values = path.child("values");
    if ["In", "NotIn"].contains(&r.operator.as_str()) {
        if r.values.len() != 1 {
            let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            errors.required(&values, detail);
        }
    } else {
        errors.invalid_named(&path.child("operator"), &r.operator, "not a valid selector operator");
    }
    if r.key != "metadata.name" {
        return errors.invalid(&path.child("key"), &r.key, "not a valid field selector key");
    }
    for (i, value) in r.values.iter().enumerate() {
        errors.invalid_each(&values.index(i), value, name::dns_subdomain(value));
    }
}

fn validate_pod_term(path: &Path<'_>, term: &PodAffinityTerm, errors: &mut Errors) {
    validate_selector(&path.child("labelSelector"), term.label_selector.as_ref(), errors);
    validate_selector(&path.child("namespaceSelector"), term.namespace_selector.as_ref(), errors);
    for namespace in &term.namespaces {
        errors.invalid_each(&path.child("namespace"), namespace, name::dns_label(namespace));
    }
    let selector = term.label_selector.as_ref();
    validate_label_keys(path, &term.match_label_keys, &term.mismatch_label_keys, selector, errors);
    let topology = path.child("topologyKey");
    if term.topology_key.is_empty() {
        errors.required(&topology, "can not be empty");
    }
    validate_label_name(&topology, &term.topology_key, errors);
}

/// Keys of labels whose values the pod's own are taken for: of terms that have a selector, each named once.
fn validate_label_keys(
    path: &Path<'_>,
    matched: &[String],
    mismatched: &[String],
    selector: Option<&LabelSelector>,
    errors: &mut Errors,
) {
    for (field, keys) in [("matchLabelKeys", matched), ("mismatchLabelKeys", mismatched)] {
        let at = path.child(field);
        if !keys.is_empty() && selector.is_none() {
            errors.forbidden(&at, "must not be specified when labelSelector is not set");
        } else {
            for (i, key) in keys.iter().enumerate() {
                validate_label_name(&at.index(i), key, errors);
            }
        }
    }
    if let Some(selector) = selector {
        let mut seen: BTreeSet<&str> = selector.match_labels.keys().map(String::as_str).collect();
        for requirement in &selector.match_expressions {
            let key = requirement.key.as_str();
            // The selector has been given one requirement for each key by then, so that a second one is the user's.
            if let Some(i) = matched.iter().rposition(|k| k == key)
                && seen.contains(key)
            {
                errors.invalid(&path.index(i), key, "exists in both matchLabelKeys and labelSelector");
            }
            seen.insert(key);
        }
    }
    let at = path.child("matchLabelKeys");
    for (i, key) in matched.iter().enumerate() {
        if mismatched.contains(key) {
            errors.invalid(&at.index(i), key, "exists in both matchLabelKeys and mismatchLabelKeys");
        }
    }
}

/// Tolerations of taints.
pub fn validate_tolerations(path: &Path<'_>, tolerations: &[Toleration], errors: &mut Errors) {
    for (i, t) in tolerations.iter().enumerate() {
        let at = path.index(i);
        let (operator, effect) = (at.child("operator"), at.child("effect"));
        if !t.key.is_empty() {
            validate_label_name(&at.child("key"), &t.key, errors);
        } else if t.operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.invalid_named(&operator, &t.operator, detail);
        }
        if t.toleration_seconds.is_some() && t.effect != "NoExecute" {
            errors.invalid_named(&effect, &t.effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
        }
        match t.operator.as_str() {
            "Equal" | "" => {
                let faults = name::label_value(&t.value);
                if !faults.is_empty() {
                    errors.invalid(&operator, &t.value, &faults.join(";"));
                }
            }
            "Exists" => {
                if !t.value.is_empty() {
                    errors.invalid(&operator, &t.value, "value must be empty when `operator` is 'Exists'");
                }
            }
            // Kubernetes names these operators also where the feature is off.
            "Gt" | "Lt" => errors.not_supported(&operator, &t.operator, &["Equal", "Exists", "Lt", "Gt"]),
            other => errors.not_supported(&operator, other, &["Equal", "Exists"]),
        }
        if !t.effect.is_empty() {
            validate_effect(&effect, &t.effect, errors);
        }
    }
}

/// The effect of a taint.
pub fn validate_effect(path: &Path<'_>, effect: &str, errors: &mut Errors) {
    errors.one_of(path, effect, EFFECTS);
}

/// Gates that hold a pod back: qualified names, each once.
pub fn validate_gates(path: &Path<'_>, gates: &[PodSchedulingGate], errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (i, gate) in gates.iter().enumerate() {
        errors.invalid_each(&path.index(i), &gate.name, name::qualified_name(&gate.name));
        if !seen.insert(gate.name.as_str()) {
            errors.duplicate(&path.index(i), &gate.name);
        }
    }
}

/// How pods spread over the values of a label.
pub fn validate_spread(path: &Path<'_>, constraints: &[TopologySpreadConstraint], errors: &mut Errors) {
    for (i, c) in constraints.iter().enumerate() {
        let at = path.index(i);
        if c.max_skew <= 0 {
            errors.invalid(&at.child("maxSkew"), &c.max_skew, "must be greater than zero");
        }
        if c.topology_key.is_empty() {
            errors.required(&at.child("topologyKey"), "can not be empty");
        }
        errors.one_of(&at.child("whenUnsatisfiable"), &c.when_unsatisfiable, &["DoNotSchedule", "ScheduleAnyway"]);
        let same = |o: &TopologySpreadConstraint| {
            o.topology_key == c.topology_key && o.when_unsatisfiable == c.when_unsatisfiable
        };
        if constraints[i + 1..].iter().any(same) {
            let pair = format!("{{{}, {}}}", c.topology_key, c.when_unsatisfiable);
            errors.duplicate(&at.child("{topologyKey, whenUnsatisfiable}"), &pair);
        }
        if let Some(domains) = c.min_domains {
            let at = at.child("minDomains");
            if domains <= 0 {
                errors.invalid(&at, &domains, "must be greater than zero");
            }
            if c.when_unsatisfiable != "DoNotSchedule" {
                let when = &c.when_unsatisfiable;
                let detail = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {when}");
                errors.invalid(&at, &domains, &detail);
            }
        }
        for (field, policy) in
            [("nodeAffinityPolicy", &c.node_affinity_policy), ("nodeTaintsPolicy", &c.node_taints_policy)]
        {
            if let Some(policy) = policy {
                errors.one_of(&at.child(field), policy, &["Honor", "Ignore"]);
            }
        }
        validate_label_keys(&at, &c.match_label_keys, &[], c.label_selector.as_ref(), errors);
        validate_selector(&at.child("labelSelector"), c.label_selector.as_ref(), errors);
    }
}
