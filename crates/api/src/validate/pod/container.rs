//! Containers of all three sorts to faults.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::container::{
    Container, ContainerPort, ContainerResizePolicy, ContainerRestartRule, ResourceRequirements, VolumeMount,
};
use crate::core::pod::PodSpec;
use crate::core::volume::Volume;
use crate::validate::error::Errors;
use crate::validate::name;
use crate::validate::path::Path;
use crate::validate::pod::common::{Common, PULL_POLICIES};
use crate::validate::pod::env::{validate_env, validate_env_from};
use crate::validate::pod::place::validate_descending_path;
use crate::validate::pod::probe::{Role, validate_lifecycle, validate_probe};
use crate::validate::pod::security;
use crate::validate::resource::{Holder, validate_requirements};

const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];
/// Rules of one container about its exit codes.
const RESTART_RULES_MAX: usize = 20;
/// Exit codes of one such rule.
const EXIT_CODES_MAX: usize = 255;
const RULES_NEED_POLICY: &str = "must specify restartPolicy when restart rules are used";
const RESTART_POLICIES: &[&str] = &["Always", "Never", "OnFailure"];

/// What of a pod its containers are judged by.
pub struct Context<'a> {
    /// The pod.
    pub spec: &'a PodSpec,
    /// Its valid volumes.
    pub volumes: BTreeMap<&'a str, &'a Volume>,
    /// Names of its device claims.
    pub claims: BTreeSet<&'a str>,
}

impl Context<'_> {
    fn host_users(&self) -> bool {
        self.spec.host_users != Some(false)
    }
}

/// All containers of a pod.
pub fn validate_containers(path: &Path<'_>, context: &Context<'_>, errors: &mut Errors) {
    validate_regular(&path.child("containers"), context, errors);
    validate_init(&path.child("initContainers"), context, errors);
    validate_ephemeral(&path.child("ephemeralContainers"), context, errors);
}

fn validate_regular(path: &Path<'_>, context: &Context<'_>, errors: &mut Errors) {
    let containers = &context.spec.containers;
    if containers.is_empty() {
        return errors.required(path, "");
    }
    let mut names = BTreeSet::new();
    for (i, container) in containers.iter().enumerate() {
        let at = path.index(i);
        validate_common(&at, container.into(), context, errors);
        if !names.insert(container.name.as_str()) {
            errors.duplicate(&at.child("name"), &container.name);
        }
        validate_running(&at, container, context, errors);
        validate_restart(&at, container, errors);
    }
    validate_host_ports(path, containers.iter().enumerate(), errors);
}

/// Hooks and probes, which only containers have that run along with the pod.
fn validate_running(path: &Path<'_>, container: &Container, context: &Context<'_>, errors: &mut Errors) {
    if let Some(lifecycle) = &container.lifecycle {
        validate_lifecycle(&path.child("lifecycle"), lifecycle, context.spec.termination_grace_period_seconds, errors);
    }
    for (field, probe, role) in [
        ("livenessProbe", &container.liveness_probe, Role::Liveness),
        ("readinessProbe", &container.readiness_probe, Role::Readiness),
        ("startupProbe", &container.startup_probe, Role::Startup),
    ] {
        validate_probe(&path.child(field), probe.as_ref(), role, errors);
    }
}

fn validate_restart(path: &Path<'_>, container: &Container, errors: &mut Errors) {
    let at = path.child("restartPolicy");
    match &container.restart_policy {
        None if !container.restart_policy_rules.is_empty() => {
            errors.required(&at, RULES_NEED_POLICY);
        }
        None => {}
        Some(policy) => errors.one_of(&at, policy, RESTART_POLICIES),
    }
    let rules = path.child("restartPolicyRules");
    if container.restart_policy_rules.len() > RESTART_RULES_MAX {
        errors.too_many(&rules, container.restart_policy_rules.len(), RESTART_RULES_MAX);
    }
    for (i, rule) in container.restart_policy_rules.iter().enumerate() {
        validate_restart_rule(&rules.index(i), rule, errors);
    }
}

fn validate_restart_rule(path: &Path<'_>, rule: &ContainerRestartRule, errors: &mut Errors) {
    errors.one_of(&path.child("action"), &rule.action, &["Restart", "RestartAllContainers"]);
    let codes_at = path.child("exitCodes");
    let Some(codes) = &rule.exit_codes else { return errors.required(&codes_at, "must be specified") };
    errors.one_of(&codes_at.child("operator"), &codes.operator, &["In", "NotIn"]);
    if codes.values.len() > EXIT_CODES_MAX {
        errors.too_many(&codes_at.child("values"), codes.values.len(), EXIT_CODES_MAX);
    }
}

