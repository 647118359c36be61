//! Turns host ports into the elements of the table's maps, and two states of them into what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::network::error::{Error, Result};

/// Host ports a node can have.
const MAX: usize = 65_536;

/// The protocol of a host port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// As Kubernetes writes it; empty is TCP.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "TCP" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            "SCTP" => Some(Self::Sctp),
            _ => None,
        }
    }

    /// As Kubernetes writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }

    /// Its number in an IP header.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

/// A port of the node that leads to a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostPort {
    /// Its protocol.
    pub protocol: Protocol,
    /// The node's address it is on; none, or the unspecified address, for all of them.
    pub host_ip: Option<IpAddr>,
    /// The node's port.
    pub port: u16,
    /// The pod's address, of the family the port is for.
    pub pod_ip: IpAddr,
    /// The pod's port.
    pub pod_port: u16,
}

/// A map of the table; each exists once for each family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Map {
    /// (protocol, port) to (address, port).
    Any,
    /// (address, protocol, port) to (address, port).
    At,
}

/// An element's key: what a packet is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// In which map.
    pub map: Map,
    /// Of which family's maps.
    pub v6: bool,
    /// The node's address, in [`Map::At`].
    pub host_ip: Option<IpAddr>,
    /// The protocol.
    pub protocol: Protocol,
    /// The node's port.
    pub port: u16,
}

/// Where a packet goes.
pub type Target = (IpAddr, u16);

/// Elements of the maps, and whom the hairpin sets hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elements {
    /// Of the maps.
    pub ports: BTreeMap<Key, Target>,
    /// Pods that may come back to themselves through a port of the node.
    pub hairpins: BTreeSet<IpAddr>,
}

/// What leads from one state of the maps to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Elements to take out, with the target they had.
    pub remove: Elements,
    /// Elements to put in.
    pub add: Elements,
}

impl Elements {
    /// What the maps must hold for these ports.
    pub fn of(ports: &[HostPort]) -> Result<Self> {
        let mut elements = Self::default();
        if ports.len() > MAX {
            return Err(Error::HostPort(format!("list has {} entries, more than {MAX}", ports.len())));
        }
        for wanted in ports {
            let key = key(wanted)?;
            let target = (wanted.pod_ip, wanted.pod_port);
            if let Some(before) = elements.ports.insert(key, target)
                && before != target
            {
                let (protocol, port) = (wanted.protocol, wanted.port);
                return Err(Error::HostPort(format!("{protocol:?} {port} leads both to {before:?} and to {target:?}")));
            }
            elements.hairpins.insert(wanted.pod_ip);
        }
        Ok(elements)
    }

    /// What leads from this to `wanted`. A changed target is taken out and put in: maps keep their first.
    #[must_use]
    pub fn change_to(&self, wanted: &Self) -> Change {
        let differs = |a: &Self, b: &Self| Self {
            ports: a.ports.iter().filter(|(k, t)| b.ports.get(k) != Some(t)).map(|(k, t)| (*k, *t)).collect(),
            hairpins: a.hairpins.difference(&b.hairpins).copied().collect(),
        };
        Change { remove: differs(self, wanted), add: differs(wanted, self) }
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ports.is_empty() && self.hairpins.is_empty()
    }
}

fn key(wanted: &HostPort) -> Result<Key> {
    let fault = |why| Error::HostPort(format!("{:?} {} to {}: {why}", wanted.protocol, wanted.port, wanted.pod_ip));
    if wanted.port == 0 || wanted.pod_port == 0 {
        return Err(fault("port 0 is none"));
    }
    let v6 = wanted.pod_ip.is_ipv6();
    let host_ip = wanted.host_ip.filter(|ip| !ip.is_unspecified());
    if host_ip.is_some_and(|ip| ip.is_ipv6() != v6) {
        return Err(fault("the node's address is of another family"));
    }
    if host_ip.is_some_and(|ip| v6 && ip.is_loopback()) {
        return Err(fault("IPv6 leads nothing away from the loopback address"));
    }
    let map = if host_ip.is_some() { Map::At } else { Map::Any };
    Ok(Key { map, v6, host_ip, protocol: wanted.protocol, port: wanted.port })
}

#[cfg(test)]
#[path = "ports_tests.rs"]
mod tests;
