//! A pod and a service → the pod's endpoint, in the newer and in the older form, and the ports it serves.

use std::net::IpAddr;

use masthead_api::core::container::ContainerPort;
use masthead_api::core::endpoints::EndpointAddress;
use masthead_api::core::node::Node;
use masthead_api::core::pod::Pod;
use masthead_api::core::reference::ObjectReference;
use masthead_api::core::service::{Service, ServicePort};
use masthead_api::discovery::endpoint_slice::{DiscoveryPort, Endpoint, EndpointConditions};
use masthead_api::intstr::IntOrString;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;

use crate::cluster::view::Cluster;
use crate::workload::pods::{is_finished, is_ready};

/// The label of a node that tells its zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";

/// All of a pod that its endpoints show; when it is the same before and after, no endpoint changes.
#[derive(PartialEq)]
pub struct Shown<'a> {
    labels: &'a std::collections::BTreeMap<String, String>,
    ips: Vec<&'a str>,
    flags: [bool; 3],
    texts: [&'a str; 4],
}

/// What of a pod its endpoints show.
pub fn shown(pod: &Pod) -> Shown<'_> {
    Shown {
        labels: &pod.metadata.labels,
        ips: ips(pod).collect(),
        flags: [is_finished(pod), is_ready(pod), pod.metadata.deletion_timestamp.is_some()],
        texts: [&pod.metadata.uid, &pod.spec.node_name, &pod.spec.hostname, &pod.spec.subdomain],
    }
}

/// The addresses of a pod.
pub fn ips(pod: &Pod) -> impl Iterator<Item = &str> {
    let listed = pod.status.pod_ips.iter().map(|ip| ip.ip.as_str());
    let only = pod.status.pod_ips.is_empty().then_some(pod.status.pod_ip.as_str());
    listed.chain(only).filter(|ip| !ip.is_empty())
}

/// The address of a pod of a family.
fn ip_of<'p>(pod: &'p Pod, family: &str) -> Option<&'p str> {
    ips(pod).find(|ip| ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4() == (family == "IPv4")))
}

/// The endpoint of a pod in slices of a family; `None` when it has ended or has no address yet.
///
/// Ready is never true of a pod on its way out, unless the service publishes addresses that are not ready: that an
/// endpoint still serves, so that it is better than none, is told by `serving` (Kubernetes' `podToEndpoint`).
pub fn endpoint(cluster: &Cluster, service: &Service, pod: &Pod, family: &str) -> Option<Endpoint> {
    if is_finished(pod) {
        return None;
    }
    let address = ip_of(pod, family)?;
    let serving = is_ready(pod);
    let terminating = pod.metadata.deletion_timestamp.is_some();
    let ready = service.spec.publish_not_ready_addresses || (serving && !terminating);
    Some(Endpoint {
        addresses: vec![address.to_owned()],
        conditions: EndpointConditions { ready: Some(ready), serving: Some(serving), terminating: Some(terminating) },
        hostname: hostname(service, pod).map(str::to_owned),
        target_ref: Some(target(pod)),
        node_name: Some(pod.spec.node_name.clone()).filter(|node| !node.is_empty()),
        zone: zone(cluster, &pod.spec.node_name),
        ..Endpoint::default()
    })
}

/// The older form of an endpoint; `None` as for [`endpoint`], and for a pod on its way out.
pub fn legacy(service: &Service, pod: &Pod, family: &str) -> Option<EndpointAddress> {
    let leaves = pod.metadata.deletion_timestamp.is_some() && !service.spec.publish_not_ready_addresses;
    if is_finished(pod) || leaves {
        return None;
    }
    Some(EndpointAddress {
        ip: ip_of(pod, family)?.to_owned(),
        hostname: hostname(service, pod).unwrap_or_default().to_owned(),
        node_name: Some(pod.spec.node_name.clone()).filter(|node| !node.is_empty()),
        target_ref: Some(target(pod)),
    })
}

fn target(pod: &Pod) -> ObjectReference {
    ObjectReference {
        kind: "Pod".to_owned(),
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        uid: pod.metadata.uid.clone(),
        ..ObjectReference::default()
    }
}

/// The name that a pod has below its service's.
fn hostname<'p>(service: &Service, pod: &'p Pod) -> Option<&'p str> {
    (!pod.spec.hostname.is_empty() && pod.spec.subdomain == service.metadata.name).then_some(&pod.spec.hostname)
}

fn zone(cluster: &Cluster, node: &str) -> Option<String> {
    let node = cluster.get(&ObjectKey::new(Node::KIND, "", node))?;
    node.meta().labels.get(ZONE).filter(|zone| !zone.is_empty()).cloned()
}

/// The ports on which a pod serves a service; those with a name that the pod does not have are left out.
pub fn ports(service: &Service, pod: &Pod) -> Vec<DiscoveryPort> {
    let of = |port: &ServicePort| {
        Some(DiscoveryPort {
            name: Some(port.name.clone()),
            protocol: Some(port.protocol.clone()),
            port: Some(target_port(port, pod)?),
            app_protocol: port.app_protocol.clone(),
        })
    };
    service.spec.ports.iter().filter_map(of).collect()
}

fn target_port(port: &ServicePort, pod: &Pod) -> Option<i32> {
    match &port.target_port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => named_port(pod, name, &port.protocol),
    }
}

/// The number of a port of a pod's containers, init containers that stay among them.
pub fn named_port(pod: &Pod, name: &str, protocol: &str) -> Option<i32> {
    let stays = pod.spec.init_containers.iter().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let is_it = |port: &&ContainerPort| {
        port.name == name && (port.protocol == protocol || (port.protocol.is_empty() && protocol == "TCP"))
    };
    let mut ports = pod.spec.containers.iter().chain(stays).flat_map(|container| &container.ports);
    ports.find(is_it).map(|port| port.container_port)
}
