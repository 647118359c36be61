//! Requests and limits → cgroup settings, the score for the OOM killer, and the pod's quality of service.
//!
//! The arithmetic is the kubelet's (`pkg/kubelet/cm/helpers_linux.go`, `pkg/kubelet/qos/policy.go`).

use std::collections::BTreeMap;

use masthead_api::core::container::Container;
use masthead_api::core::env::ResourceFieldSelector;
use masthead_api::core::pod::Pod;
use masthead_api::quantity::Quantity;

use crate::pods::convert::context::Placed;
use crate::runtime::v1;

/// Shares of a container that asks for no CPU; the kernel's least.
const SHARES_MIN: i64 = 2;
/// The kernel's most.
const SHARES_MAX: i64 = 262_144;
/// Shares of one core.
const SHARES_PER_CPU: i64 = 1024;
/// Microseconds in which a quota is spent.
const QUOTA_PERIOD_US: i64 = 100_000;
/// The kernel's least quota in microseconds.
const QUOTA_MIN_US: i64 = 1000;
/// The score of a container that must be the last to go.
const OOM_GUARANTEED: i64 = -997;
/// The score of a container that goes first.
const OOM_BEST_EFFORT: i64 = 1000;

/// Cgroup settings of one container.
pub fn container(pod: &Pod, container: &Container, node_memory_bytes: i64) -> v1::LinuxContainerResources {
    let (requests, limits) = (&container.resources.requests, &container.resources.limits);
    let cpu_limit = milli(limits, "cpu").unwrap_or(0);
    // A limit without a request is the request; defaulting does the same, so this matters for bare objects only.
    let cpu_request = milli(requests, "cpu").unwrap_or(cpu_limit);
    v1::LinuxContainerResources {
        cpu_period: if cpu_limit > 0 { QUOTA_PERIOD_US } else { 0 },
        cpu_quota: quota_us(cpu_limit),
        cpu_shares: shares(cpu_request),
        memory_limit_in_bytes: value(limits, "memory").unwrap_or(0),
        oom_score_adj: oom_score_adj(pod, container, node_memory_bytes),
        ..v1::LinuxContainerResources::default()
    }
}

/// Cgroup settings of the whole pod: the sums, and a limit only when every container has one.
pub fn pod(pod: &Pod) -> v1::LinuxContainerResources {
    let containers = running_together(pod);
    let sum = |resource: &str| -> i64 {
        containers
            .iter()
            .map(|c| {
                amount(&c.resources.requests, resource).or_else(|| amount(&c.resources.limits, resource)).unwrap_or(0)
            })
            .sum()
    };
    let limit = |resource: &str| -> i64 {
        let each: Option<Vec<i64>> =
            containers.iter().map(|c| amount(&c.resources.limits, resource).filter(|limit| *limit > 0)).collect();
        each.map_or(0, |each| each.iter().sum())
    };
    let inits = pod.spec.init_containers.iter().filter(|c| !is_sidecar(c));
    let (mut cpu, mut cpu_limit, mut memory_limit) = (sum("cpu"), limit("cpu"), limit("memory"));
    for init in inits {
        cpu = cpu.max(milli(&init.resources.requests, "cpu").unwrap_or(0));
        cpu_limit = raised(cpu_limit, milli(&init.resources.limits, "cpu"));
        memory_limit = raised(memory_limit, value(&init.resources.limits, "memory"));
    }
    v1::LinuxContainerResources {
        cpu_period: if cpu_limit > 0 { QUOTA_PERIOD_US } else { 0 },
        cpu_quota: quota_us(cpu_limit),
        cpu_shares: shares(cpu),
        memory_limit_in_bytes: memory_limit,
        ..v1::LinuxContainerResources::default()
    }
}

/// An unlimited init container leaves the pod unlimited.
fn raised(limit: i64, init: Option<i64>) -> i64 {
    match init {
        Some(init) if limit > 0 => limit.max(init),
        _ => 0,
    }
}

/// Containers that run at the same time: the main ones and the sidecars.
fn running_together(pod: &Pod) -> Vec<&Container> {
    pod.spec.containers.iter().chain(pod.spec.init_containers.iter().filter(|c| is_sidecar(c))).collect()
}

/// Whether an init container goes on running beside the main ones.
pub fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// Milli-cores to shares.
pub fn shares(milli: i64) -> i64 {
    if milli <= 0 { SHARES_MIN } else { (milli * SHARES_PER_CPU / 1000).clamp(SHARES_MIN, SHARES_MAX) }
}

