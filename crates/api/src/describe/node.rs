//! A node, its lease and its pods to its description.

use crate::coordination::lease::Lease;
use crate::core::node::{Node, Taint};
use crate::core::pod::Pod;
use crate::describe::event::Events;
use crate::describe::page::{Page, or_none, stamp};
use crate::describe::resources::{Amounts, add, limits, requests};
use crate::meta::time::{MicroTime, Time};
use crate::quantity::Quantity;
use crate::table::age::since;
use crate::table::objects::node_roles;

/// A node; `pods` of other nodes are left out.
pub fn describe(node: &Node, pods: &[Pod], lease: Option<&Lease>, events: &Events, now: Time) -> String {
    let (meta, spec, status) = (&node.metadata, &node.spec, &node.status);
    let mut page = Page::default();
    page.field(0, "Name", &meta.name);
    let roles: Vec<&str> = node_roles(node).into_iter().collect();
    page.field(0, "Roles", or_none(&roles.join(",")));
    page.labels("Labels", &meta.labels);
    page.annotations("Annotations", &meta.annotations);
    page.field(0, "CreationTimestamp", stamp(meta.creation_timestamp));
    taints(&mut page, &spec.taints);
    page.field(0, "Unschedulable", spec.unschedulable);
    held(&mut page, &meta.name, lease);
    conditions(&mut page, node);
    page.put(0, format_args!("Addresses:\n"));
    for address in &status.addresses {
        page.field(1, &address.type_, &address.address);
    }
    for (title, amounts) in [("Capacity", &status.capacity), ("Allocatable", &status.allocatable)] {
        if !amounts.is_empty() {
            page.put(0, format_args!("{title}:\n"));
        }
        for (name, amount) in amounts {
            page.field(1, name, amount);
        }
    }
    system(&mut page, node);
    if !spec.pod_cidr.is_empty() {
        page.field(0, "PodCIDR", &spec.pod_cidr);
    }
    if !spec.pod_cidrs.is_empty() {
        page.field(0, "PodCIDRs", spec.pod_cidrs.join(","));
    }
    if !spec.provider_id.is_empty() {
        page.field(0, "ProviderID", &spec.provider_id);
    }
    let ended = |pod: &Pod| pod.status.phase == "Succeeded" || pod.status.phase == "Failed";
    let here: Vec<&Pod> = pods.iter().filter(|pod| pod.spec.node_name == meta.name && !ended(pod)).collect();
    usage(&mut page, node, &here, now);
    events.write(&mut page);
    page.finish()
}

fn taints(page: &mut Page, taints: &[Taint]) {
    page.put(0, format_args!("Taints:\t"));
    if taints.is_empty() {
        return page.put(0, format_args!("<none>\n"));
    }
    let mut sorted: Vec<&Taint> = taints.iter().collect();
    sorted.sort_by_cached_key(|taint| format!("{},{}", taint.effect, taint.key));
    for (i, taint) in sorted.into_iter().enumerate() {
        let tab = if i > 0 { "\t" } else { "" };
        let value = if taint.value.is_empty() { String::new() } else { format!("={}", taint.value) };
        let colon = if taint.effect.is_empty() && value.is_empty() { "" } else { ":" };
        page.put(0, format_args!("{tab}{}{value}{colon}{}\n", taint.key, taint.effect));
    }
}

fn held(page: &mut Page, node: &str, lease: Option<&Lease>) {
    let Some(lease) = lease else {
        let why = format!("Failed to get lease: leases.coordination.k8s.io \"{node}\" not found");
        return page.field(0, "Lease", why);
    };
    let time = |time: Option<MicroTime>| time.map_or_else(|| "<unset>".to_owned(), |time| stamp(Some(time.time())));
    page.put(0, format_args!("Lease:\n"));
    page.field(1, "HolderIdentity", lease.spec.holder_identity.as_deref().unwrap_or("<unset>"));
    page.field(1, "AcquireTime", time(lease.spec.acquire_time));
    page.field(1, "RenewTime", time(lease.spec.renew_time));
}

