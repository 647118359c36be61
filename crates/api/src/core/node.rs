//! Nodes: what they are told and what they report.

use std::collections::BTreeMap;

use crate::meta::object_meta::ObjectMeta;
use crate::meta::time::Time;
use crate::quantity::Quantity;
use crate::schema::object::object;

object! {
    /// A machine that runs pods.
    pub struct Node {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: NodeSpec = "spec", 2, [omitempty];
        status: NodeStatus = "status", 3, [omitempty];
    }

    /// What a node is told.
    pub struct NodeSpec {
        pod_cidr: String = "podCIDR", 1, [omitempty];
        pod_cidrs: Vec<String> = "podCIDRs", 7, [omitempty, merge(""), list_set];
        provider_id: String = "providerID", 3, [omitempty];
        unschedulable: bool = "unschedulable", 4, [omitempty];
        taints: Vec<Taint> = "taints", 5, [omitempty, list_atomic];
        config_source: Option<NodeConfigSource> = "configSource", 6, [omitempty];
        external_id: String = "externalID", 2, [omitempty];
    }

    /// A mark that keeps pods off unless they tolerate it.
    pub struct Taint {
        key: String = "key", 1, [];
        value: String = "value", 2, [omitempty];
        effect: String = "effect", 3, [go("v1.TaintEffect")];
        time_added: Option<Time> = "timeAdded", 4, [omitempty];
    }

    /// Where a node took its configuration from (no longer used).
    pub struct NodeConfigSource {
        config_map: Option<ConfigMapNodeConfigSource> = "configMap", 2, [omitempty];
    }

    /// The ConfigMap of a node's configuration (no longer used).
    pub struct ConfigMapNodeConfigSource {
        namespace: String = "namespace", 1, [];
        name: String = "name", 2, [];
        uid: String = "uid", 3, [omitempty, go("types.UID")];
        resource_version: String = "resourceVersion", 4, [omitempty];
        kubelet_config_key: String = "kubeletConfigKey", 5, [];
    }

    /// What a node reports.
    pub struct NodeStatus {
        capacity: BTreeMap<String, Quantity> = "capacity", 1, [omitempty, go("v1.ResourceList")];
        allocatable: BTreeMap<String, Quantity> = "allocatable", 2, [omitempty, go("v1.ResourceList")];
        phase: String = "phase", 3, [omitempty, go("v1.NodePhase")];
        conditions: Vec<NodeCondition> = "conditions", 4, [omitempty, merge("type"), list_map(&["type"])];
        addresses: Vec<NodeAddress> = "addresses", 5, [omitempty, merge("type"), list_map(&["type"])];
        daemon_endpoints: NodeDaemonEndpoints = "daemonEndpoints", 6, [omitempty];
        node_info: NodeSystemInfo = "nodeInfo", 7, [omitempty];
        images: Vec<ContainerImage> = "images", 8, [omitempty, list_atomic];
        volumes_in_use: Vec<String> = "volumesInUse", 9, [omitempty, go("[]v1.UniqueVolumeName"), list_atomic];
        volumes_attached: Vec<AttachedVolume> = "volumesAttached", 10, [omitempty, list_atomic];
        config: Option<NodeConfigStatus> = "config", 11, [omitempty];
        runtime_handlers: Vec<NodeRuntimeHandler> = "runtimeHandlers", 12, [omitempty, list_atomic];
        features: Option<NodeFeatures> = "features", 13, [omitempty];
        declared_features: Vec<String> = "declaredFeatures", 14, [omitempty, list_atomic];
    }

    /// One aspect of a node's health.
    pub struct NodeCondition {
        type_: String = "type", 1, [go("v1.NodeConditionType")];
        status: String = "status", 2, [go("v1.ConditionStatus")];
        last_heartbeat_time: Option<Time> = "lastHeartbeatTime", 3, [optional];
        last_transition_time: Option<Time> = "lastTransitionTime", 4, [optional];
        reason: String = "reason", 5, [omitempty];
        message: String = "message", 6, [omitempty];
    }

    /// One address of a node.
    pub struct NodeAddress {
        type_: String = "type", 1, [go("v1.NodeAddressType")];
        address: String = "address", 2, [];
    }

    /// Ports of the daemons of a node.
    pub struct NodeDaemonEndpoints {
        kubelet_endpoint: DaemonEndpoint = "kubeletEndpoint", 1, [omitempty];
    }

    /// One port.
    pub struct DaemonEndpoint {
        port: i32 = "Port", 1, [];
    }

    /// Ids and versions of a node.
    pub struct NodeSystemInfo {
        machine_id: String = "machineID", 1, [];
        system_uuid: String = "systemUUID", 2, [];
        boot_id: String = "bootID", 3, [];
        kernel_version: String = "kernelVersion", 4, [];
        os_image: String = "osImage", 5, [];
        container_runtime_version: String = "containerRuntimeVersion", 6, [];
        kubelet_version: String = "kubeletVersion", 7, [];
        kube_proxy_version: String = "kubeProxyVersion", 8, [];
        operating_system: String = "operatingSystem", 9, [];
        architecture: String = "architecture", 10, [];
        swap: Option<NodeSwapStatus> = "swap", 11, [omitempty];
    }

    /// Swap of a node.
    pub struct NodeSwapStatus {
        capacity: Option<i64> = "capacity", 1, [omitempty];
    }

    /// An image that a node holds.
    pub struct ContainerImage {
        names: Vec<String> = "names", 1, [optional, list_atomic];
        size_bytes: i64 = "sizeBytes", 2, [omitempty];
    }

    /// A volume attached to a node.
    pub struct AttachedVolume {
        name: String = "name", 1, [go("v1.UniqueVolumeName")];
        device_path: String = "devicePath", 2, [];
    }

    /// State of a node's configuration (no longer used).
    pub struct NodeConfigStatus {
        assigned: Option<NodeConfigSource> = "assigned", 1, [omitempty];
        active: Option<NodeConfigSource> = "active", 2, [omitempty];
        last_known_good: Option<NodeConfigSource> = "lastKnownGood", 3, [omitempty];
        error: String = "error", 4, [omitempty];
    }

    /// A runtime handler of a node.
    pub struct NodeRuntimeHandler {
        name: String = "name", 1, [optional];
        features: Option<NodeRuntimeHandlerFeatures> = "features", 2, [omitempty];
    }

    /// What a runtime handler can do.
    pub struct NodeRuntimeHandlerFeatures {
        recursive_read_only_mounts: Option<bool> = "recursiveReadOnlyMounts", 1, [omitempty];
        user_namespaces: Option<bool> = "userNamespaces", 2, [omitempty];
    }

    /// What the runtime of a node can do.
    pub struct NodeFeatures {
        supplemental_groups_policy: Option<bool> = "supplementalGroupsPolicy", 1, [omitempty];
    }
}
