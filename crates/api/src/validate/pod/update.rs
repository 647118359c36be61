//! The change of a pod to faults: only few of its fields may change.

use crate::core::affinity::{Affinity, NodeAffinity, NodeSelectorTerm};
use crate::core::container::Container;
use crate::core::pod::{Pod, PodSchedulingGate, PodSpec, Toleration};
use crate::validate::diff;
use crate::validate::error::Errors;
use crate::validate::internal;
use crate::validate::meta::validate_update as validate_meta;
use crate::validate::path::Path;
use crate::validate::pod::scheduling::validate_tolerations;
use crate::validate::pod::{META, SPEC, validate_pod_annotations, validate_whole};

const UPDATABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
    `spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
const MIRROR: &str = "kubernetes.io/config.mirror";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// A pod that replaces another.
pub fn validate_update(new: &Pod, old: &Pod, errors: &mut Errors) {
    validate_meta(&new.metadata, &old.metadata, true, errors);
    validate_whole(new, errors);
    validate_annotation_changes(new, old, errors);
    if !validate_images(&SPEC.child("containers"), &new.spec.containers, &old.spec.containers, errors)
        || !validate_images(&SPEC.child("initContainers"), &new.spec.init_containers, &old.spec.init_containers, errors)
        || !validate_deadline(&new.spec, &old.spec, errors)
    {
        return;
    }
    validate_added_tolerations(&new.spec.tolerations, &old.spec.tolerations, errors);
    validate_deleted_gates(&new.spec.scheduling_gates, &old.spec.scheduling_gates, errors);
    if new.spec == old.spec {
        return;
    }
    let mut munged = new.spec.clone();
    let images = |to: &mut [Container], from: &[Container]| {
        to.iter_mut().zip(from).for_each(|(to, from)| to.image.clone_from(&from.image));
    };
    images(&mut munged.containers, &old.spec.containers);
    images(&mut munged.init_containers, &old.spec.init_containers);
    munged.active_deadline_seconds = old.spec.active_deadline_seconds;
    munged.scheduling_gates.clone_from(&old.spec.scheduling_gates);
    munged.tolerations.clone_from(&old.spec.tolerations);
    if old.spec.termination_grace_period_seconds.is_some_and(|s| s < 0)
        && munged.termination_grace_period_seconds == Some(1)
    {
        munged.termination_grace_period_seconds = old.spec.termination_grace_period_seconds;
    }
    if !old.spec.scheduling_gates.is_empty() {
        munge_gated(&mut munged, &old.spec, errors);
    }
    if munged != old.spec {
        let diff = diff::unified(&internal::lines(&old.spec), &internal::lines(&munged));
        errors.forbidden(&SPEC, &format!("pod updates may not change fields other than {UPDATABLE}\n{diff}"));
    }
}

fn validate_annotation_changes(new: &Pod, old: &Pod, errors: &mut Errors) {
    let path = META.child("annotations");
    let (new_map, old_map) = (&new.metadata.annotations, &old.metadata.annotations);
    for (key, value) in old_map.iter().filter(|(key, value)| new_map.get(*key) != Some(value)) {
        let _ = value;
        if key.starts_with(APP_ARMOR) {
            errors.forbidden(&path.key(key), "may not remove or update AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(&path.key(key), "may not remove or update mirror pod annotation");
        }
    }
    for key in new_map.keys().filter(|key| !old_map.contains_key(*key)) {
        if key.starts_with(APP_ARMOR) {
            errors.forbidden(&path.key(key), "may not add AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(&path.key(key), "may not add mirror pod annotation");
        }
    }
    validate_pod_annotations(&path, new_map, &new.spec, errors);
}

/// Whether the lists can be compared further.
fn validate_images(path: &Path<'_>, new: &[Container], old: &[Container], errors: &mut Errors) -> bool {
    if new.len() != old.len() {
        errors.forbidden(path, "pod updates may not add or remove containers");
        return false;
    }
    for (i, container) in new.iter().enumerate() {
        let at = path.index(i);
        errors.required_text(&at.child("image"), &container.image);
        super::container::validate_image_edges(&at, &container.image, errors);
    }
    true
}

/// Whether the deadline lets the check go on: it may be set, and lowered.
fn validate_deadline(new: &PodSpec, old: &PodSpec, errors: &mut Errors) -> bool {
    let path = SPEC.child("activeDeadlineSeconds");
    match (new.active_deadline_seconds, old.active_deadline_seconds) {
        (Some(seconds), _) if !(0..=i64::from(i32::MAX)).contains(&seconds) => {
            errors.in_range(&path, seconds, 0, i64::from(i32::MAX));
            false
        }
        (Some(seconds), Some(before)) if before < seconds => {
            errors.invalid(&path, &seconds, "must be less than or equal to previous value");
            false
        }
        (None, Some(_)) => {
            errors.invalid_shown(&path, "null".to_owned(), "must not update from a positive integer to nil value");
            true
        }
        _ => true,
    }
}

fn validate_added_tolerations(new: &[Toleration], old: &[Toleration], errors: &mut Errors) {
    let path = SPEC.child("tolerations");
    let same = |a: &Toleration, b: &Toleration| {
        (&a.key, &a.operator, &a.value, &a.effect) == (&b.key, &b.operator, &b.value, &b.effect)
    };
    if old.iter().any(|before| !new.iter().any(|after| same(before, after))) {
        return errors.forbidden(&path, "existing toleration can not be modified except its tolerationSeconds");
    }
    validate_tolerations(&path, new, errors);
}

fn validate_deleted_gates(new: &[PodSchedulingGate], old: &[PodSchedulingGate], errors: &mut Errors) {
    let path = SPEC.child("schedulingGates");
    let later = |i: usize, gate: &PodSchedulingGate| new[i + 1..].contains(gate);
    for (i, gate) in new.iter().enumerate().filter(|(i, gate)| !old.contains(gate) && !later(*i, gate)) {
        let at = path.index(i);
        let detail = format!("only deletion is allowed, but found new scheduling gate '{}'", gate.name);
        errors.forbidden(&at.child("name"), &detail);
    }
}

/// While gates hold a pod back, its node selector and node affinity may be narrowed.
fn munge_gated(munged: &mut PodSpec, old: &PodSpec, errors: &mut Errors) {
    if munged.node_selector != old.node_selector {
        let kept = old.node_selector.iter().all(|(key, value)| munged.node_selector.get(key) == Some(value));
        if !kept {
            let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
            errors.invalid(&SPEC.child("nodeSelector"), &munged.node_selector, detail);
        }
        munged.node_selector.clone_from(&old.node_selector);
    }
    let before = old.affinity.as_ref().and_then(|a| a.node_affinity.clone());
    let after = munged.affinity.as_ref().and_then(|a| a.node_affinity.clone());
    if before == after {
        return;
    }
    validate_node_affinity_change(after.as_ref(), before.as_ref(), errors);
    match &mut munged.affinity {
        None => munged.affinity = Some(Affinity { node_affinity: before, ..Affinity::default() }),
        Some(a) if old.affinity.is_none() && a.pod_affinity.is_none() && a.pod_anti_affinity.is_none() => {
            munged.affinity = None;
        }
        Some(a) => a.node_affinity = before,
    }
}

fn validate_node_affinity_change(new: Option<&NodeAffinity>, old: Option<&NodeAffinity>, errors: &mut Errors) {
    fn terms(affinity: Option<&NodeAffinity>) -> &[NodeSelectorTerm] {
        let selector = affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
        selector.map_or(&[], |s| &s.node_selector_terms)
    }
    let (new, old) = (terms(new), terms(old));
    let affinity = SPEC.child("affinity");
    let node = affinity.child("nodeAffinity");
    let required = node.child("requiredDuringSchedulingIgnoredDuringExecution");
    let path = required.child("nodeSelectorTerms");
    if old.is_empty() {
        return;
    }
    if old.len() != new.len() {
        let detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        let shown = if new.is_empty() { "null".to_owned() } else { internal::compact_list(new) };
        return errors.invalid_shown(&path, shown, detail);
    }
    for (i, (new, old)) in new.iter().zip(old).enumerate() {
        let was_empty = old.match_expressions.is_empty() && old.match_fields.is_empty();
        let stays_empty = new.match_expressions.is_empty() && new.match_fields.is_empty();
        let added_only = new.match_expressions.starts_with(&old.match_expressions)
            && new.match_fields.starts_with(&old.match_fields)
            && (!was_empty || stays_empty);
        if !added_only {
            let detail = "only additions are allowed (no mutations or deletions)";
            errors.invalid_shown(&path.index(i), internal::compact(new), detail);
        }
    }
}
