//! A pod to its description.

use crate::admit::pod::qos_class;
use crate::core::container::{Container, EphemeralContainer};
use crate::core::pod::{Pod, Toleration, TopologySpreadConstraint};
use crate::describe::container::{containers, resources, seccomp};
use crate::describe::event::Events;
use crate::describe::page::{Page, controller, stamp};
use crate::describe::volume::volumes;
use crate::meta::time::Time;
use crate::table::age::since;

/// A pod.
pub fn describe(pod: &Pod, events: &Events, now: Time) -> String {
    let mut page = Page::default();
    head(&mut page, pod);
    state(&mut page, pod, now);
    let (spec, status) = (&pod.spec, &pod.status);
    if let Some(asked) = &spec.resources {
        page.put(0, format_args!("Resources:\n"));
        resources(&mut page, asked, 1);
    }
    let meta = Some(&pod.metadata);
    if !spec.init_containers.is_empty() {
        let statuses = &status.init_container_statuses;
        containers(&mut page, "Init Containers", &spec.init_containers, statuses, meta, "");
    }
    containers(&mut page, "Containers", &spec.containers, &status.container_statuses, meta, "");
    if !spec.ephemeral_containers.is_empty() {
        let list: Vec<Container> = spec.ephemeral_containers.iter().map(common).collect();
        containers(&mut page, "Ephemeral Containers", &list, &status.ephemeral_container_statuses, meta, "");
    }
    conditions(&mut page, pod);
    volumes(&mut page, &spec.volumes, "");
    let qos = if status.qos_class.is_empty() { qos_class(spec) } else { &status.qos_class };
    page.field(0, "QoS Class", qos);
    page.labels("Node-Selectors", &spec.node_selector);
    tolerations(&mut page, "Tolerations", &spec.tolerations);
    spread_constraints(&mut page, &spec.topology_spread_constraints, "");
    events.write(&mut page);
    page.finish()
}

fn head(page: &mut Page, pod: &Pod) {
    let spec = &pod.spec;
    page.name(&pod.metadata);
    if let Some(priority) = spec.priority {
        page.field(0, "Priority", priority);
    }
    if !spec.priority_class_name.is_empty() {
        page.field(0, "Priority Class Name", &spec.priority_class_name);
    }
    if let Some(class) = spec.runtime_class_name.as_deref().filter(|class| !class.is_empty()) {
        page.field(0, "Runtime Class Name", class);
    }
    if !spec.service_account_name.is_empty() {
        page.field(0, "Service Account", &spec.service_account_name);
    }
    match spec.node_name.as_str() {
        "" => page.field(0, "Node", "<none>"),
        node => page.field(0, "Node", format_args!("{node}/{}", pod.status.host_ip)),
    }
    if pod.status.start_time.is_some() {
        page.field(0, "Start Time", stamp(pod.status.start_time));
    }
    page.labels("Labels", &pod.metadata.labels);
    page.annotations("Annotations", &pod.metadata.annotations);
}

fn state(page: &mut Page, pod: &Pod, now: Time) {
    let (meta, status) = (&pod.metadata, &pod.status);
    let ended = status.phase == "Failed" || status.phase == "Succeeded";
    if meta.deletion_timestamp.is_some() && !ended {
        page.put(0, format_args!("Status:\tTerminating (lasts {})\n", since(meta.deletion_timestamp, now)));
        let grace_s = meta.deletion_grace_period_seconds.unwrap_or_default();
        page.put(0, format_args!("Termination Grace Period:\t{grace_s}s\n"));
    } else {
        page.field(0, "Status", &status.phase);
    }
    if !status.reason.is_empty() {
        page.field(0, "Reason", &status.reason);
    }
    if !status.message.is_empty() {
        page.field(0, "Message", &status.message);
    }
    if let Some(profile) = pod.spec.security_context.as_ref().and_then(|c| c.seccomp_profile.as_ref()) {
        seccomp(page, 0, 0, profile);
    }
    page.field(0, "IP", &status.pod_ip);
    if status.pod_ips.is_empty() {
        page.field(0, "IPs", "<none>");
    } else {
        page.put(0, format_args!("IPs:\n"));
        for ip in &status.pod_ips {
            page.field(1, "IP", &ip.ip);
        }
    }
    if let Some(owner) = controller(meta) {
        page.put(0, format_args!("Controlled By:\t{}/{}\n", owner.kind, owner.name));
    }
    if !status.nominated_node_name.is_empty() {
        page.field(0, "NominatedNodeName", &status.nominated_node_name);
    }
}

