//! Turns a CIDR's text into the addresses pods may have in it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::network::error::Error;

/// A range of addresses: a prefix of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cidr {
    base: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Its first address.
    #[must_use]
    pub fn base(&self) -> IpAddr {
        self.base
    }

    /// Length of its prefix, in bits.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether it is of IPv6.
    #[must_use]
    pub fn is_v6(&self) -> bool {
        self.base.is_ipv6()
    }

    /// How many addresses a pod can have: all but the network's own, the node's and IPv4's broadcast.
    #[must_use]
    pub fn pods(&self) -> u128 {
        let host_bits = u32::from(self.width() - self.bits);
        let all = 1u128.checked_shl(host_bits).unwrap_or(u128::MAX);
        all.saturating_sub(if self.is_v6() { 2 } else { 3 })
    }

    /// The node's own address in it: the first after the network's.
    #[must_use]
    pub fn node(&self) -> IpAddr {
        self.at(1)
    }

    /// The address of pod `index`, below [`Self::pods`].
    #[must_use]
    pub fn pod(&self, index: u128) -> IpAddr {
        self.at(index + 2)
    }

    /// The index of a pod's address, when it is one.
    #[must_use]
    pub fn index(&self, ip: IpAddr) -> Option<u128> {
        let offset = match (self.base, ip) {
            (IpAddr::V4(b), IpAddr::V4(i)) => u128::from(u32::from(i).checked_sub(u32::from(b))?),
            (IpAddr::V6(b), IpAddr::V6(i)) => u128::from(i).checked_sub(u128::from(b))?,
            _ => return None,
        };
        offset.checked_sub(2).filter(|i| *i < self.pods())
    }

    fn at(&self, offset: u128) -> IpAddr {
        match self.base {
            IpAddr::V4(b) => {
                let low = u32::try_from(offset).unwrap_or(u32::MAX);
                IpAddr::V4(Ipv4Addr::from(u32::from(b).saturating_add(low)))
            }
            IpAddr::V6(b) => IpAddr::V6(Ipv6Addr::from(u128::from(b).saturating_add(offset))),
        }
    }

    fn width(&self) -> u8 {
        if self.is_v6() { 128 } else { 32 }
    }
}

impl FromStr for Cidr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fault = |why| Error::Cidr { cidr: text.to_owned(), why };
        let (ip, bits) = text.split_once('/').ok_or_else(|| fault("has no prefix length"))?;
        let ip: IpAddr = ip.parse().map_err(|_| fault("does not begin with an address"))?;
        let bits: u8 = bits.parse().map_err(|_| fault("its prefix length is no number"))?;
        let base = match ip {
            IpAddr::V4(v4) if bits <= 32 => {
                let mask = u32::MAX.checked_shl(u32::from(32 - bits)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
            }
            IpAddr::V6(v6) if bits <= 128 => {
                let mask = u128::MAX.checked_shl(u32::from(128 - bits)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
            }
            _ => return Err(fault("its prefix is longer than an address")),
        };
        let cidr = Self { base, bits };
        if cidr.pods() == 0 {
            return Err(fault("has no room for a pod"));
        }
        Ok(cidr)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

/// A node's CIDRs: one of a family at most; the first is that of pods' primary addresses.
pub fn node_cidrs(texts: &[String]) -> Result<Vec<Cidr>, Error> {
    let mut cidrs: Vec<Cidr> = Vec::with_capacity(texts.len());
    for text in texts {
        let cidr: Cidr = text.parse()?;
        if cidrs.iter().any(|c| c.is_v6() == cidr.is_v6()) {
            return Err(Error::Cidr { cidr: text.clone(), why: "is a second one of its family" });
        }
        cidrs.push(cidr);
    }
    Ok(cidrs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cidrs_read_and_count() {
        for (text, base, node, first, pods) in [
            ("10.42.0.0/24", "10.42.0.0", "10.42.0.1", "10.42.0.2", 253),
            ("10.42.3.77/24", "10.42.3.0", "10.42.3.1", "10.42.3.2", 253),
            ("192.0.2.0/30", "192.0.2.0", "192.0.2.1", "192.0.2.2", 1),
            ("fd00:10::/120", "fd00:10::", "fd00:10::1", "fd00:10::2", 254),
        ] {
            let c: Cidr = text.parse().unwrap();
            assert_eq!(c.base().to_string(), base);
            assert_eq!(c.node().to_string(), node);
            assert_eq!(c.pod(0).to_string(), first);
            assert_eq!(c.pods(), pods);
            assert_eq!(c.index(c.pod(pods - 1)), Some(pods - 1));
            assert_eq!(c.index(c.node()), None);
        }
        let last: Cidr = "10.42.0.0/24".parse().unwrap();
        assert_eq!(last.pod(252).to_string(), "10.42.0.254");
        assert_eq!(last.index("10.42.0.255".parse().unwrap()), None);
        assert_eq!(last.index("10.41.0.5".parse().unwrap()), None);
        assert_eq!(last.index("fd00::5".parse().unwrap()), None);
    }

    #[test]
    fn what_is_no_cidr_is_refused() {
        for bad in
            ["", "10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/x", "10.0.0.0/31", "10.0.0.0/32", "::/129", "fd00::/128"]
        {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }
}
