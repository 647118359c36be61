//! Requests and limits to faults, and what kinds of resources there are.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::container::{ResourceClaim, ResourceRequirements};
use crate::quantity::Quantity;
use crate::validate::error::Errors;
use crate::validate::name;
use crate::validate::path::Path;

const HUGE_PAGES: &str = "hugepages-";

/// Whether requests and limits of a resource may differ.
pub fn is_overcommit_allowed(resource: &str) -> bool {
    is_native(resource) && !is_huge_page(resource)
}

/// Huge pages of one size.
pub fn is_huge_page(resource: &str) -> bool {
    resource.starts_with(HUGE_PAGES)
}

/// A resource that Kubernetes itself knows.
fn is_native(resource: &str) -> bool {
    !resource.contains('/') || resource.contains("kubernetes.io/")
}

/// A resource that a device or an administrator provides.
pub fn is_extended(resource: &str) -> bool {
    !is_native(resource)
        && !resource.starts_with("requests.")
        && name::qualified_name(&format!("requests.{resource}")).is_empty()
}

fn is_standard(resource: &str) -> bool {
    const NAMES: [&str; 30] = [
        "cpu",
        "memory",
        "ephemeral-storage",
        "requests.cpu",
        "requests.memory",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "persistentvolumeclaims",
        "configmaps",
        "storage",
        "requests.storage",
        "services.nodeports",
        "services.loadbalancers",
        "count/pods",
        "count/services",
        "count/secrets",
        "count/configmaps",
        "count/replicationcontrollers",
        "count/resourcequotas",
        "count/persistentvolumeclaims",
        "requests.hugepages",
        "limits.hugepages",
        "storage",
    ];
    is_huge_page(resource) || resource.starts_with("requests.hugepages-") || NAMES.contains(&resource)
}

fn is_integer(resource: &str) -> bool {
    is_extended(resource)
        || [
            "pods",
            "resourcequotas",
            "services",
            "replicationcontrollers",
            "secrets",
            "configmaps",
            "persistentvolumeclaims",
            "services.nodeports",
            "services.loadbalancers",
        ]
        .contains(&resource)
}

/// Whether the name of a resource, which is shown as a type of its own, is well formed.
fn validate_name(path: &Path<'_>, resource: &str, errors: &mut Errors) -> bool {
    let faults = name::qualified_name(resource);
    faults.iter().for_each(|fault| errors.invalid_named(path, resource, fault));
    faults.is_empty()
}

/// The name of a resource of a container.
pub fn validate_container_resource(path: &Path<'_>, resource: &str, errors: &mut Errors) {
    let is_name = validate_name(path, resource, errors);
    if !resource.contains('/') {
        if is_name && !is_standard(resource) {
            errors.invalid_named(path, resource, "must be a standard resource type or fully qualified");
        }
        if !["cpu", "memory", "ephemeral-storage"].contains(&resource) && !is_huge_page(resource) {
            errors.invalid_named(path, resource, "must be a standard resource for containers");
        }
    } else if !is_native(resource) && !is_extended(resource) {
        errors.invalid_named(path, resource, "doesn't follow extended resource name standard");
    }
}

/// The name of a resource of a whole pod.
fn validate_pod_resource(path: &Path<'_>, resource: &str, errors: &mut Errors) {
    if !validate_name(path, resource, errors) {
        return;
    }
    if !resource.contains('/') && !is_standard(resource) {
        errors.invalid_named(path, resource, "must be a standard resource type or fully qualified");
    } else if !["cpu", "memory"].contains(&resource) && !is_huge_page(resource) {
        errors.not_supported(path, resource, &["cpu", HUGE_PAGES, "memory"]);
    }
}

/// An amount of a resource: not negative, and whole where parts make no sense.
pub fn validate_amount(path: &Path<'_>, resource: &str, amount: &Quantity, errors: &mut Errors) {
    if amount.sign() < 0 {
        errors.invalid(path, &amount.to_string(), "must be greater than or equal to 0");
    }
    if is_integer(resource) && !amount.is_whole() {
        errors.invalid(path, &amount.to_string(), "must be an integer");
    }
}

