//! Records and states into the messages CRI answers with.

use std::collections::HashMap;

use crate::runtime::embedded::held::{Container, State};
use crate::runtime::embedded::record::{ContainerRecord, SandboxRecord};
use crate::runtime::v1;

/// A sandbox in a list.
pub fn sandbox(record: &SandboxRecord, boot_id: &str) -> v1::PodSandbox {
    v1::PodSandbox {
        id: record.id.clone(),
        metadata: record.config.metadata.clone(),
        state: sandbox_state(record, boot_id).into(),
        created_at: record.created_at,
        labels: record.config.labels.clone(),
        annotations: record.config.annotations.clone(),
        runtime_handler: record.runtime_handler.clone(),
    }
}

/// A sandbox of an earlier boot has lost its namespaces.
fn sandbox_state(record: &SandboxRecord, boot_id: &str) -> v1::PodSandboxState {
    if record.stopped || record.boot_id != boot_id {
        v1::PodSandboxState::SandboxNotready
    } else {
        v1::PodSandboxState::SandboxReady
    }
}

/// A sandbox's status.
pub fn sandbox_status(record: &SandboxRecord, boot_id: &str) -> v1::PodSandboxStatus {
    let options = record
        .config
        .linux
        .as_ref()
        .and_then(|linux| linux.security_context.as_ref())
        .and_then(|security| security.namespace_options.clone());
    let mut ips = record.ips.iter().cloned();
    let network = v1::PodSandboxNetworkStatus {
        ip: ips.next().unwrap_or_default(),
        additional_ips: ips.map(|ip| v1::PodIp { ip }).collect(),
    };
    v1::PodSandboxStatus {
        id: record.id.clone(),
        metadata: record.config.metadata.clone(),
        state: sandbox_state(record, boot_id).into(),
        created_at: record.created_at,
        network: Some(network),
        linux: Some(v1::LinuxPodSandboxStatus { namespaces: Some(v1::Namespace { options }) }),
        labels: record.config.labels.clone(),
        annotations: record.config.annotations.clone(),
        runtime_handler: record.runtime_handler.clone(),
    }
}

const fn container_state(state: &State) -> v1::ContainerState {
    match state {
        State::Created => v1::ContainerState::ContainerCreated,
        State::Running { .. } => v1::ContainerState::ContainerRunning,
        State::Exited { .. } => v1::ContainerState::ContainerExited,
    }
}

/// A container in a list.
pub fn container(record: &ContainerRecord, state: &State) -> v1::Container {
    v1::Container {
        id: record.id.clone(),
        pod_sandbox_id: record.sandbox_id.clone(),
        metadata: record.config.metadata.clone(),
        image: record.config.image.clone(),
        image_ref: record.image_ref.clone(),
        state: container_state(state).into(),
        created_at: record.created_at,
        labels: record.config.labels.clone(),
        annotations: record.config.annotations.clone(),
        image_id: record.image_id.clone(),
    }
}

/// A container's status.
pub fn container_status(container: &Container) -> v1::ContainerStatus {
    let (state, user) = (&container.state(), container.user());
    let record = &*container.record();
    let config = &record.config;
    let resources = config.linux.as_ref().and_then(|linux| linux.resources.clone());
    let mut status = v1::ContainerStatus {
        id: record.id.clone(),
        metadata: config.metadata.clone(),
        state: container_state(state).into(),
        created_at: record.created_at,
        image: config.image.clone(),
        image_ref: record.image_ref.clone(),
        image_id: record.image_id.clone(),
        labels: config.labels.clone(),
        annotations: config.annotations.clone(),
        mounts: config.mounts.clone(),
        log_path: record.log_path.clone(),
        resources: Some(v1::ContainerResources { linux: resources }),
        stop_signal: config.stop_signal,
        user: user.map(|linux| v1::ContainerUser { linux: Some(linux) }),
        ..Default::default()
    };
    match state {
        State::Created => {}
        State::Running { started_at, .. } => status.started_at = *started_at,
        State::Exited { record, .. } => {
            status.started_at = record.started_at;
            status.finished_at = record.finished_at;
            status.exit_code = record.exit_code;
            status.reason.clone_from(&record.reason);
            status.message.clone_from(&record.message);
        }
    }
    status
}

/// Whether labels hold all that a selector names.
pub fn selected(labels: &HashMap<String, String>, selector: &HashMap<String, String>) -> bool {
    selector.iter().all(|(name, value)| labels.get(name) == Some(value))
}

/// Whether a text is what a filter names; an empty filter takes all.
pub fn named(text: &str, wanted: &str) -> bool {
    wanted.is_empty() || text == wanted
}