fn validate_init(path: &Path<'_>, context: &Context<'_>, errors: &mut Errors) {
    let mut names: BTreeSet<&str> = context.spec.containers.iter().map(|c| c.name.as_str()).collect();
    for (i, container) in context.spec.init_containers.iter().enumerate() {
        let at = path.index(i);
        validate_common(&at, container.into(), context, errors);
        if container.restart_policy.is_some() {
            validate_restart(&at, container, errors);
        } else if !container.restart_policy_rules.is_empty() {
            errors.required(&at.child("restartPolicy"), RULES_NEED_POLICY);
        }
        if names.contains(container.name.as_str()) {
            errors.duplicate(&at.child("name"), &container.name);
        } else if !container.name.is_empty() {
            names.insert(&container.name);
        }
        // They run one by one, so that each is judged alone; Kubernetes then reports it as the first.
        validate_host_ports(path, std::iter::once((0, container)), errors);
        if container.restart_policy.as_deref() == Some("Always") {
            validate_running(&at, container, context, errors);
            continue;
        }
        for (field, set) in [
            ("lifecycle", container.lifecycle.is_some()),
            ("livenessProbe", container.liveness_probe.is_some()),
            ("readinessProbe", container.readiness_probe.is_some()),
            ("startupProbe", container.startup_probe.is_some()),
        ] {
            if set {
                errors.forbidden(&at.child(field), "may not be set for init containers without restartPolicy=Always");
            }
        }
        let list = at.child("resizePolicy");
        for (j, policy) in container.resize_policy.iter().enumerate() {
            if policy.restart_policy == "RestartContainer" {
                let element = list.index(j);
                let detail = "must not be set to 'RestartContainer' for non-sidecar initContainers";
                errors.invalid_named(&element.child("restartPolicy"), &policy.restart_policy, detail);
            }
        }
    }
}

fn validate_ephemeral(path: &Path<'_>, context: &Context<'_>, errors: &mut Errors) {
    const DETAIL: &str = "cannot be set for an Ephemeral Container";
    let others: BTreeSet<&str> =
        context.spec.containers.iter().chain(&context.spec.init_containers).map(|c| c.name.as_str()).collect();
    let mut names = others.clone();
    for (i, container) in context.spec.ephemeral_containers.iter().enumerate() {
        let at = path.index(i);
        validate_common(&at, container.into(), context, errors);
        validate_image_edges(&at, &container.image, errors);
        if !names.insert(container.name.as_str()) {
            errors.duplicate(&at.child("name"), &container.name);
        }
        let target = container.target_container_name.as_str();
        if !target.is_empty() && !others.contains(target) {
            errors.not_found(&at.child("targetContainerName"), target, "");
        }
        for (field, set) in [
            ("ports", !container.ports.is_empty()),
            ("resources", container.resources != ResourceRequirements::default()),
            ("resizePolicy", !container.resize_policy.is_empty()),
            ("restartPolicy", container.restart_policy.is_some()),
            ("restartPolicyRules", !container.restart_policy_rules.is_empty()),
            ("livenessProbe", container.liveness_probe.is_some()),
            ("readinessProbe", container.readiness_probe.is_some()),
            ("startupProbe", container.startup_probe.is_some()),
            ("lifecycle", container.lifecycle.is_some()),
        ] {
            if set {
                errors.forbidden(&at.child(field), DETAIL);
            }
        }
        let mounts = at.child("volumeMounts");
        for (j, mount) in container.volume_mounts.iter().enumerate() {
            let at = mounts.index(j);
            for (field, value) in [("subPath", &mount.sub_path), ("subPathExpr", &mount.sub_path_expr)] {
                if !value.is_empty() {
                    errors.forbidden(&at.child(field), DETAIL);
                }
            }
        }
    }
}

