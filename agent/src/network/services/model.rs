//! What the service tables are made of: this node, services, and the slices of their endpoints, parsed once.

use std::net::IpAddr;

use crate::network::cidr::Cidr;
use crate::network::rules::ports::Protocol;

/// This node, as far as it decides where packets go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Here {
    /// Its name.
    pub name: String,
    /// Its `topology.kubernetes.io/zone`, or empty.
    pub zone: String,
    /// The ranges of its own pods.
    pub own: Vec<Cidr>,
    /// The ranges of all nodes' pods.
    pub cluster: Vec<Cidr>,
    /// The ranges of services' addresses.
    pub services: Vec<Cidr>,
    /// Services' addresses that this node answers itself (cluster DNS); nothing is led away from them.
    pub served: Vec<IpAddr>,
    /// Whether pods' links let packets from the loopback address through.
    pub loopback: bool,
    /// The link to nodes that are on no shared one; connections through it are told of its smaller packets.
    pub overlay: Option<String>,
}

/// A namespace and a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Name {
    /// From its two parts.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// A range of addresses of any size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Net {
    /// Its first address.
    pub base: IpAddr,
    /// Length of its prefix, in bits.
    pub bits: u8,
}

/// A service that has addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// When it was made (RFC 3339, so that it sorts): of two that claim one address and port, the older has it.
    pub created: String,
    /// Its own addresses, one of a family.
    pub cluster_ips: Vec<IpAddr>,
    /// `externalIPs`.
    pub external_ips: Vec<IpAddr>,
    /// Addresses of its load balancer that packets carry when they come here.
    pub balancer_ips: Vec<IpAddr>,
    /// Its ports.
    pub ports: Vec<Port>,
    /// Seconds for which a client stays with its endpoint.
    pub affinity_s: Option<u32>,
    /// Traffic of the cluster goes to endpoints of its own node only.
    pub is_internal_local: bool,
    /// Traffic from outside goes to endpoints of the node it came to only, and keeps its source.
    pub is_external_local: bool,
    /// Who may come through the load balancer; everybody when empty.
    pub source_ranges: Vec<Net>,
    /// Where load balancers ask whether this node has endpoints.
    pub health_port: Option<u16>,
}

/// One port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name, or empty.
    pub name: String,
    /// Its protocol.
    pub protocol: Protocol,
    /// On the service's addresses.
    pub port: u16,
    /// On the node's addresses.
    pub node_port: Option<u16>,
}

/// Part of the endpoints of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Whose they are.
    pub service: Name,
    /// Of which family their addresses are.
    pub is_v6: bool,
    /// Ports of every endpoint: name, protocol, number.
    pub ports: Vec<(String, Protocol, u16)>,
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// Whether a hint names this node (or its zone).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hint {
    /// There is none.
    #[default]
    None,
    /// It does.
    Here,
    /// It names others only.
    Elsewhere,
}

/// One endpoint as this node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address.
    pub ip: IpAddr,
    /// Takes new connections.
    pub is_ready: bool,
    /// Could take some, though it is about to end.
    pub is_serving: bool,
    /// About to end.
    pub is_terminating: bool,
    /// On this node.
    pub is_local: bool,
    /// `hints.forZones`.
    pub zone: Hint,
    /// `hints.forNodes`.
    pub node: Hint,
}
