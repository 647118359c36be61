//! A pod's status → its health, with the reason of the first container that holds it up.

use masthead_api::core::pod::Pod;
use masthead_api::core::pod_status::{ContainerState, ContainerStatus};

use crate::health::verdict::Health;
use crate::workload::pods::{condition, is_ready};

/// Reasons of waiting that no waiting cures: somebody has to change something.
const STUCK: [&str; 10] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RegistryUnavailable",
    "RunContainerError",
];

/// The health of a pod.
pub fn assess(pod: &Pod) -> Health {
    let status = &pod.status;
    match status.phase.as_str() {
        "Succeeded" => return Health::Healthy,
        "Failed" => return failed(pod),
        _ => {}
    }
    // A status without the number is older than the number.
    if (1..pod.metadata.generation).contains(&status.observed_generation) {
        return Health::progressing("its node has yet to see the change");
    }
    if is_ready(pod) {
        return Health::Healthy;
    }
    let statuses = || status.init_container_statuses.iter().chain(&status.container_statuses);
    if let Some(stuck) = statuses().find_map(stuck) {
        return stuck;
    }
    if pod.spec.node_name.is_empty() {
        return match condition(pod, "PodScheduled").filter(|c| c.status == "False" && !c.message.is_empty()) {
            Some(c) => Health::progressing(format!("not scheduled: {}", c.message)),
            None => Health::progressing("waits for a node"),
        };
    }
    if let Some(waiting) = statuses().find_map(|s| Some((s, s.state.waiting.as_ref()?))) {
        let (status, waiting) = waiting;
        return Health::progressing(format!("container {}: {}", status.name, text(&waiting.reason, &waiting.message)));
    }
    match statuses().find(|s| !s.ready && s.state.running.is_some()) {
        Some(status) if status.started == Some(false) => {
            Health::progressing(format!("container {} has not started yet", status.name))
        }
        Some(status) => Health::progressing(format!("container {} is not ready", status.name)),
        None => Health::progressing(format!(
            "{}, not ready",
            if status.phase.is_empty() { "Pending" } else { &status.phase }
        )),
    }
}

fn failed(pod: &Pod) -> Health {
    let status = &pod.status;
    if !status.reason.is_empty() || !status.message.is_empty() {
        return Health::failed(or(&status.reason, "Failed"), status.message.clone());
    }
    let ended = status.container_statuses.iter().find_map(|s| Some((s, ended(&s.state)?)));
    match ended {
        Some((container, (reason, how))) => Health::failed(reason, format!("container {} {how}", container.name)),
        None => Health::failed("Failed", ""),
    }
}

/// A container that waits for something that will not come by itself.
fn stuck(status: &ContainerStatus) -> Option<Health> {
    let waiting = status.state.waiting.as_ref().filter(|w| STUCK.contains(&w.reason.as_str()))?;
    let mut message = format!("container {}", status.name);
    if !waiting.message.is_empty() {
        message.push_str(": ");
        message.push_str(&waiting.message);
    }
    if let Some((reason, how)) = ended(&status.last_state) {
        message.push_str(&format!("; it last {how}"));
        if reason != "Error" && reason != "Completed" {
            message.push_str(&format!(" ({reason})"));
        }
    }
    Some(Health::failed(waiting.reason.clone(), message))
}

/// How a container ended: the reason, and `exited with code 1` or `was killed by signal 9`.
fn ended(state: &ContainerState) -> Option<(String, String)> {
    let end = state.terminated.as_ref()?;
    if end.exit_code == 0 && end.signal == 0 && end.reason != "OOMKilled" {
        return Some((or(&end.reason, "Completed"), "exited with code 0".to_owned()));
    }
    let how = match end.signal {
        0 => format!("exited with code {}", end.exit_code),
        signal => format!("was killed by signal {signal}"),
    };
    let how = if end.message.is_empty() { how } else { format!("{how}: {}", end.message.trim()) };
    Some((or(&end.reason, "Error"), how))
}

fn or(text: &str, default: &str) -> String {
    if text.is_empty() { default.to_owned() } else { text.to_owned() }
}

fn text(reason: &str, message: &str) -> String {
    match (reason.is_empty(), message.is_empty()) {
        (false, false) => format!("{reason}: {message}"),
        (false, true) => reason.to_owned(),
        (true, _) => or(message, "waiting"),
    }
}