fn conditions(page: &mut Page, pod: &Pod) {
    let conditions = &pod.status.conditions;
    if !pod.spec.readiness_gates.is_empty() {
        page.put(0, format_args!("Readiness Gates:\n  Type\tStatus\n"));
        for gate in &pod.spec.readiness_gates {
            let status = conditions.iter().find(|c| c.type_ == gate.condition_type).map_or("<none>", |c| &c.status);
            page.put(1, format_args!("{} \t{status} \n", gate.condition_type));
        }
    }
    if !conditions.is_empty() {
        page.put(0, format_args!("Conditions:\n  Type\tStatus\n"));
        for condition in conditions {
            page.put(1, format_args!("{} \t{} \n", condition.type_, condition.status));
        }
    }
}

/// What an ephemeral container has in common with others.
fn common(container: &EphemeralContainer) -> Container {
    let from = container.clone();
    Container {
        name: from.name,
        image: from.image,
        command: from.command,
        args: from.args,
        ports: from.ports,
        env_from: from.env_from,
        env: from.env,
        resources: from.resources,
        volume_mounts: from.volume_mounts,
        volume_devices: from.volume_devices,
        liveness_probe: from.liveness_probe,
        readiness_probe: from.readiness_probe,
        startup_probe: from.startup_probe,
        security_context: from.security_context,
        ..Container::default()
    }
}

/// Taints that pods put up with, by key, one a line.
pub fn tolerations(page: &mut Page, title: &str, tolerations: &[Toleration]) {
    page.put(0, format_args!("{title}:\t"));
    if tolerations.is_empty() {
        return page.put(0, format_args!("<none>\n"));
    }
    let mut sorted: Vec<&Toleration> = tolerations.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    for (i, toleration) in sorted.into_iter().enumerate() {
        let tab = if i > 0 { "\t" } else { "" };
        page.put(0, format_args!("{tab}{}\n", tolerated(toleration)));
    }
}

fn tolerated(toleration: &Toleration) -> String {
    let mut text = toleration.key.clone();
    if !toleration.value.is_empty() {
        text.push('=');
        text.push_str(&toleration.value);
    }
    if !toleration.effect.is_empty() {
        text.push(':');
        text.push_str(&toleration.effect);
    }
    if toleration.operator == "Exists" && toleration.value.is_empty() {
        // Without key and effect it stands for everything, and alone.
        text.push_str(if text.is_empty() { "op=Exists" } else { " op=Exists" });
    }
    if let Some(seconds) = toleration.toleration_seconds {
        text.push_str(&format!(" for {seconds}s"));
    }
    text
}

/// How pods are to be spread, by label key, one a line.
pub fn spread_constraints(page: &mut Page, constraints: &[TopologySpreadConstraint], space: &str) {
    if constraints.is_empty() {
        return;
    }
    let mut sorted: Vec<&TopologySpreadConstraint> = constraints.iter().collect();
    sorted.sort_by(|a, b| a.topology_key.cmp(&b.topology_key));
    page.put(0, format_args!("{space}Topology Spread Constraints:\t"));
    for (i, constraint) in sorted.into_iter().enumerate() {
        if i > 0 {
            page.put(0, format_args!("{space}\t"));
        }
        let (key, otherwise, skew) = (&constraint.topology_key, &constraint.when_unsatisfiable, constraint.max_skew);
        let selector = constraint.label_selector.as_ref().map_or_else(String::new, |s| format!(" for selector {s}"));
        page.put(0, format_args!("{key}:{otherwise} when max skew {skew} is exceeded{selector}\n"));
    }
}
