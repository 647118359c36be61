//! `address/bits` → a network that counts, holds and splits addresses of either family.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not of the form.
    #[error("{0:?} is no network of the form 10.96.0.0/16")]
    Form(String),
    /// Bits are set beyond the prefix.
    #[error("{0:?} has bits set beyond its prefix, did you mean {1}?")]
    Beyond(String, Cidr),
}

/// A network: its first address and the length of its prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    base: IpAddr,
    bits: u8,
}

impl Cidr {
    /// The network that an address is in; `None` when there are not so many bits.
    pub fn of(address: IpAddr, bits: u8) -> Option<Cidr> {
        let cidr = Cidr { base: address, bits };
        let host = cidr.width().checked_sub(bits)?;
        let first = if host >= 128 { 0 } else { (number(address) >> host) << host };
        Some(Cidr { base: cidr.address(first), bits })
    }

    /// Bits of an address of its family.
    fn width(self) -> u8 {
        if self.base.is_ipv4() { 32 } else { 128 }
    }

    fn address(self, number: u128) -> IpAddr {
        match self.base {
            // The number came from an address of this family.
            IpAddr::V4(_) => Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into(),
            IpAddr::V6(_) => Ipv6Addr::from(number).into(),
        }
    }

    /// The first address.
    pub fn base(self) -> IpAddr {
        self.base
    }

    /// The length of the prefix.
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// Whether it is of IPv4.
    pub fn is_ipv4(self) -> bool {
        self.base.is_ipv4()
    }

    /// `IPv4` or `IPv6`.
    pub fn family(self) -> &'static str {
        if self.is_ipv4() { "IPv4" } else { "IPv6" }
    }

    /// How many addresses it has; all of IPv6 count as one less.
    pub fn size(self) -> u128 {
        1_u128.checked_shl(u32::from(self.width() - self.bits)).unwrap_or(u128::MAX)
    }

    /// The address at an index, the first being 0.
    pub fn nth(self, index: u128) -> Option<IpAddr> {
        (index < self.size()).then(|| self.address(number(self.base) + index))
    }

    /// The index of an address; `None` when it is not in the network.
    pub fn index_of(self, address: IpAddr) -> Option<u128> {
        let same = address.is_ipv4() == self.is_ipv4();
        let index = number(address).checked_sub(number(self.base)).filter(|_| same)?;
        (index < self.size()).then_some(index)
    }

    /// Whether an address is in it.
    pub fn contains(self, address: IpAddr) -> bool {
        self.index_of(address).is_some()
    }

    /// Whether any address is in both.
    pub fn overlaps(self, other: Cidr) -> bool {
        self.contains(other.base) || other.contains(self.base)
    }

    /// Whether all addresses of another are in it.
    pub fn holds(self, other: Cidr) -> bool {
        self.contains(other.base) && self.bits <= other.bits
    }

    /// How many networks of `bits` it holds; 0 when it is smaller than one.
    pub fn blocks(self, bits: u8) -> u128 {
        match bits.checked_sub(self.bits) {
            Some(more) if bits <= self.width() => 1_u128.checked_shl(u32::from(more)).unwrap_or(u128::MAX),
            _ => 0,
        }
    }

    /// The network of `bits` at an index.
    pub fn block(self, bits: u8, index: u128) -> Option<Cidr> {
        if index >= self.blocks(bits) {
            return None;
        }
        let host = u32::from(self.width() - bits);
        Some(Cidr { base: self.address(number(self.base) + (index << host)), bits })
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl FromStr for Cidr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Cidr, Error> {
        let form = || Error::Form(text.to_owned());
        let (address, bits) = text.split_once('/').ok_or_else(form)?;
        let address: IpAddr = address.parse().map_err(|_| form())?;
        if bits.is_empty() || !bits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(form());
        }
        let cidr = Cidr::of(address, bits.parse().map_err(|_| form())?).ok_or_else(form)?;
        if cidr.base == address { Ok(cidr) } else { Err(Error::Beyond(text.to_owned(), cidr)) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_count_hold_and_split() {
        let range = cidr("10.96.0.0/16");
        assert_eq!((range.size(), range.blocks(24), range.blocks(8)), (65_536, 256, 0));
        assert_eq!(range.nth(10), Some([10, 96, 0, 10].into()));
        assert_eq!(range.nth(65_536), None);
        assert_eq!(range.index_of([10, 96, 1, 0].into()), Some(256));
        assert_eq!(range.index_of([10, 97, 0, 0].into()), None);
        assert_eq!(range.block(24, 255), Some(cidr("10.96.255.0/24")));
        assert_eq!(range.block(24, 256), None);
        assert!(range.overlaps(cidr("10.0.0.0/8")) && cidr("10.0.0.0/8").overlaps(range));
        assert!(!range.overlaps(cidr("10.97.0.0/16")) && !range.overlaps(cidr("::/0")));
        let six = cidr("fd00:10:96::/112");
        assert_eq!((six.size(), six.family()), (65_536, "IPv6"));
        assert_eq!(six.nth(1), Some("fd00:10:96::1".parse().unwrap()));
        assert_eq!(cidr("fd00::/48").block(64, 3), Some(cidr("fd00:0:0:3::/64")));
        assert!(cidr("0.0.0.0/0").contains([255, 255, 255, 255].into()));
        assert!(cidr("::/0").contains("ffff::1".parse().unwrap()));
        assert_eq!(cidr("10.0.0.7/32").size(), 1);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in
            ["", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "x/8", "::/129", "10.0.0.0/256"]
        {
            assert_eq!(text.parse::<Cidr>(), Err(Error::Form(text.to_owned())), "{text}");
        }
        let error = "10.0.0.1/8".parse::<Cidr>().unwrap_err().to_string();
        assert_eq!(error, "\"10.0.0.1/8\" has bits set beyond its prefix, did you mean 10.0.0.0/8?");
    }
}
