//! The facts of a node's manifest → what its name server must know: domain, own addresses, ranges.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use crate::dns::name;

/// The domain of a cluster that does not say another.
const DOMAIN: &str = "cluster.local";

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    base: IpAddr,
    bits: u8,
}

impl Range {
    /// Reads a CIDR.
    pub fn parse(text: &str) -> Option<Self> {
        let (base, bits) = text.trim().split_once('/')?;
        let (base, bits): (IpAddr, u8) = (base.parse().ok()?, bits.parse().ok()?);
        (bits <= if base.is_ipv4() { 32 } else { 128 }).then_some(Self { base, bits })
    }

    /// Whether an address is in it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| {
            let low = width - u32::from(self.bits);
            a.checked_shr(low).unwrap_or(0) == b.checked_shr(low).unwrap_or(0)
        };
        match (self.base, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
            _ => false,
        }
    }

    /// Labels of the reverse zone that holds all of it: the prefix rounded down to whole labels, with `in-addr.arpa`
    /// or `ip6.arpa`.
    pub fn reverse_labels(&self) -> usize {
        let per_label = if self.base.is_ipv4() { 8 } else { 4 };
        usize::from(self.bits / per_label) + 2
    }
}

/// What the name server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The cluster's domain on the wire.
    pub domain: Vec<u8>,
    /// The server's own addresses; none: there is no cluster DNS yet.
    pub addresses: Vec<IpAddr>,
    /// Ranges of services and pods: their reverse names are this server's alone.
    pub ranges: Vec<Range>,
}

impl Default for Facts {
    fn default() -> Self {
        Self::read(&BTreeMap::new()).0
    }
}

impl Facts {
    /// Reads the facts; what can't be read is left out, and named.
    pub fn read(facts: &BTreeMap<String, String>) -> (Self, Vec<String>) {
        let mut faults = Vec::new();
        let list = |key: &str| {
            let words = facts.get(key).map_or("", String::as_str).split(',');
            words.map(|word| word.trim().to_owned()).filter(|word| !word.is_empty())
        };
        let text = facts.get("cluster_domain").filter(|text| !text.is_empty()).map_or(DOMAIN, String::as_str);
        let domain = name::to_wire(text).filter(|wire| wire.len() > 1).unwrap_or_else(|| {
            faults.push(format!("cluster_domain {text:?} is no domain name, {DOMAIN} is served"));
            name::to_wire(DOMAIN).unwrap_or_default()
        });
        let mut addresses = Vec::new();
        for word in list("dns_ip") {
            match word.parse::<IpAddr>() {
                Ok(ip) if !ip.is_unspecified() => addresses.push(ip),
                _ => faults.push(format!("dns_ip {word:?} is no address")),
            }
        }
        let mut ranges = Vec::new();
        for word in list("service_cidr").chain(list("cluster_cidr")) {
            match Range::parse(&word) {
                Some(range) => ranges.push(range),
                None => faults.push(format!("{word:?} is no range of addresses")),
            }
        }
        (Self { domain, addresses, ranges }, faults)
    }

    /// The address that stands for the server in its own records.
    pub fn server(&self) -> IpAddr {
        self.addresses.first().copied().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_with_their_faults() {
        let facts = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (got, faults) = Facts::read(&facts(&[
            ("cluster_domain", "Example.internal"),
            ("dns_ip", "10.96.0.10, fd00::a"),
            ("service_cidr", "10.96.0.0/16"),
            ("cluster_cidr", "10.88.0.0/16,fd00:88::/64"),
        ]));
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(got.domain, name::to_wire("example.internal").unwrap());
        assert_eq!((got.addresses.len(), got.ranges.len()), (2, 3));
        let (got, faults) =
            Facts::read(&facts(&[("cluster_domain", "a..b"), ("dns_ip", "0.0.0.0"), ("service_cidr", "10.0.0.0/33")]));
        assert_eq!((got.addresses.len(), got.ranges.len(), faults.len()), (0, 0, 3));
    }

    #[test]
    fn ranges() {
        for (range, ip, inside) in [
            ("10.96.0.0/16", "10.96.255.1", true),
            ("10.96.0.0/16", "10.97.0.1", false),
            ("10.96.0.0/16", "fd00::1", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("10.0.0.1/32", "10.0.0.2", false),
            ("fd00:88::/64", "fd00:88::9", true),
            ("::/0", "fd00::9", true),
        ] {
            assert_eq!(Range::parse(range).unwrap().contains(ip.parse().unwrap()), inside, "{range} {ip}");
        }
        assert_eq!(Range::parse("10.96.0.0/12").unwrap().reverse_labels(), 3);
    }
}
