//! A pod → the resources it needs of a node, as Kubernetes' `resourcehelper.PodRequests` adds them up.

use std::collections::BTreeMap;

use masthead_api::core::container::Container;
use masthead_api::core::pod::Pod;
use masthead_api::quantity::Quantity;

/// Amounts by resource: CPU in milli-cores, all else in units.
pub type Amounts = BTreeMap<String, i64>;

/// What a container that asks for none counts as in scores: milli-cores and bytes (`DefaultMilliCPURequest`,
/// `DefaultMemoryRequest`).
const NONZERO: [(&str, i64); 2] = [("cpu", 100), ("memory", 200 * 1024 * 1024)];

/// CPU in milli-cores, all else in units.
pub fn amount(resource: &str, quantity: &Quantity) -> i64 {
    if resource == "cpu" { quantity.milli() } else { quantity.value() }
}

/// What a pod asks for.
pub fn of(pod: &Pod) -> Amounts {
    with_whole(pod, of_containers(pod, &|container| amounts(&container.resources.requests)))
}

/// What a new pod counts as where free room is scored: containers that ask for nothing still take something. What it
/// asks for as a whole is not looked at (`LeastAllocated` reads the containers alone).
pub fn nonzero(pod: &Pod) -> Amounts {
    with_overhead(pod, at_least(pod, &NONZERO))
}

/// What a pod on a node counts as in scores. Where the pod asks as a whole, what any part of it asks for is known.
pub fn nonzero_bound(pod: &Pod) -> Amounts {
    if pod.spec.resources.as_ref().is_none_or(|whole| whole.requests.is_empty()) {
        return nonzero(pod);
    }
    let known = of(pod);
    let mut least = NONZERO.to_vec();
    least.retain(|(resource, _)| !known.contains_key(*resource));
    with_whole(pod, at_least(pod, &least))
}

/// What a pod's containers ask for, where those that are silent about a resource ask for this much of it.
fn at_least(pod: &Pod, least: &[(&str, i64)]) -> Amounts {
    of_containers(pod, &|container| {
        let mut asked = amounts(&container.resources.requests);
        for (resource, amount) in least {
            asked.entry((*resource).to_owned()).or_insert(*amount);
        }
        asked
    })
}

fn amounts(list: &BTreeMap<String, Quantity>) -> Amounts {
    list.iter().map(|(resource, quantity)| (resource.clone(), amount(resource, quantity))).collect()
}

fn of_containers(pod: &Pod, asked: &dyn Fn(&Container) -> Amounts) -> Amounts {
    let mut total = Amounts::new();
    for container in &pod.spec.containers {
        add(&mut total, &asked(container));
    }
    // Sidecars run beside all init containers after them and beside the main containers.
    let mut sidecars = Amounts::new();
    let mut starting = Amounts::new();
    for container in &pod.spec.init_containers {
        let own = asked(container);
        let at_once = if container.restart_policy.as_deref() == Some("Always") {
            add(&mut total, &own);
            add(&mut sidecars, &own);
            sidecars.clone()
        } else {
            let mut at_once = own;
            add(&mut at_once, &sidecars);
            at_once
        };
        raise(&mut starting, &at_once);
    }
    raise(&mut total, &starting);
    total
}

/// What a pod asks for as a whole stands in place of what its containers do.
fn with_whole(pod: &Pod, mut total: Amounts) -> Amounts {
    if let Some(whole) = &pod.spec.resources {
        total.extend(amounts(&whole.requests));
    }
    with_overhead(pod, total)
}

fn with_overhead(pod: &Pod, mut total: Amounts) -> Amounts {
    add(&mut total, &amounts(&pod.spec.overhead));
    total
}

/// Adds amounts.
pub fn add(total: &mut Amounts, more: &Amounts) {
    for (resource, amount) in more {
        let sum = total.entry(resource.clone()).or_default();
        *sum = sum.saturating_add(*amount);
    }
}

fn raise(total: &mut Amounts, least: &Amounts) {
    for (resource, amount) in least {
        let most = total.entry(resource.clone()).or_default();
        *most = (*most).max(*amount);
    }
}
