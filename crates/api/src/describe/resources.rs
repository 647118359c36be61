//! A pod to the sums of what it requests and may use.

use std::collections::BTreeMap;

use crate::core::container::Container;
use crate::core::pod::Pod;
use crate::quantity::Quantity;

/// Amounts by resource.
pub type Amounts = BTreeMap<String, Quantity>;

/// What a pod requests, its overhead included.
pub fn requests(pod: &Pod) -> Amounts {
    let of = |container: &Container| {
        let asked = &container.resources.requests;
        let status = pod.status.container_statuses.iter().find(|status| status.name == container.name);
        match status.and_then(|status| status.resources.as_ref()) {
            // A change under way counts as the greater of old and new, one that cannot be made does not count.
            Some(had) if pod.status.resize == "Infeasible" => had.requests.clone(),
            Some(had) => greater(asked.clone(), &had.requests),
            None => asked.clone(),
        }
    };
    let mut sum = total(pod, of, |container| container.resources.requests.clone());
    add(&mut sum, &pod.spec.overhead);
    sum
}

/// What a pod may use; overhead adds to what is limited.
pub fn limits(pod: &Pod) -> Amounts {
    let of = |container: &Container| container.resources.limits.clone();
    let mut sum = total(pod, of, of);
    for (name, overhead) in &pod.spec.overhead {
        if let Some(limit) = sum.get_mut(name).filter(|limit| !limit.is_zero()) {
            *limit = limit.add(*overhead);
        }
    }
    sum
}

/// Containers and sidecars together, or an init container with the sidecars started before it, if that is more.
fn total(pod: &Pod, of: impl Fn(&Container) -> Amounts, of_init: impl Fn(&Container) -> Amounts) -> Amounts {
    let mut sum = Amounts::new();
    for container in &pod.spec.containers {
        add(&mut sum, &of(container));
    }
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for container in &pod.spec.init_containers {
        let own = of_init(container);
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut sum, &own);
            add(&mut sidecars, &own);
            peak = greater(peak, &sidecars);
        } else {
            let mut here = own;
            add(&mut here, &sidecars);
            peak = greater(peak, &here);
        }
    }
    greater(sum, &peak)
}

/// Adds each amount.
pub fn add(sum: &mut Amounts, amounts: &Amounts) {
    for (name, amount) in amounts {
        let value = sum.get(name).map_or(*amount, |before| before.add(*amount));
        sum.insert(name.clone(), value);
    }
}

fn greater(mut a: Amounts, b: &Amounts) -> Amounts {
    for (name, amount) in b {
        match a.get_mut(name) {
            Some(value) if *value >= *amount => {}
            Some(value) => *value = *amount,
            None => {
                a.insert(name.clone(), *amount);
            }
        }
    }
    a
}
