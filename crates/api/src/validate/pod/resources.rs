//! What a pod's containers ask for together, and whether it fits what the pod asks for as a whole.

use std::collections::BTreeMap;

use crate::core::container::{Container, ResourceRequirements};
use crate::core::pod::PodSpec;
use crate::quantity::Quantity;
use crate::validate::error::Errors;
use crate::validate::path::Path;
use crate::validate::resource::is_huge_page;

/// Amounts by resource.
pub type Amounts = BTreeMap<String, Quantity>;

fn add(to: &mut Amounts, more: &Amounts) {
    for (resource, amount) in more {
        let sum = to.entry(resource.clone()).or_default();
        *sum = sum.add(*amount);
    }
}

fn raise(to: &mut Amounts, other: &Amounts) {
    for (resource, amount) in other {
        let max = to.entry(resource.clone()).or_insert(*amount);
        if *amount > *max {
            *max = *amount;
        }
    }
}

/// What a pod needs at its busiest: its containers and sidecars together, or an init container with the sidecars
/// started before it. `of` picks requests or limits.
pub fn aggregate(spec: &PodSpec, of: fn(&Container) -> &Amounts) -> Amounts {
    let mut total = Amounts::new();
    for container in &spec.containers {
        add(&mut total, of(container));
    }
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for container in &spec.init_containers {
        let mut during = sidecars.clone();
        add(&mut during, of(container));
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut total, of(container));
            sidecars = during.clone();
        }
        raise(&mut peak, &during);
    }
    raise(&mut total, &peak);
    total
}

/// The pod's own requests and huge pages cover its containers', and no container's limit exceeds the pod's.
pub fn validate_consistency(path: &Path<'_>, spec: &PodSpec, pod: &ResourceRequirements, errors: &mut Errors) {
    let requests = path.child("requests");
    for (resource, needed) in aggregate(spec, |c| &c.resources.requests) {
        if let Some(given) = pod.requests.get(&resource)
            && needed > *given
        {
            let detail = format!("must be greater than or equal to aggregate container requests of {needed}");
            errors.invalid(&requests.key(&resource), &given.to_string(), &detail);
        }
    }
    let limits = path.child("limits");
    for (resource, needed) in aggregate(spec, |c| &c.resources.limits).iter().filter(|(r, _)| is_huge_page(r)) {
        if let Some(given) = pod.limits.get(resource)
            && needed > given
        {
            let detail = format!("must be greater than or equal to aggregate container limits of {needed}");
            errors.invalid(&limits.key(resource), &given.to_string(), &detail);
        }
    }
    let containers = path.child("containers");
    for (i, container) in spec.containers.iter().enumerate() {
        for (resource, limit) in &container.resources.limits {
            if let Some(max) = pod.limits.get(resource)
                && limit > max
            {
                let element = containers.index(i);
                let at = element.key(resource);
                let detail = format!("must be less than or equal to pod limits of {max}");
                errors.invalid(&at.child("limits"), &limit.to_string(), &detail);
            }
        }
    }
}