fn validate_common(path: &Path<'_>, c: Common<'_>, context: &Context<'_>, errors: &mut Errors) {
    if !errors.required_text(&path.child("name"), c.name) {
        errors.invalid_each(&path.child("name"), c.name, name::dns_label(c.name));
    }
    errors.required_text(&path.child("image"), c.image);
    let policies = &["File", "FallbackToLogsOnError"];
    errors.required_one_of(&path.child("terminationMessagePolicy"), c.termination_message_policy, policies);
    validate_ports(&path.child("ports"), c.ports, errors);
    validate_env(&path.child("env"), c.env, errors);
    validate_env_from(&path.child("envFrom"), c.env_from, errors);
    validate_mounts(&path.child("volumeMounts"), c, context, errors);
    validate_devices(&path.child("volumeDevices"), c, context, errors);
    errors.required_one_of(&path.child("imagePullPolicy"), c.image_pull_policy, PULL_POLICIES);
    validate_requirements(&path.child("resources"), c.resources, &context.claims, Holder::Container, errors);
    validate_resize(&path.child("resizePolicy"), c.resize_policy, &context.spec.restart_policy, errors);
    if let Some(security) = c.security_context {
        security::validate_container(&path.child("securityContext"), security, context.host_users(), errors);
    }
}

fn validate_ports(path: &Path<'_>, ports: &[ContainerPort], errors: &mut Errors) {
    let mut names = BTreeSet::new();
    for (i, port) in ports.iter().enumerate() {
        let at = path.index(i);
        let name_at = at.child("name");
        if !port.name.is_empty() {
            let faults = name::port_name(&port.name);
            if !faults.is_empty() {
                errors.invalid_each(&name_at, &port.name, faults);
            } else if !names.insert(port.name.as_str()) {
                errors.duplicate(&name_at, &port.name);
            }
        }
        if port.container_port == 0 {
            errors.required(&at.child("containerPort"), "");
        } else {
            errors.port(&at.child("containerPort"), port.container_port);
        }
        if port.host_port != 0 {
            errors.port(&at.child("hostPort"), port.host_port);
        }
        errors.required_one_of(&at.child("protocol"), &port.protocol, PROTOCOLS);
    }
}

fn validate_host_ports<'c>(
    path: &Path<'_>,
    containers: impl Iterator<Item = (usize, &'c Container)>,
    errors: &mut Errors,
) {
    let mut taken = BTreeSet::new();
    for (i, container) in containers {
        let element = path.index(i);
        let ports = element.child("ports");
        for (j, port) in container.ports.iter().enumerate().filter(|(_, port)| port.host_port != 0) {
            let this = format!("{}/{}/{}", port.protocol, port.host_ip, port.host_port);
            if taken.contains(&this) {
                errors.duplicate(&ports.index(j).child("hostPort"), &this);
            }
            taken.insert(this);
        }
    }
}

fn validate_mounts(path: &Path<'_>, c: Common<'_>, context: &Context<'_>, errors: &mut Errors) {
    let mut points = BTreeSet::new();
    for (i, mount) in c.volume_mounts.iter().enumerate() {
        let at = path.index(i);
        let (name_at, point_at) = (at.child("name"), at.child("mountPath"));
        errors.required_text(&name_at, &mount.name);
        let volume = context.volumes.get(mount.name.as_str());
        if volume.is_none() {
            errors.not_found(&name_at, &mount.name, "");
        }
        errors.required_text(&point_at, &mount.mount_path);
        if !points.insert(mount.mount_path.as_str()) {
            errors.invalid(&point_at, &mount.mount_path, "must be unique");
        }
        if c.volume_devices.iter().any(|d| d.name == mount.name) {
            errors.invalid(&name_at, &mount.name, "must not already exist in volumeDevices");
        }
        if c.volume_devices.iter().any(|d| d.device_path == mount.mount_path) {
            errors.invalid(&point_at, &mount.mount_path, "must not already exist as a path in volumeDevices");
        }
        // From here on Kubernetes leaves the index out of the path.
        if !mount.sub_path.is_empty() {
            validate_descending_path(&path.child("subPath"), &mount.sub_path, errors);
        }
        if !mount.sub_path_expr.is_empty() {
            if !mount.sub_path.is_empty() {
                let detail = "subPathExpr and subPath are mutually exclusive";
                errors.invalid(&at.child("subPathExpr"), &mount.sub_path_expr, detail);
            }
            validate_descending_path(&path.child("subPathExpr"), &mount.sub_path_expr, errors);
        }
        validate_mount_modes(path, mount, c, errors);
    }
}

