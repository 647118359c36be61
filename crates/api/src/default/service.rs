//! Services with their defaults.

use crate::core::service::{ClientIPConfig, Service, SessionAffinityConfig};
use crate::intstr::IntOrString;
use crate::validate::service::is_externally_accessible;

/// Seconds for which a client keeps its pod when affinity is by client address.
const AFFINITY_S: i32 = 10_800;

/// A service.
pub fn service(service: &mut Service) {
    let spec = &mut service.spec;
    if spec.session_affinity.is_empty() {
        spec.session_affinity = "None".to_owned();
    }
    if spec.session_affinity == "None" {
        spec.session_affinity_config = None;
    }
    let timeout = spec.session_affinity_config.as_ref().and_then(|c| c.client_ip.as_ref()?.timeout_seconds);
    if spec.session_affinity == "ClientIP" && timeout.is_none() {
        let client_ip = Some(ClientIPConfig { timeout_seconds: Some(AFFINITY_S) });
        spec.session_affinity_config = Some(SessionAffinityConfig { client_ip });
    }
    if spec.type_.is_empty() {
        spec.type_ = "ClusterIP".to_owned();
    }
    for port in &mut spec.ports {
        if port.protocol.is_empty() {
            port.protocol = "TCP".to_owned();
        }
        if port.target_port == IntOrString::Int(0) || port.target_port == IntOrString::String(String::new()) {
            port.target_port = IntOrString::Int(port.port);
        }
    }
    let balanced = spec.type_ == "LoadBalancer";
    if spec.internal_traffic_policy.is_none() && (balanced || spec.type_ == "NodePort" || spec.type_ == "ClusterIP") {
        spec.internal_traffic_policy = Some("Cluster".to_owned());
    }
    if balanced {
        spec.allocate_load_balancer_node_ports.get_or_insert(true);
        for ingress in service.status.load_balancer.ingress.iter_mut().filter(|i| !i.ip.is_empty()) {
            ingress.ip_mode.get_or_insert_with(|| "VIP".to_owned());
        }
    }
    if is_externally_accessible(service) && service.spec.external_traffic_policy.is_empty() {
        service.spec.external_traffic_policy = "Cluster".to_owned();
    }
}
