//! Nodes to faults.

use std::collections::BTreeSet;

use crate::core::node::{Node, Taint};
use crate::validate::error::Errors;
use crate::validate::internal;
use crate::validate::ip::{is_dual_stack, parse_cidr, validate_cidr};
use crate::validate::meta::{Scope, validate_create as validate_meta, validate_update as validate_meta_update};
use crate::validate::name;
use crate::validate::path::Path;
use crate::validate::pod::scheduling::validate_effect;
use crate::validate::resource::validate_amounts;
use crate::validate::selector::validate_label_name;

const SPEC: Path<'static> = Path::root("spec");
const META: Path<'static> = Path::root("metadata");
const STATUS: Path<'static> = Path::root("status");

/// A new node.
pub fn validate_create(node: &Node, errors: &mut Errors) {
    validate_meta(&node.metadata, Scope::Cluster, name::dns_subdomain, errors);
    // Kubernetes puts taints under metadata in its messages.
    validate_taints(&META.child("taints"), &node.spec.taints, errors);
    validate_resources(node, errors);
    let path = SPEC.child("podCIDRs");
    let networks = &node.spec.pod_cidrs;
    for (i, network) in networks.iter().enumerate() {
        validate_cidr(&path.index(i), network, errors);
    }
    if networks.len() < 2 {
        return;
    }
    let addresses: Vec<_> = networks.iter().map(|network| parse_cidr(network)).collect();
    let unread = addresses.iter().position(Option::is_none);
    if let Some(i) = unread {
        let why = format!("invalid CIDR[{i}]: <nil> (invalid CIDR address: {})", networks[i]);
        errors.internal(&path, &format!("invalid PodCIDRs. failed to check with dual stack with error:{why}"));
    }
    if unread.is_some() || networks.len() > 2 || !is_dual_stack(addresses.into_iter().flatten()) {
        errors.invalid(&path, networks, "may specify no more than one CIDR for each IP family");
    }
}

/// A node that replaces another. Kubernetes checks the whole and then the change, so some faults come twice.
pub fn validate_update(new: &Node, old: &Node, errors: &mut Errors) {
    validate_create(new, errors);
    validate_meta_update(&new.metadata, &old.metadata, true, errors);
    validate_resources(new, errors);
    let addresses = STATUS.child("addresses");
    for (i, address) in new.status.addresses.iter().enumerate() {
        if new.status.addresses[..i].contains(address) {
            errors.duplicate_shown(&addresses.index(i), internal::compact(address), "");
        }
    }
    let path = SPEC.child("podCIDRs");
    const DETAIL: &str = "node updates may not change podCIDR except from \"\" to valid";
    let (after, before) = (&new.spec.pod_cidrs, &old.spec.pod_cidrs);
    if !before.is_empty() && before.len() != after.len() {
        errors.forbidden(&path, DETAIL);
    } else if !before.is_empty() {
        for _ in before.iter().zip(after).filter(|(b, a)| b != a) {
            errors.forbidden(&path, DETAIL);
        }
    }
    if !old.spec.provider_id.is_empty() && old.spec.provider_id != new.spec.provider_id {
        let detail = "node updates may not change providerID except from \"\" to valid";
        errors.forbidden(&SPEC.child("providerID"), detail);
    }
    validate_taints(&META.child("taints"), &new.spec.taints, errors);
    if new.spec.external_id != old.spec.external_id {
        errors.forbidden(&SPEC.child("externalID"), "may not be updated");
    }
}

fn validate_resources(node: &Node, errors: &mut Errors) {
    validate_amounts(&STATUS.child("capacity"), &node.status.capacity, errors);
    validate_amounts(&STATUS.child("allocatable"), &node.status.allocatable, errors);
}

fn validate_taints(path: &Path<'_>, taints: &[Taint], errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (i, taint) in taints.iter().enumerate() {
        let at = path.index(i);
        validate_label_name(&at.child("key"), &taint.key, errors);
        let faults = name::label_value(&taint.value);
        if !faults.is_empty() {
            errors.invalid(&at.child("value"), &taint.value, &faults.join(";"));
        }
        if !errors.required_text(&at.child("effect"), &taint.effect) {
            validate_effect(&at.child("effect"), &taint.effect, errors);
        }
        if !seen.insert((&taint.effect, &taint.key)) {
            let detail = "taints must be unique by key and effect pair";
            errors.duplicate_shown(&at, internal::compact(taint), detail);
        }
    }
}