fn validate_mount_modes(path: &Path<'_>, mount: &VolumeMount, c: Common<'_>, errors: &mut Errors) {
    if let Some(propagation) = &mount.mount_propagation {
        let at = path.child("mountPropagation");
        errors.one_of(&at, propagation, &["Bidirectional", "HostToContainer", "None"]);
        if propagation == "Bidirectional" && c.security_context.and_then(|s| s.privileged) != Some(true) {
            errors.forbidden(&at, "Bidirectional mount propagation is available only to privileged containers");
        }
    }
    let Some(recursive) = &mount.recursive_read_only else { return };
    let at = path.child("recursiveReadOnly");
    match recursive.as_str() {
        "Disabled" => {}
        "Enabled" | "IfPossible" => {
            if !mount.read_only {
                errors.forbidden(&at, "may only be specified when readOnly is true");
            }
            if mount.mount_propagation.as_deref().is_some_and(|p| p != "None") {
                errors.forbidden(&at, "may only be specified when mountPropagation is None or not specified");
            }
        }
        other => errors.not_supported(&at, other, &["Disabled", "Enabled", "IfPossible"]),
    }
}

fn validate_devices(path: &Path<'_>, c: Common<'_>, context: &Context<'_>, errors: &mut Errors) {
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for (i, device) in c.volume_devices.iter().enumerate() {
        let at = path.index(i);
        let (name_at, path_at) = (at.child("name"), at.child("devicePath"));
        errors.required_text(&name_at, &device.name);
        if names.contains(&device.name) {
            errors.invalid(&name_at, &device.name, "must be unique");
        }
        match context.volumes.get(device.name.as_str()) {
            None => errors.not_found(&name_at, &device.name, ""),
            Some(volume) if volume.persistent_volume_claim.is_none() && volume.ephemeral.is_none() => {
                let detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                errors.invalid(&name_at, &device.name, detail);
            }
            Some(_) => {}
        }
        errors.required_text(&path_at, &device.device_path);
        if paths.contains(&device.device_path) {
            errors.invalid(&path_at, &device.device_path, "must be unique");
        }
        if device.device_path.split('/').any(|part| part == "..") {
            errors.invalid(&path_at, &device.device_path, "can not contain backsteps ('..')");
        } else {
            paths.insert(&device.device_path);
        }
        if c.volume_mounts.iter().any(|m| m.name == device.name) {
            errors.invalid(&name_at, &device.name, "must not already exist in volumeMounts");
        }
        if c.volume_mounts.iter().any(|m| m.mount_path == device.device_path) {
            errors.invalid(&path_at, &device.device_path, "must not already exist as a path in volumeMounts");
        }
        if !device.name.is_empty() {
            names.insert(&device.name);
        }
    }
}

fn validate_resize(path: &Path<'_>, policies: &[ContainerResizePolicy], pod_policy: &str, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (i, policy) in policies.iter().enumerate() {
        if !seen.insert(policy.resource_name.as_str()) {
            errors.duplicate(&path.index(i), &policy.resource_name);
        }
        errors.required_one_of(path, &policy.resource_name, &["cpu", "memory"]);
        errors.required_one_of(path, &policy.restart_policy, &["NotRequired", "RestartContainer"]);
        if pod_policy == "Never" && policy.restart_policy != "NotRequired" {
            let detail = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
            errors.invalid_named(path, &policy.restart_policy, detail);
        }
    }
}

/// What only a pod must keep to, and a template need not: an image without spaces around it.
pub fn validate_image_edges(path: &Path<'_>, image: &str, errors: &mut Errors) {
    if image.trim() != image {
        errors.invalid(&path.child("image"), image, "must not have leading or trailing whitespace");
    }
}

/// With the node's network a host port is the container's own; a template may leave it out.
pub fn validate_host_network_ports(path: &Path<'_>, spec: &PodSpec, is_pod: bool, errors: &mut Errors) {
    if !spec.host_network {
        return;
    }
    let containers = path.child("containers");
    for (i, container) in spec.containers.iter().enumerate() {
        let element = containers.index(i);
        let ports = element.child("ports");
        for (j, port) in container.ports.iter().enumerate() {
            if (is_pod || port.host_port != 0) && port.host_port != port.container_port {
                let at = ports.index(j);
                let detail = "must match `containerPort` when `hostNetwork` is true";
                errors.invalid(&at.child("hostPort"), &port.host_port, detail);
            }
        }
    }
}
