//! The observed side of a pod, as JSON and as Rust.

use std::collections::BTreeMap;

use crate::core::container::ResourceRequirements;
use crate::meta::time::Time;
use crate::quantity::Quantity;
use crate::schema::object::object;

object! {
    /// What was observed of a pod.
    pub struct PodStatus {
        observed_generation: i64 = "observedGeneration", 17, [omitempty];
        phase: String = "phase", 1, [omitempty, go("v1.PodPhase")];
        conditions: Vec<PodCondition> = "conditions", 2, [omitempty, merge("type"), list_map(&["type"])];
        message: String = "message", 3, [omitempty];
        reason: String = "reason", 4, [omitempty];
        nominated_node_name: String = "nominatedNodeName", 11, [omitempty];
        host_ip: String = "hostIP", 5, [omitempty];
        host_ips: Vec<HostIP> = "hostIPs", 16, [omitempty, merge("ip"), list_atomic];
        pod_ip: String = "podIP", 6, [omitempty];
        pod_ips: Vec<PodIP> = "podIPs", 12, [omitempty, merge("ip"), list_map(&["ip"])];
        start_time: Option<Time> = "startTime", 7, [omitempty];
        init_container_statuses: Vec<ContainerStatus> = "initContainerStatuses", 10, [omitempty, list_atomic];
        container_statuses: Vec<ContainerStatus> = "containerStatuses", 8, [omitempty, list_atomic];
        qos_class: String = "qosClass", 9, [omitempty, go("v1.PodQOSClass")];
        ephemeral_container_statuses: Vec<ContainerStatus> = "ephemeralContainerStatuses", 13, [omitempty, list_atomic];
        resize: String = "resize", 14, [omitempty, go("v1.PodResizeStatus")];
        resource_claim_statuses: Vec<PodResourceClaimStatus> = "resourceClaimStatuses", 15, [omitempty, merge_retain_keys("name"), list_map(&["name"])];
        extended_resource_claim_status: Option<PodExtendedResourceClaimStatus> = "extendedResourceClaimStatus", 18, [omitempty];
        allocated_resources: BTreeMap<String, Quantity> = "allocatedResources", 19, [omitempty, go("v1.ResourceList")];
        resources: Option<ResourceRequirements> = "resources", 20, [omitempty];
        node_allocatable_resource_claim_statuses: Vec<NodeAllocatableResourceClaimStatus> = "nodeAllocatableResourceClaimStatuses", 21, [omitempty, merge("resourceClaimName"), list_atomic];
    }

    /// One aspect of a pod's state.
    pub struct PodCondition {
        type_: String = "type", 1, [go("v1.PodConditionType")];
        observed_generation: i64 = "observedGeneration", 7, [omitempty];
        status: String = "status", 2, [go("v1.ConditionStatus")];
        last_probe_time: Option<Time> = "lastProbeTime", 3, [optional];
        last_transition_time: Option<Time> = "lastTransitionTime", 4, [optional];
        reason: String = "reason", 5, [omitempty];
        message: String = "message", 6, [omitempty];
    }

    /// An address of the pod's node.
    pub struct HostIP {
        ip: String = "ip", 1, [];
    }

    /// An address of the pod.
    pub struct PodIP {
        ip: String = "ip", 1, [];
    }

    /// What was observed of a container.
    pub struct ContainerStatus {
        name: String = "name", 1, [];
        state: ContainerState = "state", 2, [omitempty];
        last_state: ContainerState = "lastState", 3, [omitempty];
        ready: bool = "ready", 4, [];
        restart_count: i32 = "restartCount", 5, [];
        image: String = "image", 6, [];
        image_id: String = "imageID", 7, [];
        container_id: String = "containerID", 8, [omitempty];
        started: Option<bool> = "started", 9, [omitempty];
        allocated_resources: BTreeMap<String, Quantity> = "allocatedResources", 10, [omitempty, go("v1.ResourceList")];
        resources: Option<ResourceRequirements> = "resources", 11, [omitempty];
        volume_mounts: Vec<VolumeMountStatus> = "volumeMounts", 12, [omitempty, merge("mountPath"), list_map(&["mountPath"])];
        user: Option<ContainerUser> = "user", 13, [omitempty];
        allocated_resources_status: Vec<ResourceStatus> = "allocatedResourcesStatus", 14, [omitempty, merge("name"), list_map(&["name"])];
        stop_signal: Option<String> = "stopSignal", 15, [omitempty, go("v1.Signal")];
    }

