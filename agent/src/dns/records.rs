//! A Service with its EndpointSlices → the records of its names, per the Kubernetes DNS specification 1.1.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::dns::name;
use crate::dns::objects::{Endpoint, EndpointSlice, Service, ServiceSpec};

/// The names of one service. Names are kept without what all of them end with: `<service>.<namespace>.svc.<domain>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceRecords {
    /// By what stands before the service's own name, sorted; empty is the service itself.
    nodes: Vec<(Box<[u8]>, Node)>,
    /// The names of its addresses: what stands before the service's own name.
    pub reverse: Vec<(IpAddr, Box<[u8]>)>,
}

/// The records of one name; none at all is a name that only has others below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// IPv4 addresses.
    pub a: Vec<Ipv4Addr>,
    /// IPv6 addresses.
    pub aaaa: Vec<Ipv6Addr>,
    /// Hosts and ports.
    pub srv: Vec<Srv>,
    /// The whole name that it stands for.
    pub cname: Option<Box<[u8]>>,
}

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Srv {
    /// The port.
    pub port: u16,
    /// The host: what stands before the service's own name.
    pub host: Box<[u8]>,
}

impl ServiceRecords {
    /// The node of a name, by what stands before the service's own name.
    pub fn node(&self, prefix: &[u8]) -> Option<&Node> {
        let at = self.nodes.binary_search_by(|(known, _)| (**known).cmp(prefix)).ok()?;
        self.nodes.get(at).map(|(_, node)| node)
    }

    /// Whether there is a name below `prefix`.
    pub fn has_below(&self, prefix: &[u8]) -> bool {
        self.nodes.iter().any(|(known, _)| known.len() > prefix.len() && known.ends_with(prefix))
    }

    /// How many names it has.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it has no name.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

/// Collects names before they are sorted.
#[derive(Default)]
struct Draft {
    nodes: BTreeMap<Box<[u8]>, Node>,
    reverse: BTreeSet<(IpAddr, Box<[u8]>)>,
}

impl Draft {
    fn add(&mut self, prefix: &[u8], ip: IpAddr) {
        let node = self.nodes.entry(prefix.into()).or_default();
        match ip {
            IpAddr::V4(ip) if !node.a.contains(&ip) => node.a.push(ip),
            IpAddr::V6(ip) if !node.aaaa.contains(&ip) => node.aaaa.push(ip),
            _ => {}
        }
    }

    /// A port of a host: below its own name when it has one, and below the service.
    fn port(&mut self, port_name: &str, protocol: &str, port: u16, host: &[u8]) {
        let srv = Srv { port, host: host.into() };
        let protocol = if protocol.is_empty() { "TCP" } else { protocol };
        self.srv(Vec::new(), srv.clone());
        let labels = (name::label(&format!("_{port_name}")), name::label(&format!("_{protocol}")));
        if let (false, (Some(port_label), Some(protocol_label))) = (port_name.is_empty(), labels) {
            // The protocol alone is a name without records, so that it is not said to be missing.
            self.nodes.entry(protocol_label.clone().into()).or_default();
            self.srv([port_label, protocol_label].concat(), srv);
        }
    }

    fn srv(&mut self, prefix: Vec<u8>, srv: Srv) {
        self.nodes.entry(prefix.into()).or_default().srv.push(srv);
    }

    fn finish(self) -> ServiceRecords {
        let sorted = self.nodes.into_iter().map(|(prefix, mut node)| {
            node.srv.sort();
            node.srv.dedup();
            (prefix, node)
        });
        ServiceRecords { nodes: sorted.collect(), reverse: self.reverse.into_iter().collect() }
    }
}

/// The records of a service.
pub fn records(service: &Service, slices: &[&EndpointSlice]) -> ServiceRecords {
    let spec = &service.spec;
    let mut draft = Draft::default();
    if spec.kind == "ExternalName" {
        // A name that looks like an address is none: a CNAME to it leads nowhere.
        let target = Some(&spec.external_name).filter(|text| text.parse::<IpAddr>().is_err());
        if let Some(wire) = target.and_then(|text| name::to_wire(text)).filter(|wire| wire.len() > 1) {
            draft.nodes.entry(Box::default()).or_default().cname = Some(wire.into());
        }
    } else if spec.cluster_ip == "None" {
        headless(&mut draft, slices);
    } else {
        with_address(&mut draft, spec);
    }
    draft.finish()
}

fn with_address(draft: &mut Draft, spec: &ServiceSpec) {
    let all = if spec.cluster_ips.is_empty() { std::slice::from_ref(&spec.cluster_ip) } else { &spec.cluster_ips[..] };
    let mut has_any = false;
    for ip in all.iter().filter_map(|text| text.parse::<IpAddr>().ok()) {
        draft.add(&[], ip);
        draft.reverse.insert((ip, Box::default()));
        has_any = true;
    }
    // Without an address yet there is nothing that a port could be at.
    for port in spec.ports.iter().filter(|_| has_any) {
        draft.port(&port.name, &port.protocol, port.port, &[]);
    }
}

fn headless(draft: &mut Draft, slices: &[&EndpointSlice]) {
    for slice in slices.iter().filter(|slice| slice.address_type != "FQDN") {
        let endpoints = slice.endpoints.iter().flatten().filter(|endpoint| endpoint.conditions.ready != Some(false));
        for endpoint in endpoints {
            for ip in endpoint.addresses.iter().filter_map(|text| text.parse::<IpAddr>().ok()) {
                let Some(host) = host(endpoint, ip) else { continue };
                draft.add(&[], ip);
                draft.add(&host, ip);
                for port in slice.ports.iter().flatten() {
                    let words = (port.name.as_deref().unwrap_or(""), port.protocol.as_deref().unwrap_or(""));
                    // A port that is not told is every port, of which there is no record.
                    port.port.iter().for_each(|number| draft.port(words.0, words.1, *number, &host));
                }
                draft.reverse.insert((ip, host.into()));
            }
        }
    }
}

/// The label of an endpoint: its host name, else its address with dashes.
fn host(endpoint: &Endpoint, ip: IpAddr) -> Option<Vec<u8>> {
    let own = endpoint.hostname.as_deref().filter(|text| !text.is_empty() && !text.contains('.'));
    own.and_then(name::label).or_else(|| name::label(&dashed(ip)))
}

/// An address as a label: dashes for its dots or colons.
fn dashed(ip: IpAddr) -> String {
    ip.to_string().replace(['.', ':'], "-")
}

/// The address of a dashed label.
pub fn undashed(label: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(label).ok()?;
    let v4 = || text.replace('-', ".").parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    let v6 = || text.replace('-', ":").parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    v4().or_else(v6)
}
