//! Services and their ports.

use std::collections::BTreeMap;

use crate::intstr::IntOrString;
use crate::meta::condition::Condition;
use crate::meta::object_meta::ObjectMeta;
use crate::schema::object::object;

object! {
    /// A stable address before a set of pods.
    pub struct Service {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: ServiceSpec = "spec", 2, [omitempty];
        status: ServiceStatus = "status", 3, [omitempty];
    }

    /// How a service is reached and which pods are behind it.
    pub struct ServiceSpec {
        ports: Vec<ServicePort> = "ports", 1, [omitempty, merge("port"), list_map(&["port", "protocol"])];
        selector: BTreeMap<String, String> = "selector", 2, [omitempty, atomic];
        cluster_ip: String = "clusterIP", 3, [omitempty];
        cluster_ips: Vec<String> = "clusterIPs", 18, [omitempty, list_atomic];
        type_: String = "type", 4, [omitempty, go("v1.ServiceType")];
        external_ips: Vec<String> = "externalIPs", 5, [omitempty, list_atomic];
        session_affinity: String = "sessionAffinity", 7, [omitempty, go("v1.ServiceAffinity")];
        load_balancer_ip: String = "loadBalancerIP", 8, [omitempty];
        load_balancer_source_ranges: Vec<String> = "loadBalancerSourceRanges", 9, [omitempty, list_atomic];
        external_name: String = "externalName", 10, [omitempty];
        external_traffic_policy: String = "externalTrafficPolicy", 11, [omitempty, go("v1.ServiceExternalTrafficPolicy")];
        health_check_node_port: i32 = "healthCheckNodePort", 12, [omitempty];
        publish_not_ready_addresses: bool = "publishNotReadyAddresses", 13, [omitempty];
        session_affinity_config: Option<SessionAffinityConfig> = "sessionAffinityConfig", 14, [omitempty];
        ip_families: Vec<String> = "ipFamilies", 19, [omitempty, go("[]v1.IPFamily"), list_atomic];
        ip_family_policy: Option<String> = "ipFamilyPolicy", 17, [omitempty, go("v1.IPFamilyPolicy")];
        allocate_load_balancer_node_ports: Option<bool> = "allocateLoadBalancerNodePorts", 20, [omitempty];
        load_balancer_class: Option<String> = "loadBalancerClass", 21, [omitempty];
        internal_traffic_policy: Option<String> = "internalTrafficPolicy", 22, [omitempty, go("v1.ServiceInternalTrafficPolicy")];
        traffic_distribution: Option<String> = "trafficDistribution", 23, [omitempty];
    }

    /// One port of a service.
    pub struct ServicePort {
        name: String = "name", 1, [omitempty];
        protocol: String = "protocol", 2, [omitempty, go("v1.Protocol")];
        app_protocol: Option<String> = "appProtocol", 6, [omitempty];
        port: i32 = "port", 3, [];
        target_port: IntOrString = "targetPort", 4, [omitempty];
        node_port: i32 = "nodePort", 5, [omitempty];
    }

    /// Settings of session affinity.
    pub struct SessionAffinityConfig {
        client_ip: Option<ClientIPConfig> = "clientIP", 1, [omitempty];
    }

    /// How long a client stays with its pod.
    pub struct ClientIPConfig {
        timeout_seconds: Option<i32> = "timeoutSeconds", 1, [omitempty];
    }

    /// What was observed of a service.
    pub struct ServiceStatus {
        load_balancer: LoadBalancerStatus = "loadBalancer", 1, [omitempty];
        conditions: Vec<Condition> = "conditions", 2, [omitempty, merge("type"), list_map(&["type"])];
    }

    /// Addresses of a load balancer.
    pub struct LoadBalancerStatus {
        ingress: Vec<LoadBalancerIngress> = "ingress", 1, [omitempty, list_atomic];
    }

    /// One address of a load balancer.
    pub struct LoadBalancerIngress {
        ip: String = "ip", 1, [omitempty];
        hostname: String = "hostname", 2, [omitempty];
        ip_mode: Option<String> = "ipMode", 3, [omitempty, go("v1.LoadBalancerIPMode")];
        ports: Vec<PortStatus> = "ports", 4, [omitempty, list_atomic];
    }

    /// State of one port of a load balancer.
    pub struct PortStatus {
        port: i32 = "port", 1, [];
        protocol: String = "protocol", 2, [go("v1.Protocol")];
        error: Option<String> = "error", 3, [omitempty];
    }
}
