//! A service → the texts under which the view's index finds it: what it holds, what it lacks and what it selects.

use masthead_api::core::service::Service;
use masthead_api::meta::ObjectMeta;
use masthead_api::validate::service::{is_headless, needs_health_check};

/// Services that lack an address or a port.
pub const OPEN: &str = "open";
/// Services that want addresses of nodes.
pub const BALANCED: &str = "balanced";

/// Services that hold this address.
pub fn ip(ip: &str) -> String {
    format!("ip {ip}")
}

/// Services that hold this port of nodes.
pub fn node_port(port: i32) -> String {
    format!("port {port}")
}

/// Services that want this port of the nodes' own addresses.
pub fn balanced_port(protocol: &str, port: i32) -> String {
    format!("balanced {protocol} {port}")
}

/// Services of a namespace that can be found by this label of a pod.
pub fn selects(namespace: &str, key: &str, value: &str) -> String {
    format!("selects {namespace} {key}={value}")
}

/// Whether a service gets addresses of its own.
pub fn wants_ip(service: &Service) -> bool {
    service.spec.type_ != "ExternalName" && !is_headless(service) && service.spec.cluster_ip != "None"
}

/// Whether its ports are opened on nodes.
pub fn wants_node_ports(service: &Service) -> bool {
    match service.spec.type_.as_str() {
        "NodePort" => true,
        "LoadBalancer" => service.spec.allocate_load_balancer_node_ports != Some(false),
        _ => false,
    }
}

/// Whether Masthead itself gives it addresses of nodes: a class names another controller.
pub fn is_balanced(service: &Service) -> bool {
    service.spec.type_ == "LoadBalancer" && service.spec.load_balancer_class.is_none()
}

/// Whether its families are still to be chosen: those of a manifest are when its commit is planned.
pub fn wants_families(service: &Service) -> bool {
    service.spec.type_ != "ExternalName" && service.spec.ip_families.is_empty()
}

/// Whether something has to be given out.
pub fn is_open(service: &Service) -> bool {
    let spec = &service.spec;
    let missing_ip = wants_ip(service) && spec.cluster_ips.len() < spec.ip_families.len().max(1);
    let missing_port = wants_node_ports(service) && spec.ports.iter().any(|port| port.node_port == 0);
    wants_families(service)
        || missing_ip
        || missing_port
        || (needs_health_check(service) && spec.health_check_node_port == 0)
}

/// The addresses it holds; `None` stands for no address.
pub fn ips(service: &Service) -> impl Iterator<Item = &String> {
    service.spec.cluster_ips.iter().filter(|ip| *ip != "None")
}

/// The ports of nodes that it holds, each once.
pub fn node_ports(service: &Service) -> Vec<i32> {
    let ports = service.spec.ports.iter().map(|port| port.node_port).chain([service.spec.health_check_node_port]);
    let mut ports: Vec<i32> = ports.filter(|port| *port != 0).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// All texts of a service.
pub fn of(service: &Service) -> Vec<String> {
    let mut texts: Vec<String> = ips(service).map(|text| ip(text)).collect();
    texts.extend(node_ports(service).into_iter().map(node_port));
    if is_open(service) {
        texts.push(OPEN.to_owned());
    }
    if is_balanced(service) {
        texts.push(BALANCED.to_owned());
        let mut ports: Vec<String> =
            service.spec.ports.iter().map(|port| balanced_port(&port.protocol, port.port)).collect();
        ports.sort_unstable();
        ports.dedup();
        texts.extend(ports);
    }
    texts.extend(selected(&service.metadata, service));
    texts
}

/// One pair of the selector is enough to find the service by; the longest is likely the rarest.
fn selected(meta: &ObjectMeta, service: &Service) -> Option<String> {
    if service.spec.type_ == "ExternalName" {
        return None;
    }
    let pair = service.spec.selector.iter().max_by_key(|(key, value)| (value.len(), *key));
    pair.map(|(key, value)| selects(&meta.namespace, key, value))
}

/// Whether only one service can have what a text names.
pub fn is_exclusive(text: &str) -> bool {
    ["ip ", "port ", "balanced "].into_iter().any(|kind| text.starts_with(kind))
}
