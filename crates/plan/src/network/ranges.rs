//! The ranges of a cluster, as it was started with: where pods and services get their addresses and ports.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use masthead_api::admit::families::{Families, V4};

use crate::network::cidr::Cidr;

/// Ranges, ports and names that hold for the whole cluster.
///
/// Each list has one range, or one of each family with the preferred family first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Addresses of pods; each node gets a block of it.
    pub pods: Vec<PodRange>,
    /// Addresses of services.
    pub services: Vec<Cidr>,
    /// First and last of the ports that nodes open for services.
    pub node_ports: (u16, u16),
    /// The domain of names within the cluster.
    pub domain: String,
    /// Where pods reach the API; absent when it listens on loopback alone.
    pub api: Option<SocketAddr>,
    /// How nodes serve Ingresses, beside their defaults: `proxy_protocol`, `trusted` and the like.
    pub ingress: BTreeMap<String, String>,
}

/// A range of which each node gets a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodRange {
    /// The whole.
    pub cidr: Cidr,
    /// The length of the prefix of a node's block.
    pub node_bits: u8,
}

/// The range of services unless another is given.
pub const SERVICES: &str = "10.96.0.0/16";
/// The range of pods unless another is given.
pub const PODS: &str = "10.88.0.0/16";
/// Length of the prefix of a node's block of an IPv4 range (Kubernetes' `node-cidr-mask-size-ipv4`).
pub const NODE_BITS_V4: u8 = 24;
/// Length of the prefix of a node's block of an IPv6 range (Kubernetes' `node-cidr-mask-size-ipv6`).
pub const NODE_BITS_V6: u8 = 64;
/// Which address of the service range the API has, and which the DNS of the cluster.
const API_INDEX: u128 = 1;
const DNS_INDEX: u128 = 10;

impl PodRange {
    /// A range with blocks of the usual size; `None` when not even one block fits in.
    pub fn new(cidr: Cidr) -> Option<PodRange> {
        let node_bits = if cidr.is_ipv4() { NODE_BITS_V4 } else { NODE_BITS_V6 };
        (cidr.blocks(node_bits) > 0).then_some(PodRange { cidr, node_bits })
    }
}

impl Default for Network {
    fn default() -> Network {
        let pods: Option<PodRange> = PODS.parse().ok().and_then(PodRange::new);
        Network {
            pods: pods.into_iter().collect(),
            services: SERVICES.parse().into_iter().collect(),
            node_ports: (30_000, 32_767),
            domain: "cluster.local".to_owned(),
            api: None,
            ingress: BTreeMap::new(),
        }
    }
}

impl Network {
    /// The address of the service `kubernetes`.
    pub fn api_ip(&self) -> Option<IpAddr> {
        self.services.first()?.nth(API_INDEX)
    }

    /// The address of the cluster's DNS.
    pub fn dns_ip(&self) -> Option<IpAddr> {
        self.services.first()?.nth(DNS_INDEX)
    }

    /// The families of services, the preferred one first.
    pub fn families(&self) -> Families {
        Families::of(self.services.iter().map(|range| range.family()))
    }

    /// The family of services that ask for none.
    pub fn preferred_family(&self) -> &'static str {
        self.services.first().map_or(V4, |range| range.family())
    }

    /// Of addresses those that the cluster's pods can have, families in their order; all where none is of such a family.
    pub fn of_families(&self, ips: &[IpAddr]) -> Vec<IpAddr> {
        let of = |range: &PodRange| {
            ips.iter().filter(|ip| ip.is_ipv4() == range.cidr.is_ipv4()).copied().collect::<Vec<_>>()
        };
        let found: Vec<IpAddr> = self.pods.iter().flat_map(of).collect();
        if found.is_empty() { ips.to_vec() } else { found }
    }

    /// The range of services of a family (`IPv4`, `IPv6`).
    pub fn services_of(&self, family: &str) -> Option<Cidr> {
        self.services.iter().copied().find(|range| range.family() == family)
    }

    /// Whether a service may have this address.
    pub fn is_service_ip(&self, ip: IpAddr) -> bool {
        self.services.iter().any(|range| range.contains(ip))
    }

    /// The ranges of services as one text, parted by commas.
    pub fn services_text(&self) -> String {
        let texts: Vec<String> = self.services.iter().map(ToString::to_string).collect();
        texts.join(",")
    }

    /// The ranges of pods as one text, parted by commas.
    pub fn pods_text(&self) -> String {
        let texts: Vec<String> = self.pods.iter().map(|range| range.cidr.to_string()).collect();
        texts.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_ranges_are_the_contract() {
        let network = Network::default();
        assert_eq!((network.pods_text().as_str(), network.services_text().as_str()), (PODS, SERVICES));
        assert_eq!(network.api_ip(), Some([10, 96, 0, 1].into()));
        assert_eq!(network.dns_ip(), Some([10, 96, 0, 10].into()));
        assert_eq!(PodRange::new("10.0.0.0/25".parse().unwrap()), None);
        assert_eq!((network.families(), network.preferred_family()), (Families::V4, "IPv4"));
    }

    #[test]
    fn families_come_in_the_order_of_the_ranges() {
        let range = |text: &str| PodRange::new(text.parse().unwrap()).unwrap();
        let network = |pods: &[&str], services: &[&str]| Network {
            pods: pods.iter().map(|text| range(text)).collect(),
            services: services.iter().map(|text| text.parse().unwrap()).collect(),
            ..Network::default()
        };
        let dual = network(&["fd00:88::/56", "10.88.0.0/16"], &["fd00:96::/112", "10.96.0.0/16"]);
        assert_eq!((dual.families(), dual.preferred_family()), (Families::V6V4, "IPv6"));
        assert_eq!(dual.dns_ip(), Some("fd00:96::a".parse().unwrap()));
        let ips = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let both = ips(&["192.0.2.1", "2001:db8::1"]);
        assert_eq!(dual.of_families(&both), ips(&["2001:db8::1", "192.0.2.1"]));
        assert_eq!(Network::default().of_families(&both), ips(&["192.0.2.1"]));
        assert_eq!(Network::default().of_families(&both[1..]), ips(&["2001:db8::1"]), "better one than none");
    }
}
