//! Turns a data directory and what the machine's network holds into names and addresses of a segment of nodes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::network::names::Names;

/// Bits of a segment's prefix: room for 253 nodes.
pub const SEGMENT_BITS: u8 = 24;
/// Most nodes of one segment; the first address is the machine's.
pub const NODES_MAX: u8 = 250;
/// Segments are taken from here (RFC 1918; Docker begins at the other end of 172.16/12, kind above it).
const SEGMENTS: Ipv4Addr = Ipv4Addr::new(172, 29, 0, 0);

/// Bits of the prefix of a segment's addresses of IPv6.
pub const SEGMENT_BITS_V6: u8 = 64;
/// Networks of IPv6 that are tried for a segment.
const TRIES_V6: u8 = 16;

/// A prefix that is in use on the machine: address and bits.
pub type Prefix = (IpAddr, u8);

/// The common network of the nodes of one data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Its first address, with [`SEGMENT_BITS`].
    pub base: Ipv4Addr,
    /// Its first address of IPv6, with [`SEGMENT_BITS_V6`], where the cluster has addresses of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_v6: Option<Ipv6Addr>,
}

impl Segment {
    /// The first segment that meets no prefix in use; `tag` says where the search begins, so that two data directories
    /// that start at the same moment seldom meet. None when all 256 are taken.
    #[must_use]
    pub fn choose(tag: u8, taken: &[Prefix]) -> Option<Self> {
        let [a, b, _, _] = SEGMENTS.octets();
        let all = (0..=u8::MAX).map(|n| Self { base: Ipv4Addr::new(a, b, tag.wrapping_add(n), 0), base_v6: None });
        all.into_iter().find(|segment| !taken.iter().any(|used| meet((segment.base.into(), SEGMENT_BITS), *used)))
    }

    /// A network of IPv6 for it (RFC 4193) that meets no prefix in use, with a number that follows from `name`. None when
    /// all that are tried are taken.
    #[must_use]
    pub fn choose_v6(name: &str, taken: &[Prefix]) -> Option<Ipv6Addr> {
        let mut all = (0..TRIES_V6).map(|n| {
            let digest = Sha256::new().chain_update(name).chain_update([n]).finalize();
            let mut octets = [0; 16];
            octets[0] = 0xfd;
            octets[1..6].copy_from_slice(&digest[..5]);
            Ipv6Addr::from(octets)
        });
        all.find(|base| !taken.iter().any(|used| meet(((*base).into(), SEGMENT_BITS_V6), *used)))
    }

    /// The machine's address of IPv6 on the segment, when it has any.
    #[must_use]
    pub fn machine_v6(&self) -> Option<Ipv6Addr> {
        self.at_v6(1)
    }

    /// A node's address of IPv6, by the number that gives its address of IPv4.
    #[must_use]
    pub fn node_v6(&self, number: u8) -> Option<Ipv6Addr> {
        self.at_v6(u128::from(number.min(NODES_MAX)) + 1)
    }

    fn at_v6(&self, last: u128) -> Option<Ipv6Addr> {
        self.base_v6.map(|base| Ipv6Addr::from(u128::from(base) + last))
    }

    /// All addresses of a node, IPv4 first.
    #[must_use]
    pub fn node_ips(&self, number: u8) -> Vec<IpAddr> {
        [Some(self.node(number).into()), self.node_v6(number).map(IpAddr::from)].into_iter().flatten().collect()
    }

    /// The machine's address on the segment.
    #[must_use]
    pub fn machine(&self) -> Ipv4Addr {
        self.at(1)
    }

    /// A node's address; `number` counts from 1 to [`NODES_MAX`].
    #[must_use]
    pub fn node(&self, number: u8) -> Ipv4Addr {
        self.at(number.min(NODES_MAX) + 1)
    }

    fn at(&self, last: u8) -> Ipv4Addr {
        let [a, b, c, _] = self.base.octets();
        Ipv4Addr::new(a, b, c, last)
    }
}

/// Whether one prefix holds the other. A default route (0 bits) meets nothing: it is the way to all that is not here.
#[must_use]
pub fn meet(a: Prefix, b: Prefix) -> bool {
    let bits = u32::from(a.1.min(b.1));
    match (a.0, b.0) {
        _ if bits == 0 => false,
        (IpAddr::V4(a), IpAddr::V4(b)) => (u32::from(a) ^ u32::from(b)).checked_shr(32 - bits).unwrap_or(0) == 0,
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b)).checked_shr(128 - bits).unwrap_or(0) == 0,
        _ => false,
    }
}

