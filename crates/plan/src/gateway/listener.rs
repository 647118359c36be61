//! A gateway → what is said of each of its listeners: supported kinds, conflicts, whether it is accepted and served.

use masthead_api::gateway::GROUP;
use masthead_api::gateway::gateway::{Gateway, Listener, RouteGroupKind};
use masthead_api::gateway::resolved::{GRPC_ROUTE, HTTP_ROUTE, Name};
use masthead_api::meta::object_meta::ObjectMeta;

use crate::cluster::view::Cluster;
use crate::gateway::certificate;
use crate::gateway::class::{class_of, fault as class_fault};
use crate::gateway::status::Fault;
use crate::service::claims;

/// The ports that nodes share between Ingresses and gateways, and what is spoken on them.
const SHARED: [(i32, &str); 2] = [(80, "HTTP"), (443, "HTTPS")];

/// What is said of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Kinds of routes that it takes, of those that it may.
    pub kinds: Vec<&'static str>,
    /// Another listener of the same gateway wants the same place.
    pub conflict: Option<Fault>,
    /// Why it can't be.
    pub refused: Option<Fault>,
    /// What it names and is not there.
    pub unresolved: Option<Fault>,
    /// Its certificates that can be used.
    pub certificates: Vec<Name>,
    /// Requests are taken.
    pub is_served: bool,
}

/// Whether requests of a protocol can be taken.
fn is_supported(listener: &Listener) -> bool {
    matches!(listener.protocol.as_str(), "HTTP" | "HTTPS")
}

/// The host of a listener; empty is every host.
pub fn host(listener: &Listener) -> &str {
    listener.hostname.as_deref().unwrap_or_default()
}

/// The older of two gateways comes first, then the first by namespace and name.
pub fn rank(meta: &ObjectMeta) -> (i64, &str, &str) {
    (meta.creation_timestamp.map_or(i64::MAX, |time| time.0), &meta.namespace, &meta.name)
}

/// What is said of each listener of a gateway of ours, in their order.
pub fn judge(cluster: &Cluster, gateway: &Gateway) -> Vec<Verdict> {
    let listeners = &gateway.spec.listeners;
    listeners.iter().enumerate().map(|(i, listener)| one(cluster, gateway, i, listener)).collect()
}

fn one(cluster: &Cluster, gateway: &Gateway, at: usize, listener: &Listener) -> Verdict {
    if !is_supported(listener) {
        let message = format!("protocol {:?} is not supported, only HTTP and HTTPS are", listener.protocol);
        return Verdict { refused: Some(Fault::new("UnsupportedProtocol", message)), ..Verdict::default() };
    }
    let (kinds, mut unresolved) = kinds(listener);
    let mut certificates = Vec::new();
    let is_tls = listener.protocol == "HTTPS";
    if is_tls {
        let (found, fault) = certificate::of_listener(cluster, gateway, listener);
        certificates = found;
        unresolved = fault.or(unresolved);
    }
    let conflict = conflict(gateway, at, listener);
    let refused = unavailable(cluster, gateway, listener);
    let has_all = !kinds.is_empty() && (!is_tls || !certificates.is_empty());
    let is_served = has_all && conflict.is_none() && refused.is_none();
    Verdict { kinds, conflict, refused, unresolved, certificates, is_served }
}

/// The kinds that a listener takes, and a fault when it names others.
fn kinds(listener: &Listener) -> (Vec<&'static str>, Option<Fault>) {
    let known = [HTTP_ROUTE, GRPC_ROUTE];
    let wanted: &[RouteGroupKind] = listener.allowed_routes.as_ref().map_or(&[], |allowed| &allowed.kinds);
    if wanted.is_empty() {
        return (known.to_vec(), None);
    }
    let find = |kind: &RouteGroupKind| {
        let is_group = kind.group.as_deref().is_none_or(|group| group == GROUP);
        known.into_iter().find(|known| is_group && *known == kind.kind)
    };
    let mut kinds: Vec<&'static str> = Vec::new();
    for kind in wanted.iter().filter_map(find) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let others: Vec<String> = wanted
        .iter()
        .filter(|kind| find(kind).is_none())
        .map(|kind| format!("{}/{}", kind.group.as_deref().unwrap_or_default(), kind.kind))
        .collect();
    let message = || format!("routes of kind {} are not supported", others.join(", "));
    let fault = (!others.is_empty()).then(|| Fault::new("InvalidRouteKinds", message()));
    (kinds, fault)
}

/// Two listeners of one gateway that no request can be told apart by: neither is served.
fn conflict(gateway: &Gateway, at: usize, listener: &Listener) -> Option<Fault> {
    let others = gateway.spec.listeners.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, other)| other);
    let mut on_port = others.filter(|other| other.port == listener.port && is_supported(other));
    on_port.find_map(|other| {
        if other.protocol != listener.protocol {
            let message = format!("listener {:?} speaks {} on port {}", other.name, other.protocol, other.port);
            return Some(Fault::new("ProtocolConflict", message));
        }
        let message = format!("listener {:?} has the same port and hostname", other.name);
        (host(other) == host(listener)).then(|| Fault::new("HostnameConflict", message))
    })
}

/// Why a port of the nodes can't be had.
fn unavailable(cluster: &Cluster, gateway: &Gateway, listener: &Listener) -> Option<Fault> {
    let port = listener.port;
    let fault = |why: String| Some(Fault::new("PortUnavailable", why));
    if let Some((_, spoken)) = SHARED.iter().find(|(shared, spoken)| *shared == port && *spoken != listener.protocol) {
        return fault(format!("on port {port} of the nodes {spoken} is spoken, for Ingresses too"));
    }
    let texts = [claims::balanced_port("TCP", port), claims::node_port(port)];
    if let Some(service) = texts.iter().find_map(|text| cluster.services_with(text).next()) {
        return fault(format!("port {port} of the nodes belongs to {}", service.key()));
    }
    let older = |other: &Gateway| {
        rank(&other.metadata) < rank(&gateway.metadata)
            && other.metadata.deletion_timestamp.is_none()
            && class_of(cluster, other).is_some_and(|class| class_fault(&class).is_none())
    };
    cluster.list_all::<Gateway>().filter(|other| older(other)).find_map(|other| {
        let mut theirs = other.spec.listeners.iter().filter(|theirs| theirs.port == port && is_supported(theirs));
        let owner = format!("Gateway {}/{}, which is older", other.metadata.namespace, other.metadata.name);
        theirs.find_map(|theirs| {
            if theirs.protocol != listener.protocol {
                return fault(format!("on port {port} of the nodes {} is spoken, by {owner}", theirs.protocol));
            }
            if host(theirs) != host(listener) {
                return None;
            }
            let shown = if host(listener).is_empty() { "every host" } else { host(listener) };
            fault(format!("{shown} at port {port} of the nodes belongs to {owner}"))
        })
    })
}
