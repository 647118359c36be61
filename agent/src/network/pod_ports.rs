//! Pods as the manifest has them → the ports of the node that they ask for, and who has which.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use masthead_wire::manifest::NodeContent;
use masthead_wire::object::{Digest, PodEntry};
use serde::Deserialize;

use crate::network::rules::ports::{HostPort, Protocol};

/// A port of the node that a pod asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodPort {
    /// Its protocol.
    pub protocol: Protocol,
    /// The node's address it is on; none for all of them.
    pub host_ip: Option<IpAddr>,
    /// The node's port.
    pub port: u16,
    /// The pod's port.
    pub pod_port: u16,
}

/// What pods ask for, by uid; those that ask for nothing are left out.
pub type Asked = BTreeMap<String, Vec<PodPort>>;

/// Reads pods' ports from manifests; a pod that did not change is not read again.
#[derive(Debug, Default)]
pub struct Reader {
    known: BTreeMap<Arc<str>, (Digest, Vec<PodPort>)>,
}

impl Reader {
    /// What the pods of a manifest ask for. A pod that does not read is left out: whoever starts it says why.
    pub fn read(&mut self, content: &NodeContent) -> Asked {
        self.known.retain(|uid, _| content.pods.contains_key(uid));
        let mut asked = Asked::new();
        for (uid, pod) in &content.pods {
            let fresh = self.known.get(uid).is_none_or(|(digest, _)| *digest != pod.digest);
            if fresh {
                self.known.insert(uid.clone(), (pod.digest, ports(pod)));
            }
            if let Some((_, ports)) = self.known.get(uid).filter(|(_, ports)| !ports.is_empty()) {
                asked.insert(uid.to_string(), ports.clone());
            }
        }
        asked
    }
}

#[derive(Deserialize)]
struct PodView {
    spec: SpecView,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SpecView {
    host_network: bool,
    containers: Vec<ContainerView>,
    init_containers: Vec<ContainerView>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContainerView {
    ports: Vec<PortView>,
    restart_policy: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PortView {
    container_port: u16,
    host_port: u16,
    #[serde(rename = "hostIP")]
    host_ip: String,
    protocol: String,
}

/// The ports of containers, and of init containers that go on beside them; a pod on the node's network has none.
fn ports(pod: &PodEntry) -> Vec<PodPort> {
    let Ok(PodView { spec }) = serde_json::from_slice::<PodView>(&pod.bytes) else { return Vec::new() };
    if spec.host_network {
        return Vec::new();
    }
    let sidecars = spec.init_containers.iter().filter(|c| c.restart_policy == "Always");
    let all = spec.containers.iter().chain(sidecars).flat_map(|c| &c.ports);
    let mut ports: Vec<PodPort> = all.filter(|p| p.host_port != 0).filter_map(port).collect();
    ports.sort();
    ports.dedup();
    ports
}

fn port(view: &PortView) -> Option<PodPort> {
    let protocol = Protocol::parse(&view.protocol)?;
    let host_ip = if view.host_ip.is_empty() { None } else { Some(view.host_ip.parse::<IpAddr>().ok()?) };
    Some(PodPort { protocol, host_ip, port: view.host_port, pod_port: view.container_port })
}

/// The node's ports that lead to a pod with these addresses.
pub fn of_pod<'a>(ports: &'a [PodPort], ips: &'a [IpAddr]) -> impl Iterator<Item = HostPort> + 'a {
    let fits = |port: &PodPort, ip: &IpAddr| port.host_ip.is_none_or(|host| host.is_ipv4() == ip.is_ipv4());
    ports.iter().flat_map(move |port| {
        ips.iter().filter(move |ip| fits(port, ip)).map(move |ip| HostPort {
            protocol: port.protocol,
            host_ip: port.host_ip,
            port: port.port,
            pod_ip: *ip,
            pod_port: port.pod_port,
        })
    })
}

/// A port that `uid` asks for and another of `holders` has, with who that is.
pub fn taken<'a>(asked: &'a Asked, uid: &str, holders: &BTreeSet<&'a str>) -> Option<(&'a PodPort, &'a str)> {
    let wildcard = |port: &PodPort| port.host_ip.is_none_or(|ip| ip.is_unspecified());
    let meet = |a: &PodPort, b: &PodPort| {
        let apart = matches!((a.host_ip, b.host_ip), (Some(a), Some(b)) if a.is_ipv4() != b.is_ipv4());
        let same = wildcard(a) || wildcard(b) || a.host_ip == b.host_ip;
        (a.protocol, a.port) == (b.protocol, b.port) && same && !apart
    };
    let own = asked.get(uid)?;
    holders.iter().filter(|other| **other != uid).find_map(|other| {
        let theirs = asked.get(*other)?;
        own.iter().find(|port| theirs.iter().any(|held| meet(port, held))).map(|port| (port, *other))
    })
}

#[cfg(test)]
#[path = "pod_ports_tests.rs"]
mod tests;