/// Where things of a segment are, and what they are called.
#[derive(Clone, Debug)]
pub struct Places {
    /// The directory of pins, absolute.
    pub home: PathBuf,
    /// Names in the kernel.
    pub names: Names,
}

impl Places {
    /// Of a data directory (absolute).
    #[must_use]
    pub fn new(data: &Path) -> Self {
        let home = data.join("fleet");
        Self { names: Names::of(&home), home }
    }

    /// The pin of the bridge's namespace.
    #[must_use]
    pub fn hub(&self) -> PathBuf {
        self.home.join("hub")
    }

    /// The pin of a node's namespace.
    #[must_use]
    pub fn node(&self, name: &str) -> PathBuf {
        self.home.join("nodes").join(name)
    }

    /// The machine's link to the segment; the prefix is the one that others' firewalls are told to let through.
    #[must_use]
    pub fn link(&self) -> String {
        format!("{}segment", self.names.link_prefix())
    }

    /// The nftables table of the machine for the nodes' way out.
    #[must_use]
    pub fn table(&self) -> String {
        self.names.table()
    }
}

/// A node's port on the bridge.
#[must_use]
pub fn port(number: u8) -> String {
    format!("node{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_meets_nothing_that_is_there() {
        let ip = |text: &str| text.parse::<Ipv4Addr>().unwrap();
        let check = |tag: u8, taken: &[(&str, u8)], expect: Option<&str>| {
            let taken: Vec<Prefix> = taken.iter().map(|(base, bits)| (ip(base).into(), *bits)).collect();
            assert_eq!(Segment::choose(tag, &taken).map(|s| s.base), expect.map(ip), "{taken:?}");
        };
        check(0, &[], Some("172.29.0.0"));
        check(7, &[("0.0.0.0", 0)], Some("172.29.7.0"));
        check(7, &[("172.29.7.12", 32)], Some("172.29.8.0"));
        check(255, &[("172.29.255.0", 24), ("172.29.0.0", 23)], Some("172.29.2.0"));
        check(3, &[("172.16.0.0", 12)], None);
        check(3, &[("10.0.0.0", 8), ("172.28.0.0", 16)], Some("172.29.3.0"));
    }

    #[test]
    fn a_network_of_ipv6_is_always_the_same_and_meets_nothing() {
        let first = Segment::choose_v6("a", &[]).unwrap();
        assert_eq!((Segment::choose_v6("a", &[]), first.octets()[0]), (Some(first), 0xfd));
        assert_ne!(Segment::choose_v6("b", &[]), Some(first));
        let taken: Vec<Prefix> = vec![(first.into(), 48)];
        let second = Segment::choose_v6("a", &taken).unwrap();
        assert_ne!(second, first);
        assert_eq!(Segment::choose_v6("a", &[("fc00::".parse().unwrap(), 7)]), None);
        assert_eq!(Segment::choose_v6("a", &[("::".parse().unwrap(), 0)]), Some(first), "a default route");
        assert!(!meet(("10.0.0.0".parse().unwrap(), 8), ("a00::".parse().unwrap(), 8)));
    }

    #[test]
    fn addresses_follow_the_machines() {
        let segment = Segment { base: Ipv4Addr::new(172, 29, 4, 0), base_v6: None };
        assert_eq!((segment.machine_v6(), segment.node_ips(1).len()), (None, 1));
        let dual = Segment { base_v6: Some("fd12:3456:789a::".parse().unwrap()), ..segment.clone() };
        assert_eq!(dual.machine_v6(), Some("fd12:3456:789a::1".parse().unwrap()));
        assert_eq!(dual.node_v6(250), Some("fd12:3456:789a::fb".parse().unwrap()));
        assert_eq!(dual.node_ips(2).len(), 2);
        assert_eq!(segment.machine(), Ipv4Addr::new(172, 29, 4, 1));
        assert_eq!(segment.node(1), Ipv4Addr::new(172, 29, 4, 2));
        assert_eq!(segment.node(250), Ipv4Addr::new(172, 29, 4, 251));
    }

    #[test]
    fn names_fit_the_kernel() {
        let places = Places::new(Path::new("/var/lib/masthead"));
        assert!(places.link().len() <= 15 && port(NODES_MAX).len() <= 15);
    }
}