/// Whose requirements are judged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// One container's.
    Container,
    /// The pod's as a whole.
    Pod,
}

/// Requests, limits and claims.
pub fn validate_requirements(
    path: &Path<'_>,
    requirements: &ResourceRequirements,
    claims: &BTreeSet<&str>,
    holder: Holder,
    errors: &mut Errors,
) {
    let (limits, requests) = (path.child("limits"), path.child("requests"));
    let name_rule = match holder {
        Holder::Container => validate_container_resource,
        Holder::Pod => validate_pod_resource,
    };
    for (resource, amount) in &requirements.limits {
        let at = limits.key(resource);
        name_rule(&at, resource, errors);
        validate_amount(&at, resource, amount, errors);
        validate_huge_page(&at, resource, amount, errors);
    }
    for (resource, amount) in &requirements.requests {
        let at = requests.key(resource);
        name_rule(&at, resource, errors);
        validate_amount(&at, resource, amount, errors);
        match requirements.limits.get(resource) {
            Some(limit) if amount != limit && !is_overcommit_allowed(resource) => {
                let detail = format!("must be equal to {resource} limit of {limit}");
                errors.invalid(&requests, &amount.to_string(), &detail);
            }
            Some(limit) if amount > limit => {
                let detail = format!("must be less than or equal to {resource} limit of {limit}");
                errors.invalid(&requests, &amount.to_string(), &detail);
            }
            None if !is_overcommit_allowed(resource) => {
                errors.required(&limits, "Limit must be set for non overcommitable resources");
            }
            _ => {}
        }
        validate_huge_page(&at, resource, amount, errors);
    }
    let both = || requirements.limits.keys().chain(requirements.requests.keys());
    if both().any(|r| is_huge_page(r)) && !both().any(|r| r == "cpu" || r == "memory") {
        errors.forbidden(path, "HugePages require cpu or memory");
    }
    validate_claims(&path.child("claims"), &requirements.claims, claims, errors);
}

fn validate_huge_page(path: &Path<'_>, resource: &str, amount: &Quantity, errors: &mut Errors) {
    let Some(size) = resource.strip_prefix(HUGE_PAGES) else { return };
    let divisible = Quantity::parse(size).is_ok_and(|size| size.value() > 0 && amount.value() % size.value() == 0);
    if !divisible {
        let detail = format!("{amount} is not positive integer multiple of {resource}");
        errors.invalid(path, &amount.to_string(), &detail);
    }
}

fn validate_claims(path: &Path<'_>, claims: &[ResourceClaim], known: &BTreeSet<&str>, errors: &mut Errors) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (i, claim) in claims.iter().enumerate() {
        let at = path.index(i);
        if errors.required_text(&at, &claim.name) {
            continue;
        }
        if seen.contains(&claim.name) {
            errors.duplicate(&at, &claim.name);
        } else {
            let mut key = claim.name.clone();
            if !claim.request.is_empty() {
                errors.invalid_each(&at.child("request"), &claim.request, name::dns_label(&claim.request));
                key = format!("{key}/{}", claim.request);
            }
            if seen.contains(&key) {
                errors.duplicate(&at, &key);
            } else if claim.request.is_empty() {
                for _ in seen.iter().filter(|k| k.split_once('/').is_some_and(|(name, _)| name == claim.name)) {
                    errors.duplicate(&at, &claim.name);
                }
            }
            seen.insert(key);
        }
        if !known.contains(claim.name.as_str()) {
            let mut detail = "must be one of the names in pod.spec.resourceClaims".to_owned();
            if known.is_empty() {
                detail.push_str(" which is empty");
            } else {
                let names: Vec<&str> = known.iter().copied().collect();
                detail.push_str(": ");
                detail.push_str(&names.join(", "));
            }
            errors.not_found(&at, &claim.name, &detail);
        }
    }
}

/// Amounts by name, as of a node's capacity.
pub fn validate_amounts(path: &Path<'_>, amounts: &BTreeMap<String, Quantity>, errors: &mut Errors) {
    for (resource, amount) in amounts {
        validate_amount(&path.child(resource), resource, amount, errors);
    }
}
