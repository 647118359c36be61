//! A service and its endpoints to its description.

use crate::core::service::{LoadBalancerIngress, Service, ServicePort};
use crate::describe::event::Events;
use crate::describe::page::Page;
use crate::describe::{Related, unserved};
use crate::discovery::endpoint_slice::EndpointSlice;
use crate::table::text::pairs;

/// The label that ties a slice to its service.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// So many addresses are shown.
const SHOWN: usize = 3;

/// A service.
pub fn describe(service: &Service, related: &Related, events: &Events) -> String {
    let (meta, spec) = (&service.metadata, &service.spec);
    let slices: Vec<&EndpointSlice> = related
        .endpoint_slices
        .iter()
        .filter(|s| s.metadata.namespace == meta.namespace && s.metadata.labels.get(SERVICE_NAME) == Some(&meta.name))
        .collect();
    let mut page = Page::default();
    page.name(meta);
    page.labels("Labels", &meta.labels);
    page.annotations("Annotations", &meta.annotations);
    page.field(0, "Selector", pairs(&spec.selector));
    page.field(0, "Type", &spec.type_);
    addresses(&mut page, service);
    for port in &spec.ports {
        one_port(&mut page, port, &slices);
    }
    if let Some(why) = related.selectable.and_then(|pods| unserved::reason(service, &slices, pods)) {
        page.field(0, "No Endpoints", why);
    }
    page.field(0, "Session Affinity", &spec.session_affinity);
    if !spec.external_traffic_policy.is_empty() {
        page.field(0, "External Traffic Policy", &spec.external_traffic_policy);
    }
    if let Some(policy) = &spec.internal_traffic_policy {
        page.field(0, "Internal Traffic Policy", policy);
    }
    if spec.health_check_node_port != 0 {
        page.field(0, "HealthCheck NodePort", spec.health_check_node_port);
    }
    if !spec.load_balancer_source_ranges.is_empty() {
        page.field(0, "LoadBalancer Source Ranges", spec.load_balancer_source_ranges.join(","));
    }
    events.write(&mut page);
    page.finish()
}

fn addresses(page: &mut Page, service: &Service) {
    let spec = &service.spec;
    let list = |texts: &[String]| if texts.is_empty() { "<none>".to_owned() } else { texts.join(",") };
    if let Some(policy) = &spec.ip_family_policy {
        page.field(0, "IP Family Policy", policy);
    }
    page.field(0, "IP Families", list(&spec.ip_families));
    page.field(0, "IP", &spec.cluster_ip);
    page.field(0, "IPs", list(&spec.cluster_ips));
    if !spec.external_ips.is_empty() {
        page.field(0, "External IPs", list(&spec.external_ips));
    }
    if !spec.load_balancer_ip.is_empty() {
        page.field(0, "Desired LoadBalancer IP", &spec.load_balancer_ip);
    }
    if !spec.external_name.is_empty() {
        page.field(0, "External Name", &spec.external_name);
    }
    let ingress = &service.status.load_balancer.ingress;
    if !ingress.is_empty() {
        let points: Vec<String> = ingress.iter().map(point).collect();
        page.field(0, "LoadBalancer Ingress", points.join(", "));
    }
}

fn point(ingress: &LoadBalancerIngress) -> String {
    match &ingress.ip_mode {
        _ if ingress.ip.is_empty() => ingress.hostname.clone(),
        Some(mode) => format!("{} ({mode})", ingress.ip),
        None => ingress.ip.clone(),
    }
}

fn one_port(page: &mut Page, port: &ServicePort, slices: &[&EndpointSlice]) {
    let name = if port.name.is_empty() { "<unset>" } else { &port.name };
    let protocol = &port.protocol;
    page.put(0, format_args!("Port:\t{name}\t{}/{protocol}\n", port.port));
    page.put(0, format_args!("TargetPort:\t{}/{protocol}\n", port.target_port));
    if port.node_port != 0 {
        page.put(0, format_args!("NodePort:\t{name}\t{}/{protocol}\n", port.node_port));
    }
    page.field(0, "Endpoints", endpoints(slices, &port.name));
}

/// The ready addresses of one port; slices without ports, as of headless services, count for every port.
pub(crate) fn endpoints(slices: &[&EndpointSlice], port: &str) -> String {
    if slices.is_empty() {
        return "<none>".to_owned();
    }
    let mut all = Vec::new();
    // As kubectl: even an endpoint that is not ready, after the list is full, brings "+ 0 more".
    let mut more = false;
    for slice in slices {
        let numbers: Vec<Option<i32>> = match slice.ports.as_slice() {
            [] => vec![None],
            ports => ports
                .iter()
                .filter(|p| p.name.as_deref().unwrap_or_default() == port)
                .map(|p| Some(p.port.unwrap_or_default()))
                .collect(),
        };
        for number in numbers {
            for endpoint in &slice.endpoints {
                more |= all.len() >= SHOWN;
                let Some(address) = endpoint.addresses.first() else { continue };
                if endpoint.conditions.ready == Some(false) {
                    continue;
                }
                all.push(match number {
                    None => address.clone(),
                    Some(n) if address.contains(':') => format!("[{address}]:{n}"),
                    Some(n) => format!("{address}:{n}"),
                });
            }
        }
    }
    let shown = all[..all.len().min(SHOWN)].join(",");
    if more { format!("{shown} + {} more...", all.len() - SHOWN) } else { shown }
}
