//! Services and EndpointSlices as JSON → what the tables need of them.
//!
//! Only the fields that count are read, without a copy of the rest: thousands come at once when an agent starts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use crate::network::rules::ports::Protocol;
use crate::network::services::model::{Endpoint, Here, Hint, Name, Net, Port, Service, Slice};

/// The label that names a slice's service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Somebody else answers for a service with this label.
const PROXY_NAME: &str = "service.kubernetes.io/service-proxy-name";
/// A service with this label is treated as one without addresses.
const HEADLESS: &str = "service.kubernetes.io/headless";
/// How long a client stays, unless the service says otherwise (3 hours, Kubernetes' default).
const AFFINITY_S: u32 = 10_800;
/// Longest time a client may stay (Kubernetes' own bound, a day).
const AFFINITY_MAX_S: u32 = 86_400;

/// Why an object is not used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not what it says it is.
    #[error("does not read: {0}")]
    Json(#[from] serde_json::Error),
    /// A field has a value that no valid object has.
    #[error("{field} {value:?} is not valid")]
    Value {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
}

type Text<'a> = Cow<'a, str>;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MetaView<'a> {
    #[serde(borrow)]
    creation_timestamp: Option<Text<'a>>,
    #[serde(borrow)]
    namespace: Text<'a>,
    #[serde(borrow)]
    labels: BTreeMap<Text<'a>, Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServiceView<'a> {
    #[serde(borrow)]
    metadata: MetaView<'a>,
    #[serde(borrow)]
    spec: SpecView<'a>,
    status: StatusView,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SpecView<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(rename = "clusterIP", borrow)]
    cluster_ip: Text<'a>,
    #[serde(rename = "clusterIPs", borrow)]
    cluster_ips: Vec<Text<'a>>,
    #[serde(rename = "externalIPs", borrow)]
    external_ips: Vec<Text<'a>>,
    #[serde(borrow)]
    session_affinity: Text<'a>,
    session_affinity_config: Option<AffinityView>,
    #[serde(borrow)]
    internal_traffic_policy: Option<Text<'a>>,
    #[serde(borrow)]
    external_traffic_policy: Text<'a>,
    #[serde(borrow)]
    load_balancer_source_ranges: Vec<Text<'a>>,
    health_check_node_port: u16,
    #[serde(borrow)]
    ports: Vec<PortView<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AffinityView {
    #[serde(rename = "clientIP")]
    client_ip: Option<ClientView>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClientView {
    timeout_seconds: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PortView<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    protocol: Option<Text<'a>>,
    port: Option<u16>,
    node_port: u16,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StatusView {
    load_balancer: BalancerView,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BalancerView {
    ingress: Vec<IngressView>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct IngressView {
    ip: String,
    ip_mode: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SliceView<'a> {
    #[serde(borrow)]
    metadata: MetaView<'a>,
    #[serde(borrow)]
    address_type: Text<'a>,
    #[serde(borrow)]
    endpoints: Option<Vec<EndpointView<'a>>>,
    #[serde(borrow)]
    ports: Option<Vec<PortView<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct EndpointView<'a> {
    #[serde(borrow)]
    addresses: Vec<Text<'a>>,
    conditions: ConditionsView,
    #[serde(borrow)]
    node_name: Option<Text<'a>>,
    #[serde(borrow)]
    hints: Option<HintsView<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ConditionsView {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HintsView<'a> {
    #[serde(borrow)]
    for_zones: Vec<NamedView<'a>>,
    #[serde(borrow)]
    for_nodes: Vec<NamedView<'a>>,
}

#[derive(Deserialize)]
struct NamedView<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

/// A service, or nothing when it has no address (headless, ExternalName) or is somebody else's to answer for.
pub fn service(bytes: &[u8]) -> Result<Option<Service>, Error> {
    let view: ServiceView<'_> = serde_json::from_slice(bytes)?;
    let (spec, labels) = (view.spec, view.metadata.labels);
    let headless = matches!(spec.cluster_ip.as_ref(), "" | "None");
    if spec.kind == "ExternalName" || headless || labels.contains_key(PROXY_NAME) || labels.contains_key(HEADLESS) {
        return Ok(None);
    }
    let given =
        if spec.cluster_ips.is_empty() { std::slice::from_ref(&spec.cluster_ip) } else { &spec.cluster_ips[..] };
    let cluster_ips = ips("spec.clusterIPs", given)?;
    let reached = |ingress: &&IngressView| !ingress.ip.is_empty() && ingress.ip_mode.as_deref() != Some("Proxy");
    let balancer: Vec<Text<'_>> =
        view.status.load_balancer.ingress.iter().filter(reached).map(|i| Cow::Borrowed(i.ip.as_str())).collect();
    let is_balanced = spec.kind == "LoadBalancer";
    let is_external_local = spec.external_traffic_policy == "Local";
    let timeout = spec.session_affinity_config.and_then(|c| c.client_ip).and_then(|c| c.timeout_seconds);
    let affinity = timeout.unwrap_or(AFFINITY_S).clamp(1, AFFINITY_MAX_S);
    Ok(Some(Service {
        created: view.metadata.creation_timestamp.unwrap_or_default().into_owned(),
        cluster_ips,
        external_ips: ips("spec.externalIPs", &spec.external_ips)?,
        balancer_ips: if is_balanced { ips("status.loadBalancer.ingress.ip", &balancer)? } else { Vec::new() },
        ports: spec.ports.iter().map(service_port).collect::<Result<_, _>>()?,
        affinity_s: (spec.session_affinity == "ClientIP").then_some(affinity),
        is_internal_local: spec.internal_traffic_policy.as_deref() == Some("Local"),
        is_external_local,
        source_ranges: spec.load_balancer_source_ranges.iter().map(|text| net(text)).collect::<Result<_, _>>()?,
        health_port: Some(spec.health_check_node_port).filter(|port| *port != 0 && is_balanced && is_external_local),
    }))
}

/// Part of a service's endpoints, or nothing when it names no service or no addresses.
pub fn slice(bytes: &[u8], here: &Here) -> Result<Option<Slice>, Error> {
    let view: SliceView<'_> = serde_json::from_slice(bytes)?;
    let Some(name) = view.metadata.labels.get(SERVICE_NAME) else { return Ok(None) };
    let is_v6 = match view.address_type.as_ref() {
        "IPv4" => false,
        "IPv6" => true,
        _ => return Ok(None),
    };
    let mut ports = Vec::new();
    for port in view.ports.iter().flatten() {
        if let Some(number) = port.port.filter(|n| *n != 0) {
            ports.push((port.name.clone().unwrap_or_default().into_owned(), protocol(port)?, number));
        }
    }
    let mut endpoints = Vec::with_capacity(view.endpoints.as_ref().map_or(0, Vec::len));
    for endpoint in view.endpoints.iter().flatten() {
        // All addresses of an endpoint are the same endpoint: Kubernetes' own proxies use the first.
        if let Some(text) = endpoint.addresses.first() {
            let ip = ip("endpoints.addresses", text)?;
            if ip.is_ipv6() == is_v6 {
                endpoints.push(endpoint_at(ip, endpoint, here));
            }
        }
    }
    Ok(Some(Slice { service: Name::new(&view.metadata.namespace, name), is_v6, ports, endpoints }))
}

fn endpoint_at(ip: IpAddr, view: &EndpointView<'_>, here: &Here) -> Endpoint {
    let hint = |names: &[NamedView<'_>], own: &str| match names {
        [] => Hint::None,
        names if names.iter().any(|n| n.name == own) => Hint::Here,
        _ => Hint::Elsewhere,
    };
    let hints = view.hints.as_ref();
    Endpoint {
        ip,
        is_ready: view.conditions.ready.unwrap_or(true),
        is_serving: view.conditions.serving.or(view.conditions.ready).unwrap_or(true),
        is_terminating: view.conditions.terminating.unwrap_or(false),
        is_local: view.node_name.as_deref() == Some(here.name.as_str()),
        zone: hints.map_or(Hint::None, |h| hint(&h.for_zones, &here.zone)),
        node: hints.map_or(Hint::None, |h| hint(&h.for_nodes, &here.name)),
    }
}

fn service_port(view: &PortView<'_>) -> Result<Port, Error> {
    let port = view.port.filter(|p| *p != 0);
    let port = port.ok_or(Error::Value { field: "spec.ports.port", value: "0".to_owned() })?;
    Ok(Port {
        name: view.name.clone().unwrap_or_default().into_owned(),
        protocol: protocol(view)?,
        port,
        node_port: Some(view.node_port).filter(|p| *p != 0),
    })
}

fn protocol(view: &PortView<'_>) -> Result<Protocol, Error> {
    let text = view.protocol.as_deref().unwrap_or_default();
    Protocol::parse(text).ok_or_else(|| Error::Value { field: "protocol", value: text.to_owned() })
}

fn ips(field: &'static str, texts: &[Text<'_>]) -> Result<Vec<IpAddr>, Error> {
    texts.iter().map(|text| ip(field, text)).collect()
}

fn ip(field: &'static str, text: &str) -> Result<IpAddr, Error> {
    text.parse().map_err(|_| Error::Value { field, value: text.to_owned() })
}

/// A range of addresses, its host bits cleared; spaces around it are let pass as Kubernetes does.
pub fn net(text: &str) -> Result<Net, Error> {
    let fault = || Error::Value { field: "a range of addresses", value: text.to_owned() };
    let (address, bits) = text.trim().split_once('/').ok_or_else(fault)?;
    let bits: u8 = bits.parse().map_err(|_| fault())?;
    let base = match address.parse::<IpAddr>().map_err(|_| fault())? {
        IpAddr::V4(v4) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(u32::from(32 - bits)).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(u32::from(128 - bits)).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
        _ => return Err(fault()),
    };
    Ok(Net { base, bits })
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
