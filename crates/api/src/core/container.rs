//! Containers, their ports, resources and mounts.

use std::collections::BTreeMap;

use crate::core::env::{EnvFromSource, EnvVar};
use crate::core::probe::{Lifecycle, Probe};
use crate::core::security::SecurityContext;
use crate::quantity::Quantity;
use crate::schema::object::object;

object! {
    /// One container of a pod.
    pub struct Container {
        name: String = "name", 1, [];
        image: String = "image", 2, [omitempty];
        command: Vec<String> = "command", 3, [omitempty, list_atomic];
        args: Vec<String> = "args", 4, [omitempty, list_atomic];
        working_dir: String = "workingDir", 5, [omitempty];
        ports: Vec<ContainerPort> = "ports", 6, [omitempty, merge("containerPort"), list_map(&["containerPort", "protocol"])];
        env_from: Vec<EnvFromSource> = "envFrom", 19, [omitempty, list_atomic];
        env: Vec<EnvVar> = "env", 7, [omitempty, merge("name"), list_map(&["name"])];
        resources: ResourceRequirements = "resources", 8, [omitempty];
        resize_policy: Vec<ContainerResizePolicy> = "resizePolicy", 23, [omitempty, list_atomic];
        restart_policy: Option<String> = "restartPolicy", 24, [omitempty, go("v1.ContainerRestartPolicy")];
        restart_policy_rules: Vec<ContainerRestartRule> = "restartPolicyRules", 25, [omitempty, list_atomic];
        volume_mounts: Vec<VolumeMount> = "volumeMounts", 9, [omitempty, merge("mountPath"), list_map(&["mountPath"])];
        volume_devices: Vec<VolumeDevice> = "volumeDevices", 21, [omitempty, merge("devicePath"), list_map(&["devicePath"])];
        liveness_probe: Option<Probe> = "livenessProbe", 10, [omitempty];
        readiness_probe: Option<Probe> = "readinessProbe", 11, [omitempty];
        startup_probe: Option<Probe> = "startupProbe", 22, [omitempty];
        lifecycle: Option<Lifecycle> = "lifecycle", 12, [omitempty];
        termination_message_path: String = "terminationMessagePath", 13, [omitempty];
        termination_message_policy: String = "terminationMessagePolicy", 20, [omitempty, go("v1.TerminationMessagePolicy")];
        image_pull_policy: String = "imagePullPolicy", 14, [omitempty, go("v1.PullPolicy")];
        security_context: Option<SecurityContext> = "securityContext", 15, [omitempty];
        stdin: bool = "stdin", 16, [omitempty];
        stdin_once: bool = "stdinOnce", 17, [omitempty];
        tty: bool = "tty", 18, [omitempty];
    }

