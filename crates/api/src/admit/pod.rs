//! A new pod as the server stores it: its status begun, label keys merged into selectors, its quality of service.

use std::collections::BTreeMap;

use crate::core::container::ResourceRequirements;
use crate::core::pod::{Pod, PodSpec};
use crate::core::pod_status::{PodCondition, PodStatus};
use crate::core::security::{AppArmorProfile, SecurityContext};
use crate::meta::selector::{LabelSelector, LabelSelectorRequirement};
use crate::quantity::Quantity;

const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// What the server sets on create.
pub fn prepare_create(pod: &mut Pod) {
    pod.metadata.generation = 1;
    // A class that is given stays, as in Kubernetes.
    let mut class = std::mem::take(&mut pod.status.qos_class);
    if class.is_empty() {
        qos_class(&pod.spec).clone_into(&mut class);
    }
    pod.status = PodStatus { phase: "Pending".to_owned(), qos_class: class, ..PodStatus::default() };
    if !pod.spec.scheduling_gates.is_empty() {
        pod.status.conditions.push(PodCondition {
            type_: "PodScheduled".to_owned(),
            status: "False".to_owned(),
            reason: "SchedulingGated".to_owned(),
            message: "Scheduling is blocked due to non-empty scheduling gates".to_owned(),
            ..PodCondition::default()
        });
    }
    merge_label_keys(pod);
    copy_app_armor(pod);
}

/// `Guaranteed`, `Burstable` or `BestEffort`, from requests and limits of CPU and memory.
pub fn qos_class(spec: &PodSpec) -> &'static str {
    let sources: Vec<&ResourceRequirements> = match &spec.resources {
        Some(pod) => vec![pod],
        None => spec.containers.iter().chain(&spec.init_containers).map(|c| &c.resources).collect(),
    };
    let (requests, limits) = (sum(sources.iter().map(|r| &r.requests)), sum(sources.iter().map(|r| &r.limits)));
    if requests.is_empty() && limits.is_empty() {
        return "BestEffort";
    }
    let limited = |r: &&ResourceRequirements| {
        ["cpu", "memory"].iter().all(|name| r.limits.get(*name).is_some_and(|amount| amount.sign() > 0))
    };
    // A pod without limits of its own as a whole is not held to having them.
    let whole = spec.resources.as_ref().is_some_and(|pod| pod.limits.is_empty());
    let guaranteed = (whole || sources.iter().all(limited)) && requests == limits;
    if guaranteed { "Guaranteed" } else { "Burstable" }
}

/// Sums of CPU and memory, without zeros.
fn sum<'a>(amounts: impl Iterator<Item = &'a BTreeMap<String, Quantity>>) -> BTreeMap<&'static str, Quantity> {
    let mut out = BTreeMap::new();
    for amounts in amounts {
        for name in ["cpu", "memory"] {
            if let Some(amount) = amounts.get(name).filter(|amount| amount.sign() > 0) {
                let sum: &mut Quantity = out.entry(name).or_default();
                *sum = sum.add(*amount);
            }
        }
    }
    out
}

fn merge_keys(
    selector: Option<&mut LabelSelector>,
    keys: &[String],
    operator: &str,
    labels: &BTreeMap<String, String>,
) {
    let Some(selector) = selector else { return };
    for key in keys {
        if let Some(value) = labels.get(key) {
            selector.match_expressions.push(LabelSelectorRequirement {
                key: key.clone(),
                operator: operator.to_owned(),
                values: vec![value.clone()],
            });
        }
    }
}

/// `matchLabelKeys` and `mismatchLabelKeys` become requirements with the pod's own values.
fn merge_label_keys(pod: &mut Pod) {
    let labels = &pod.metadata.labels;
    if let Some(affinity) = &mut pod.spec.affinity {
        let (mut hard, mut soft) = (Vec::new(), Vec::new());
        if let Some(near) = &mut affinity.pod_affinity {
            soft.extend(&mut near.preferred_during_scheduling_ignored_during_execution);
            hard.extend(&mut near.required_during_scheduling_ignored_during_execution);
        }
        if let Some(apart) = &mut affinity.pod_anti_affinity {
            soft.extend(&mut apart.preferred_during_scheduling_ignored_during_execution);
            hard.extend(&mut apart.required_during_scheduling_ignored_during_execution);
        }
        for term in soft.into_iter().map(|term| &mut term.pod_affinity_term).chain(hard) {
            merge_keys(term.label_selector.as_mut(), &term.match_label_keys, "In", labels);
            merge_keys(term.label_selector.as_mut(), &term.mismatch_label_keys, "NotIn", labels);
        }
    }
    for constraint in &mut pod.spec.topology_spread_constraints {
        merge_keys(constraint.label_selector.as_mut(), &constraint.match_label_keys, "In", labels);
    }
}

/// The annotation that came before the AppArmor field fills the field, unless the pod says the same.
fn copy_app_armor(pod: &mut Pod) {
    if pod.spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        return;
    }
    let of_pod = pod.spec.security_context.as_ref().and_then(|c| c.app_armor_profile.clone());
    let annotations = &pod.metadata.annotations;
    let all = pod.spec.init_containers.iter_mut().chain(&mut pod.spec.containers);
    for container in all {
        let Some(value) = annotations.get(&format!("{APP_ARMOR}{}", container.name)) else { continue };
        if container.security_context.as_ref().is_some_and(|c| c.app_armor_profile.is_some()) {
            continue;
        }
        let (kind, file) = match (value.as_str(), value.strip_prefix("localhost/")) {
            ("runtime/default", _) => ("RuntimeDefault", None),
            ("unconfined", _) => ("Unconfined", None),
            (_, Some(file)) if !file.is_empty() && file.trim() == file => ("Localhost", Some(file.to_owned())),
            _ => continue,
        };
        let profile = AppArmorProfile { type_: kind.to_owned(), localhost_profile: file };
        if of_pod.as_ref() != Some(&profile) {
            let context = container.security_context.get_or_insert_with(SecurityContext::default);
            context.app_armor_profile = Some(profile);
        }
    }
}
