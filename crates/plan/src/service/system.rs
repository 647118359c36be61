//! An empty cluster → the services and the classes of ingresses and gateways that every cluster has.

use std::net::IpAddr;
use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::core::service::{Service, ServicePort};
use masthead_api::discovery::endpoint_slice::{DiscoveryPort, Endpoint, EndpointConditions, EndpointSlice};
use masthead_api::gateway;
use masthead_api::gateway::class::GatewayClass;
use masthead_api::intstr::IntOrString;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::networking::class::{CLASS, CONTROLLER, DEFAULT_ANNOTATION};
use masthead_api::networking::ingress::IngressClass;
use masthead_api::object::Object;

use crate::cluster::view::Cluster;
use crate::context::{Context, Reaction};
use crate::network::ranges::Network;
use crate::service::slices::{MANAGED_BY, SERVICE_NAME};

/// The service of the API, in `default`.
pub const API: &str = "kubernetes";
/// The service of the cluster's DNS, in `kube-system`.
pub const DNS: &str = "kube-dns";
/// The annotation of a service that every node answers itself, so that it has no endpoints.
pub const SERVED_BY: &str = masthead_api::describe::unserved::SERVED_BY;

/// Whether an object is one of those that are made here: it is made anew when it goes.
pub fn is_made_here(key: &ObjectKey) -> bool {
    let (kind, namespace, name) = (key.kind, key.namespace.as_str(), key.name.as_str());
    (kind == Service::KIND && matches!((namespace, name), ("default", API) | ("kube-system", DNS)))
        || (kind == EndpointSlice::KIND && (namespace, name) == ("default", API))
        || (kind == IngressClass::KIND && name == CLASS)
        || (kind == GatewayClass::KIND && name == gateway::CLASS)
}

/// Makes what is missing.
pub fn bootstrap(cluster: &Cluster, cx: &mut Context) -> Reaction {
    let mut reaction = Reaction::default();
    let network = cluster.network();
    let mut wanted = vec![Object::of(&class(cx)), Object::of(&gateway_class(cx))];
    wanted.extend(network.api_ip().map(|ip| Object::of(&api(network, ip, cx))));
    wanted.extend(network.dns_ip().map(|ip| Object::of(&dns(ip, cx))));
    wanted.extend(api_slice(network, cx).map(|slice| Object::of(&slice)));
    // Registered kinds always have a JSON form.
    for object in wanted.into_iter().flatten() {
        if cluster.get(object.key()).is_none() && !cluster.is_terminating(&object.key().namespace) {
            let reason = "every cluster has it".to_owned();
            reaction.changes.push(Change::Create { object: Arc::new(object), reason });
        }
    }
    reaction
}

fn class(cx: &mut Context) -> IngressClass {
    let mut class = IngressClass::default();
    class.metadata.name = CLASS.to_owned();
    class.metadata.uid = cx.ids.uid();
    class.metadata.creation_timestamp = Some(cx.now);
    class.metadata.generation = 1;
    class.metadata.annotations.insert(DEFAULT_ANNOTATION.to_owned(), "true".to_owned());
    class.spec.controller = CONTROLLER.to_owned();
    class
}

fn gateway_class(cx: &mut Context) -> GatewayClass {
    let mut class = GatewayClass::default();
    class.metadata.name = gateway::CLASS.to_owned();
    class.metadata.uid = cx.ids.uid();
    class.metadata.creation_timestamp = Some(cx.now);
    class.metadata.generation = 1;
    class.spec.controller_name = gateway::CONTROLLER.to_owned();
    class.spec.description = Some("served by every node".to_owned());
    crate::gateway::class::with_status(&class, cx.now)
}

fn service(namespace: &str, name: &str, ip: IpAddr, labels: &[(&str, &str)], cx: &mut Context) -> Service {
    let mut service = Service::default();
    let meta = &mut service.metadata;
    (meta.namespace, meta.name) = (namespace.to_owned(), name.to_owned());
    meta.uid = cx.ids.uid();
    meta.creation_timestamp = Some(cx.now);
    meta.labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let spec = &mut service.spec;
    spec.cluster_ip = ip.to_string();
    spec.cluster_ips = vec![ip.to_string()];
    spec.ip_families = vec![if ip.is_ipv4() { "IPv4" } else { "IPv6" }.to_owned()];
    spec.ip_family_policy = Some("SingleStack".to_owned());
    spec.type_ = "ClusterIP".to_owned();
    spec.session_affinity = "None".to_owned();
    spec.internal_traffic_policy = Some("Cluster".to_owned());
    service
}

fn port(name: &str, protocol: &str, port: i32, target: i32) -> ServicePort {
    ServicePort {
        name: name.to_owned(),
        protocol: protocol.to_owned(),
        port,
        target_port: IntOrString::Int(target),
        ..ServicePort::default()
    }
}

fn api(network: &Network, ip: IpAddr, cx: &mut Context) -> Service {
    let labels = [("component", "apiserver"), ("provider", "kubernetes")];
    let mut service = service("default", API, ip, &labels, cx);
    let target = network.api.map_or(443, |api| i32::from(api.port()));
    service.spec.ports = vec![port("https", "TCP", 443, target)];
    service
}

/// Where the API is, when pods can reach it at all.
fn api_slice(network: &Network, cx: &mut Context) -> Option<EndpointSlice> {
    let api = network.api?;
    let family = if api.is_ipv4() { "IPv4" } else { "IPv6" };
    let mut slice = EndpointSlice { address_type: family.to_owned(), ..EndpointSlice::default() };
    let meta = &mut slice.metadata;
    (meta.namespace, meta.name, meta.generation) = ("default".to_owned(), API.to_owned(), 1);
    meta.uid = cx.ids.uid();
    meta.creation_timestamp = Some(cx.now);
    meta.labels.insert(SERVICE_NAME.to_owned(), API.to_owned());
    meta.labels.insert(MANAGED_BY.to_owned(), "masthead.dev".to_owned());
    slice.endpoints = vec![Endpoint {
        addresses: vec![api.ip().to_string()],
        conditions: EndpointConditions { ready: Some(true), ..EndpointConditions::default() },
        ..Endpoint::default()
    }];
    slice.ports = vec![DiscoveryPort {
        name: Some("https".to_owned()),
        protocol: Some("TCP".to_owned()),
        port: Some(i32::from(api.port())),
        ..DiscoveryPort::default()
    }];
    Some(slice)
}

/// The DNS of the cluster, which every node answers at this address itself.
fn dns(ip: IpAddr, cx: &mut Context) -> Service {
    // No `kubernetes.io/cluster-service`: `kubectl cluster-info` would show a proxy's address that nobody serves.
    let labels = [("k8s-app", "kube-dns"), ("kubernetes.io/name", "Masthead")];
    let mut service = service("kube-system", DNS, ip, &labels, cx);
    service.metadata.annotations.insert(SERVED_BY.to_owned(), "node".to_owned());
    service.spec.ports = vec![port("dns", "UDP", 53, 53), port("dns-tcp", "TCP", 53, 53)];
    service
}
