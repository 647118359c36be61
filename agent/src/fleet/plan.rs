//! Turns a data directory and what the machine's network holds into names and addresses of a segment of nodes.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::network::names::Names;

/// Bits of a segment's prefix: room for 253 nodes.
pub const SEGMENT_BITS: u8 = 24;
/// Most nodes of one segment; the first address is the machine's.
pub const NODES_MAX: u8 = 250;
/// Segments are taken from here (RFC 1918; Docker begins at the other end of 172.16/12, kind above it).
const SEGMENTS: Ipv4Addr = Ipv4Addr::new(172, 29, 0, 0);

/// A prefix that is in use on the machine: address and bits.
pub type Prefix = (Ipv4Addr, u8);

/// The common network of the nodes of one data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Its first address, with [`SEGMENT_BITS`].
    pub base: Ipv4Addr,
}

impl Segment {
    /// The first segment that meets no prefix in use; `tag` says where the search begins, so that two data directories
    /// that start at the same moment seldom meet. None when all 256 are taken.
    #[must_use]
    pub fn choose(tag: u8, taken: &[Prefix]) -> Option<Self> {
        let [a, b, _, _] = SEGMENTS.octets();
        let all = (0..=u8::MAX).map(|n| Self { base: Ipv4Addr::new(a, b, tag.wrapping_add(n), 0) });
        all.into_iter().find(|segment| !taken.iter().any(|used| meet((segment.base, SEGMENT_BITS), *used)))
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
    let bits = a.1.min(b.1);
    let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
    bits > 0 && u32::from(a.0) & mask == u32::from(b.0) & mask
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
            let taken: Vec<Prefix> = taken.iter().map(|(base, bits)| (ip(base), *bits)).collect();
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
    fn addresses_follow_the_machines() {
        let segment = Segment { base: Ipv4Addr::new(172, 29, 4, 0) };
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