fn conditions(page: &mut Page, node: &Node) {
    if node.status.conditions.is_empty() {
        return;
    }
    page.put(0, format_args!("Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage\n"));
    page.put(1, format_args!("----\t------\t-----------------\t------------------\t------\t-------\n"));
    for c in &node.status.conditions {
        let (beat, changed) = (stamp(c.last_heartbeat_time), stamp(c.last_transition_time));
        let (type_, status, reason, message) = (&c.type_, &c.status, &c.reason, &c.message);
        page.put(1, format_args!("{type_} \t{status} \t{beat} \t{changed} \t{reason} \t{message}\n"));
    }
}

fn system(page: &mut Page, node: &Node) {
    let info = &node.status.node_info;
    page.put(0, format_args!("System Info:\n"));
    for (label, value) in [
        ("Machine ID", &info.machine_id),
        ("System UUID", &info.system_uuid),
        ("Boot ID", &info.boot_id),
        ("Kernel Version", &info.kernel_version),
        ("OS Image", &info.os_image),
        ("Operating System", &info.operating_system),
        ("Architecture", &info.architecture),
        ("Container Runtime Version", &info.container_runtime_version),
        ("Kubelet Version", &info.kubelet_version),
        ("Kube-Proxy Version", &info.kube_proxy_version),
    ] {
        page.field(1, label, value);
    }
}

/// An amount with its share of the whole; of nothing everything is 0 %.
fn share(part: Quantity, whole: Quantity, is_cpu: bool) -> String {
    let number = |q: Quantity| if is_cpu { q.milli() } else { q.value() };
    let (some, all) = (number(part), number(whole));
    // In floating point and cut, as kubectl does, so that both print the same digit.
    let percent = if all == 0 { 0 } else { (some as f64 / all as f64 * 100.0) as i64 };
    format!("{part} ({percent}%)")
}

/// Pods of the node, and all they ask for together.
fn usage(page: &mut Page, node: &Node, pods: &[&Pod], now: Time) {
    let status = &node.status;
    let whole = if status.allocatable.is_empty() { &status.capacity } else { &status.allocatable };
    let amount = |amounts: &Amounts, name: &str| amounts.get(name).copied().unwrap_or_default();
    page.put(0, format_args!("Non-terminated Pods:\t({} in total)\n", pods.len()));
    page.put(1, format_args!("Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge\n"));
    page.put(1, format_args!("---------\t----\t\t------------\t----------\t---------------\t-------------\t---\n"));
    let (mut asked, mut allowed) = (Amounts::new(), Amounts::new());
    for pod in pods {
        let (requests, limits) = (requests(pod), limits(pod));
        let cell = |amounts: &Amounts, name: &str| share(amount(amounts, name), amount(whole, name), name == "cpu");
        let cells = [cell(&requests, "cpu"), cell(&limits, "cpu"), cell(&requests, "memory"), cell(&limits, "memory")];
        let meta = &pod.metadata;
        let age = since(meta.creation_timestamp, now);
        page.put(1, format_args!("{}\t{}\t\t{}\t{age}\n", meta.namespace, meta.name, cells.join("\t")));
        add(&mut asked, &requests);
        add(&mut allowed, &limits);
    }
    page.put(0, format_args!("Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)\n"));
    page.put(1, format_args!("Resource\tRequests\tLimits\n"));
    page.put(1, format_args!("--------\t--------\t------\n"));
    let huge = |name: &&str| name.starts_with("hugepages-");
    let usual = ["cpu", "memory", "ephemeral-storage"];
    for name in usual.into_iter().chain(whole.keys().map(String::as_str).filter(huge)) {
        let cell = |amounts: &Amounts| share(amount(amounts, name), amount(whole, name), name == "cpu");
        page.put(1, format_args!("{name}\t{}\t{}\n", cell(&asked), cell(&allowed)));
    }
    let other = |name: &&str| !huge(name) && !usual.contains(name) && *name != "pods";
    for name in whole.keys().map(String::as_str).filter(other) {
        page.put(1, format_args!("{name}\t{}\t{}\n", amount(&asked, name), amount(&allowed, name)));
    }
}
