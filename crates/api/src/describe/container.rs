//! Containers and what was observed of them to lines of a description.

use crate::core::container::{Container, ContainerPort, ResourceRequirements};
use crate::core::pod_status::{ContainerState, ContainerStatus};
use crate::core::probe::{HTTPGetAction, Probe};
use crate::core::security::SeccompProfile;
use crate::describe::env::{variables, variables_from};
use crate::describe::page::{Page, or_none, stamp, truth};
use crate::meta::object_meta::ObjectMeta;

/// Containers under a title; `pod` is the metadata of the pod that runs them, if one does. `space` stands before the
/// title, and then one space before each name.
pub fn containers(
    page: &mut Page,
    title: &str,
    containers: &[Container],
    statuses: &[ContainerStatus],
    pod: Option<&ObjectMeta>,
    space: &str,
) {
    let none = if containers.is_empty() { " <none>" } else { "" };
    page.put(0, format_args!("{space}{title}:{none}\n"));
    let indent = if space.is_empty() { "" } else { " " };
    for container in containers {
        // Of two statuses of one name the last one counts.
        let status = statuses.iter().rev().find(|status| status.name == container.name);
        page.put(1, format_args!("{indent}{}:\n", container.name));
        basics(page, container, status);
        lines(page, "Command", &container.command);
        lines(page, "Args", &container.args);
        if let Some(status) = status {
            observed(page, status);
        }
        resources(page, &container.resources, 2);
        for (title, given) in [
            ("Liveness", &container.liveness_probe),
            ("Readiness", &container.readiness_probe),
            ("Startup", &container.startup_probe),
        ] {
            if let Some(given) = given {
                page.field(2, title, probe(given));
            }
        }
        variables_from(page, &container.env_from);
        variables(page, container, pod);
        mounts(page, container);
    }
}

fn basics(page: &mut Page, container: &Container, status: Option<&ContainerStatus>) {
    if let Some(status) = status {
        page.field(2, "Container ID", &status.container_id);
    }
    page.field(2, "Image", &container.image);
    if let Some(status) = status {
        page.field(2, "Image ID", &status.image_id);
    }
    let list = |number: fn(&ContainerPort) -> i32| -> String {
        let texts: Vec<String> = container.ports.iter().map(|p| format!("{}/{}", number(p), p.protocol)).collect();
        texts.join(", ")
    };
    for (one, many, ports) in
        [("Port", "Ports", list(|p| p.container_port)), ("Host Port", "Host Ports", list(|p| p.host_port))]
    {
        page.field(2, if ports.contains(',') { many } else { one }, or_none(&ports));
    }
    if let Some(profile) = container.security_context.as_ref().and_then(|c| c.seccomp_profile.as_ref()) {
        seccomp(page, 2, 3, profile);
    }
}

fn lines(page: &mut Page, title: &str, words: &[String]) {
    if words.is_empty() {
        return;
    }
    page.put(2, format_args!("{title}:\n"));
    for line in words.iter().flat_map(|word| word.split('\n')) {
        page.put(3, format_args!("{line}\n"));
    }
}

fn observed(page: &mut Page, status: &ContainerStatus) {
    state(page, "State", &status.state);
    if status.last_state.terminated.is_some() {
        state(page, "Last State", &status.last_state);
    }
    page.field(2, "Ready", truth(status.ready));
    page.field(2, "Restart Count", status.restart_count);
}

fn state(page: &mut Page, title: &str, state: &ContainerState) {
    if let Some(running) = &state.running {
        page.field(2, title, "Running");
        return page.field(3, "Started", stamp(running.started_at));
    }
    if let (None, Some(ended)) = (&state.waiting, &state.terminated) {
        page.field(2, title, "Terminated");
        if !ended.reason.is_empty() {
            page.field(3, "Reason", &ended.reason);
        }
        if !ended.message.is_empty() {
            page.field(3, "Message", &ended.message);
        }
        page.field(3, "Exit Code", ended.exit_code);
        if ended.signal > 0 {
            page.field(3, "Signal", ended.signal);
        }
        page.field(3, "Started", stamp(ended.started_at));
        return page.field(3, "Finished", stamp(ended.finished_at));
    }
    page.field(2, title, "Waiting");
    if let Some(waiting) = state.waiting.as_ref().filter(|waiting| !waiting.reason.is_empty()) {
        page.field(3, "Reason", &waiting.reason);
    }
}