    /// A container added to a running pod for debugging.
    pub struct EphemeralContainer {
        name: String = "name", 1, [within(1)];
        image: String = "image", 2, [omitempty, within(1)];
        command: Vec<String> = "command", 3, [omitempty, within(1), list_atomic];
        args: Vec<String> = "args", 4, [omitempty, within(1), list_atomic];
        working_dir: String = "workingDir", 5, [omitempty, within(1)];
        ports: Vec<ContainerPort> = "ports", 6, [omitempty, within(1), merge("containerPort"), list_map(&["containerPort", "protocol"])];
        env_from: Vec<EnvFromSource> = "envFrom", 19, [omitempty, within(1), list_atomic];
        env: Vec<EnvVar> = "env", 7, [omitempty, within(1), merge("name"), list_map(&["name"])];
        resources: ResourceRequirements = "resources", 8, [omitempty, within(1)];
        resize_policy: Vec<ContainerResizePolicy> = "resizePolicy", 23, [omitempty, within(1), list_atomic];
        restart_policy: Option<String> = "restartPolicy", 24, [omitempty, go("v1.ContainerRestartPolicy"), within(1)];
        restart_policy_rules: Vec<ContainerRestartRule> = "restartPolicyRules", 25, [omitempty, within(1), list_atomic];
        volume_mounts: Vec<VolumeMount> = "volumeMounts", 9, [omitempty, within(1), merge("mountPath"), list_map(&["mountPath"])];
        volume_devices: Vec<VolumeDevice> = "volumeDevices", 21, [omitempty, within(1), merge("devicePath"), list_map(&["devicePath"])];
        liveness_probe: Option<Probe> = "livenessProbe", 10, [omitempty, within(1)];
        readiness_probe: Option<Probe> = "readinessProbe", 11, [omitempty, within(1)];
        startup_probe: Option<Probe> = "startupProbe", 22, [omitempty, within(1)];
        lifecycle: Option<Lifecycle> = "lifecycle", 12, [omitempty, within(1)];
        termination_message_path: String = "terminationMessagePath", 13, [omitempty, within(1)];
        termination_message_policy: String = "terminationMessagePolicy", 20, [omitempty, go("v1.TerminationMessagePolicy"), within(1)];
        image_pull_policy: String = "imagePullPolicy", 14, [omitempty, go("v1.PullPolicy"), within(1)];
        security_context: Option<SecurityContext> = "securityContext", 15, [omitempty, within(1)];
        stdin: bool = "stdin", 16, [omitempty, within(1)];
        stdin_once: bool = "stdinOnce", 17, [omitempty, within(1)];
        tty: bool = "tty", 18, [omitempty, within(1)];
        target_container_name: String = "targetContainerName", 2, [omitempty];
    }

    /// A port that a container listens on.
    pub struct ContainerPort {
        name: String = "name", 1, [omitempty];
        host_port: i32 = "hostPort", 2, [omitempty];
        container_port: i32 = "containerPort", 3, [];
        protocol: String = "protocol", 4, [omitempty, go("v1.Protocol")];
        host_ip: String = "hostIP", 5, [omitempty];
    }

    /// Compute resources asked for, and their limits.
    pub struct ResourceRequirements {
        limits: BTreeMap<String, Quantity> = "limits", 1, [omitempty, go("v1.ResourceList")];
        requests: BTreeMap<String, Quantity> = "requests", 2, [omitempty, go("v1.ResourceList")];
        claims: Vec<ResourceClaim> = "claims", 3, [omitempty, list_map(&["name"])];
    }

    /// A claim of the pod that a container uses.
    pub struct ResourceClaim {
        name: String = "name", 1, [];
        request: String = "request", 2, [omitempty];
    }

    /// Whether a change of a resource restarts the container.
    pub struct ContainerResizePolicy {
        resource_name: String = "resourceName", 1, [go("v1.ResourceName")];
        restart_policy: String = "restartPolicy", 2, [go("v1.ResourceResizeRestartPolicy")];
    }

    /// What an exit of the container leads to.
    pub struct ContainerRestartRule {
        action: String = "action", 1, [omitempty, required, go("v1.ContainerRestartRuleAction")];
        exit_codes: Option<ContainerRestartRuleOnExitCodes> = "exitCodes", 2, [omitempty];
    }

    /// Exit codes that a rule matches.
    pub struct ContainerRestartRuleOnExitCodes {
        operator: String = "operator", 1, [omitempty, required, go("v1.ContainerRestartRuleOnExitCodesOperator")];
        values: Vec<i32> = "values", 2, [omitempty, list_set];
    }

    /// Where a volume appears in a container.
    pub struct VolumeMount {
        name: String = "name", 1, [];
        read_only: bool = "readOnly", 2, [omitempty];
        recursive_read_only: Option<String> = "recursiveReadOnly", 7, [omitempty, go("v1.RecursiveReadOnlyMode")];
        mount_path: String = "mountPath", 3, [];
        sub_path: String = "subPath", 4, [omitempty];
        mount_propagation: Option<String> = "mountPropagation", 5, [omitempty, go("v1.MountPropagationMode")];
        sub_path_expr: String = "subPathExpr", 6, [omitempty];
    }

    /// Where a raw block device appears in a container.
    pub struct VolumeDevice {
        name: String = "name", 1, [];
        device_path: String = "devicePath", 2, [];
    }
}
