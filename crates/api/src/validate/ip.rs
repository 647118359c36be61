//! Addresses and networks as text to faults.

use std::net::{IpAddr, Ipv4Addr};

use crate::validate::error::Errors;
use crate::validate::path::Path;

/// An address as Go reads it: leading zeros in IPv4 are put up with, and IPv4 within IPv6 is IPv4.
pub fn parse(text: &str) -> Option<IpAddr> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip.to_canonical());
    }
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() != 4 {
        return None;
    }
    let mut octets = [0u8; 4];
    for (octet, part) in octets.iter_mut().zip(parts) {
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digits = part.trim_start_matches('0');
        *octet = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    }
    Some(Ipv4Addr::from(octets).into())
}

/// Whether the text is an IPv6 address.
pub fn is_v6(text: &str) -> bool {
    matches!(parse(text), Some(IpAddr::V6(_)))
}

/// The address of `address/bits`.
pub fn parse_cidr(text: &str) -> Option<IpAddr> {
    parse_network(text).map(|(ip, _)| ip)
}

/// The address and the length of the prefix of `address/bits`.
pub fn parse_network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/')?;
    let ip = parse(address)?;
    let max = if ip.is_ipv4() { 32 } else { 128 };
    let plain = !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit());
    let bits = bits.parse::<u32>().ok().filter(|bits| plain && *bits <= max)?;
    Some((ip, bits))
}

/// An address, written without leading zeros and without IPv4 within IPv6; says whether it can be read at all.
pub fn validate_ip(path: &Path<'_>, text: &str, errors: &mut Errors) -> bool {
    if parse(text).is_none() {
        errors.invalid(path, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
        return false;
    }
    match text.parse::<IpAddr>() {
        Err(_) => errors.invalid(path, text, "must not have leading 0s"),
        Ok(ip) if ip != ip.to_canonical() => errors.invalid(path, text, "must not be an IPv4-mapped IPv6 address"),
        Ok(_) => return true,
    }
    false
}

/// An address as [`validate_ip`] takes it, in the one form that Go writes it in.
pub fn validate_canonical_ip(path: &Path<'_>, text: &str, errors: &mut Errors) -> bool {
    if !validate_ip(path, text, errors) {
        return false;
    }
    match parse(text).map(|ip| ip.to_string()).filter(|canonical| canonical != text) {
        Some(canonical) => errors.invalid(path, text, &format!("must be in canonical form ({canonical:?})")),
        None => return true,
    }
    false
}

/// A network, written without leading zeros and without bits beyond its prefix.
pub fn validate_cidr(path: &Path<'_>, text: &str, errors: &mut Errors) {
    if parse_cidr(text).is_none() {
        return errors.invalid(path, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    }
    let (address, bits) = text.split_once('/').unwrap_or((text, ""));
    let padded = bits.len() > 1 && bits.starts_with('0');
    let ip = match address.parse::<IpAddr>() {
        Ok(ip) if !padded => ip,
        _ => return errors.invalid(path, text, "must not have leading 0s in IP or prefix length"),
    };
    if ip != ip.to_canonical() {
        return errors.invalid(path, text, "must not have an IPv4-mapped IPv6 address");
    }
    let bits: u32 = bits.parse().unwrap_or_default();
    let beyond = match ip {
        IpAddr::V4(ip) => ip.to_bits() & u32::MAX.checked_shr(bits).unwrap_or(0) != 0,
        IpAddr::V6(ip) => ip.to_bits() & u128::MAX.checked_shr(bits).unwrap_or(0) != 0,
    };
    if beyond {
        errors.invalid(path, text, "must not have bits set beyond the prefix length");
    }
}

/// An address that traffic can be sent to: not unspecified, loopback or link-local.
pub fn validate_non_special(path: &Path<'_>, text: &str, errors: &mut Errors) {
    let Some(ip) = parse(text) else {
        errors.invalid(path, text, "must be a valid IP address");
        return;
    };
    if ip.is_unspecified() {
        errors.invalid(path, text, &format!("may not be unspecified ({text})"));
    }
    if ip.is_loopback() {
        errors.invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    let (link_local, multicast) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(ip) => (ip.segments()[0] & 0xffc0 == 0xfe80, ip.segments()[0] & 0xff0f == 0xff02),
    };
    if link_local {
        errors.invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if multicast {
        errors.invalid(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

/// Whether both families occur.
pub fn is_dual_stack(ips: impl IntoIterator<Item = IpAddr>) -> bool {
    let (v4, v6) = ips.into_iter().fold((false, false), |(v4, v6), ip| (v4 || ip.is_ipv4(), v6 || ip.is_ipv6()));
    v4 && v6
}

#[cfg(test)]
mod tests {
    use super::{parse, parse_cidr, validate_cidr, validate_ip};
    use crate::validate::error::Errors;
    use crate::validate::path::Path;

    #[test]
    fn sloppy_writing_is_refused() {
        let check = |text: &str, cidr: bool, expect: &str| {
            let mut errors = Errors::default();
            if cidr {
                validate_cidr(&Path::root("a"), text, &mut errors);
            } else {
                validate_ip(&Path::root("a"), text, &mut errors);
            }
            let got = errors.0.first().map_or("", |e| e.message.rsplit(": ").next().unwrap_or(""));
            assert_eq!(got, expect, "{text}");
        };
        check("10.0.0.1", false, "");
        check("010.0.0.1", false, "must not have leading 0s");
        check("::ffff:10.0.0.1", false, "must not be an IPv4-mapped IPv6 address");
        check("10.0.0.0/8", true, "");
        check("10.0.0.0/08", true, "must not have leading 0s in IP or prefix length");
        check("10.0.0.1/8", true, "must not have bits set beyond the prefix length");
        check("2001:db8::1/64", true, "must not have bits set beyond the prefix length");
        check("0.0.0.0/0", true, "");
        check("10.0.0.1/32", true, "");
    }

    #[test]
    fn addresses_parse() {
        for (text, expect) in [
            ("10.0.0.1", true),
            ("010.0.0.01", true),
            ("10.0.0", false),
            ("256.0.0.1", false),
            ("2001:db8::1", true),
            ("x", false),
            ("1.2.3.4.", false),
        ] {
            assert_eq!(parse(text).is_some(), expect, "{text}");
        }
        for (text, expect) in [("10.0.0.0/8", true), ("10.0.0.0/33", false), ("::/128", true), ("10.0.0.0", false)] {
            assert_eq!(parse_cidr(text).is_some(), expect, "{text}");
        }
    }
}