/// Limits and requests.
pub fn resources(page: &mut Page, resources: &ResourceRequirements, level: usize) {
    for (title, amounts) in [("Limits", &resources.limits), ("Requests", &resources.requests)] {
        if !amounts.is_empty() {
            page.put(level, format_args!("{title}:\n"));
        }
        for (name, amount) in amounts {
            page.field(level + 1, name, amount);
        }
    }
}

/// A probe in a line.
fn probe(probe: &Probe) -> String {
    let rhythm = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        probe.initial_delay_seconds,
        probe.timeout_seconds,
        probe.period_seconds,
        probe.success_threshold,
        probe.failure_threshold,
    );
    if let Some(exec) = &probe.exec {
        format!("exec [{}] {rhythm}", exec.command.join(" "))
    } else if let Some(get) = &probe.http_get {
        format!("http-get {} {rhythm}", url(get))
    } else if let Some(tcp) = &probe.tcp_socket {
        format!("tcp-socket {}:{} {rhythm}", tcp.host, tcp.port)
    } else if let Some(grpc) = &probe.grpc {
        format!("grpc <pod>:{} {} {rhythm}", grpc.port, grpc.service.as_deref().unwrap_or_default())
    } else {
        format!("unknown {rhythm}")
    }
}

/// The address of an HTTP probe, with its path as Go's net/url writes it.
fn url(get: &HTTPGetAction) -> String {
    let scheme = get.scheme.to_lowercase();
    let port = get.port.to_string();
    let host = match get.host.contains([':', '%']) {
        _ if port.is_empty() => get.host.clone(),
        true => format!("[{}]:{port}", get.host),
        false => format!("{}:{port}", get.host),
    };
    let mut out = if scheme.is_empty() { String::new() } else { format!("{scheme}:") };
    out.push_str("//");
    out.push_str(&host);
    if !get.path.is_empty() && !get.path.starts_with('/') && !host.is_empty() {
        out.push('/');
    }
    for byte in get.path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn mounts(page: &mut Page, container: &Container) {
    let none = if container.volume_mounts.is_empty() { "\t<none>" } else { "" };
    page.put(2, format_args!("Mounts:{none}\n"));
    let mut mounts: Vec<_> = container.volume_mounts.iter().collect();
    mounts.sort_by(|a, b| a.mount_path.cmp(&b.mount_path));
    for mount in mounts {
        let mode = if mount.read_only { "ro" } else { "rw" };
        let path = match mount.sub_path.as_str() {
            "" => String::new(),
            path => format!(",path={path:?}"),
        };
        page.put(3, format_args!("{} from {} ({mode}{path})\n", mount.mount_path, mount.name));
    }
    if container.volume_devices.is_empty() {
        return;
    }
    page.put(2, format_args!("Devices:{none}\n"));
    let mut devices: Vec<_> = container.volume_devices.iter().collect();
    devices.sort_by(|a, b| a.device_path.cmp(&b.device_path));
    for device in devices {
        page.put(3, format_args!("{} from {}\n", device.device_path, device.name));
    }
}

/// A seccomp profile, and the file of a local one at its own level.
pub fn seccomp(page: &mut Page, level: usize, file_level: usize, profile: &SeccompProfile) {
    page.field(level, "SeccompProfile", &profile.type_);
    if profile.type_ == "Localhost" {
        page.field(file_level, "LocalhostProfile", profile.localhost_profile.as_deref().unwrap_or_default());
    }
}