    /// Waiting, running or terminated; at most one is set.
    pub struct ContainerState {
        waiting: Option<ContainerStateWaiting> = "waiting", 1, [omitempty];
        running: Option<ContainerStateRunning> = "running", 2, [omitempty];
        terminated: Option<ContainerStateTerminated> = "terminated", 3, [omitempty];
    }

    /// Why a container does not run yet.
    pub struct ContainerStateWaiting {
        reason: String = "reason", 1, [omitempty];
        message: String = "message", 2, [omitempty];
    }

    /// Since when a container runs.
    pub struct ContainerStateRunning {
        started_at: Option<Time> = "startedAt", 1, [optional];
    }

    /// How a container ended.
    pub struct ContainerStateTerminated {
        exit_code: i32 = "exitCode", 1, [];
        signal: i32 = "signal", 2, [omitempty];
        reason: String = "reason", 3, [omitempty];
        message: String = "message", 4, [omitempty];
        started_at: Option<Time> = "startedAt", 5, [optional];
        finished_at: Option<Time> = "finishedAt", 6, [optional];
        container_id: String = "containerID", 7, [omitempty];
    }

    /// How a volume is mounted.
    pub struct VolumeMountStatus {
        name: String = "name", 1, [];
        mount_path: String = "mountPath", 2, [];
        read_only: bool = "readOnly", 3, [omitempty];
        recursive_read_only: Option<String> = "recursiveReadOnly", 4, [omitempty, go("v1.RecursiveReadOnlyMode")];
        volume_status: Option<VolumeStatus> = "volumeStatus", 5, [omitempty];
    }

    /// Details of a mounted volume.
    pub struct VolumeStatus {
        image: Option<ImageVolumeStatus> = "image", 1, [omitempty];
    }

    /// Which image a volume holds.
    pub struct ImageVolumeStatus {
        image_ref: String = "imageRef", 1, [omitempty, required];
    }

    /// The user a container's first process has.
    pub struct ContainerUser {
        linux: Option<LinuxContainerUser> = "linux", 1, [omitempty];
    }

    /// User, group and further groups.
    pub struct LinuxContainerUser {
        uid: i64 = "uid", 1, [];
        gid: i64 = "gid", 2, [];
        supplemental_groups: Vec<i64> = "supplementalGroups", 3, [omitempty, list_atomic];
    }

    /// Health of the devices of a container.
    pub struct ResourceStatus {
        name: String = "name", 1, [go("v1.ResourceName")];
        resources: Vec<ResourceHealth> = "resources", 2, [omitempty, list_map(&["resourceID"])];
    }

    /// Health of one device.
    pub struct ResourceHealth {
        resource_id: String = "resourceID", 1, [go("v1.ResourceID")];
        health: String = "health", 2, [omitempty, go("v1.ResourceHealthStatus")];
        message: Option<String> = "message", 6, [omitempty];
    }

    /// The claim that was made for the pod.
    pub struct PodResourceClaimStatus {
        name: String = "name", 1, [];
        resource_claim_name: Option<String> = "resourceClaimName", 2, [omitempty];
    }

    /// The claim that stands for extended resources.
    pub struct PodExtendedResourceClaimStatus {
        request_mappings: Vec<ContainerExtendedResourceRequest> = "requestMappings", 1, [list_atomic];
        resource_claim_name: String = "resourceClaimName", 2, [];
    }

    /// Which container's extended resource is which request of a claim.
    pub struct ContainerExtendedResourceRequest {
        container_name: String = "containerName", 1, [];
        resource_name: String = "resourceName", 2, [];
        request_name: String = "requestName", 3, [];
    }

    /// Node resources that a claim takes.
    pub struct NodeAllocatableResourceClaimStatus {
        resource_claim_name: String = "resourceClaimName", 1, [];
        containers: Vec<String> = "containers", 2, [omitempty, list_set];
        resources: BTreeMap<String, Quantity> = "resources", 3, [omitempty, required];
    }
}