/// Milli-cores to a quota in each [`QUOTA_PERIOD_US`]; 0 is none.
fn quota_us(milli: i64) -> i64 {
    if milli <= 0 { 0 } else { (milli * QUOTA_PERIOD_US / 1000).max(QUOTA_MIN_US) }
}

fn milli(list: &BTreeMap<String, Quantity>, resource: &str) -> Option<i64> {
    list.get(resource).map(Quantity::milli)
}

fn value(list: &BTreeMap<String, Quantity>, resource: &str) -> Option<i64> {
    list.get(resource).map(Quantity::value)
}

/// CPU in milli-cores, all else in units.
fn amount(list: &BTreeMap<String, Quantity>, resource: &str) -> Option<i64> {
    if resource == "cpu" { milli(list, resource) } else { value(list, resource) }
}

/// A pod's quality of service, from its containers (`pkg/apis/core/v1/helper/qos`).
pub fn qos_class(pod: &Pod) -> &'static str {
    let all: Vec<&Container> = pod.spec.containers.iter().chain(&pod.spec.init_containers).collect();
    let positive = |list: &BTreeMap<String, Quantity>, resource: &str| list.get(resource).is_some_and(|q| q.sign() > 0);
    let asks = |c: &&Container| {
        ["cpu", "memory"].iter().any(|r| positive(&c.resources.requests, r) || positive(&c.resources.limits, r))
    };
    if !all.iter().any(asks) {
        return "BestEffort";
    }
    let guaranteed = all.iter().all(|c| {
        ["cpu", "memory"].iter().all(|r| {
            positive(&c.resources.limits, r)
                && c.resources.requests.get(*r).is_none_or(|q| Some(q) == c.resources.limits.get(*r))
        })
    });
    if guaranteed { "Guaranteed" } else { "Burstable" }
}

/// The score for the OOM killer: the more of the node's memory a container asks for, the safer it is.
pub fn oom_score_adj(pod: &Pod, container: &Container, node_memory_bytes: i64) -> i64 {
    if pod.spec.priority.is_some_and(|priority| priority >= 2_000_000_000) {
        return OOM_GUARANTEED;
    }
    match qos_class(pod) {
        "Guaranteed" => OOM_GUARANTEED,
        "BestEffort" => OOM_BEST_EFFORT,
        _ if node_memory_bytes <= 0 => OOM_BEST_EFFORT - 1,
        _ => {
            let asked = value(&container.resources.requests, "memory").unwrap_or(0);
            let share = i64::try_from(1000 * i128::from(asked) / i128::from(node_memory_bytes)).unwrap_or(1000);
            (1000 - share).clamp(3, OOM_BEST_EFFORT - 1)
        }
    }
}

/// A request or limit as the downward API gives it, rounded up to whole divisors.
///
/// # Errors
/// The resource is none that the downward API knows.
pub fn field_value(container: &Container, field: &ResourceFieldSelector, placed: &Placed) -> Result<i64, String> {
    let resources = &container.resources;
    let (list, resource) = match field.resource.split_once('.') {
        Some(("limits", resource)) => (&resources.limits, resource),
        Some(("requests", resource)) => (&resources.requests, resource),
        _ => return Err(format!("unsupported container resource : {}", field.resource)),
    };
    // What is not limited is limited by the node.
    let node = |resource: &str| if field.resource.starts_with("limits.") { node_amount(resource, placed) } else { 0 };
    match resource {
        "cpu" => {
            let divisor = if field.divisor.is_zero() { 1000 } else { field.divisor.milli() };
            Ok(divided(milli(list, "cpu").unwrap_or_else(|| node("cpu")), divisor))
        }
        "memory" | "ephemeral-storage" => {
            let divisor = if field.divisor.is_zero() { 1 } else { field.divisor.value() };
            Ok(divided(value(list, resource).unwrap_or_else(|| node(resource)), divisor))
        }
        _ if resource.starts_with("hugepages-") => {
            Ok(divided(value(list, resource).unwrap_or(0), field.divisor.value().max(1)))
        }
        _ => Err(format!("unsupported container resource : {}", field.resource)),
    }
}

fn node_amount(resource: &str, placed: &Placed) -> i64 {
    match resource {
        "cpu" => placed.node_cpu_milli,
        "memory" => placed.node_memory_bytes,
        _ => 0,
    }
}

fn divided(amount: i64, divisor: i64) -> i64 {
    let divisor = divisor.max(1);
    amount / divisor + i64::from(amount % divisor > 0)
}
