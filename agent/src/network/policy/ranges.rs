//! Networks without some of their parts → the ranges of addresses that are left.

use std::net::IpAddr;

use masthead_api::networking::resolved::Block;

use crate::network::services::decode;
use crate::network::services::model::Net;

/// A range of addresses as numbers, both ends in it.
type Span = (u128, u128);

/// The first and the last address of a range, as they are in packets.
pub type Ends = (Vec<u8>, Vec<u8>);

/// The ranges of one family, sorted and apart; or what does not read.
pub fn left(blocks: &[Block], is_v6: bool) -> Result<Vec<Ends>, String> {
    let mut spans: Vec<Span> = Vec::new();
    for block in blocks {
        let net = read(&block.cidr)?;
        let mut own = vec![span(&net)];
        for except in &block.except {
            let gone = read(except)?;
            if gone.base.is_ipv6() == net.base.is_ipv6() {
                own = own.into_iter().flat_map(|s| without(s, span(&gone))).collect();
            }
        }
        if net.base.is_ipv6() == is_v6 {
            spans.extend(own);
        }
    }
    spans.sort_unstable();
    let mut apart: Vec<Span> = Vec::with_capacity(spans.len());
    for (first, last) in spans {
        match apart.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => apart.push((first, last)),
        }
    }
    Ok(apart.into_iter().map(|(first, last)| (bytes(first, is_v6), bytes(last, is_v6))).collect())
}

fn read(text: &str) -> Result<Net, String> {
    decode::net(text).map_err(|error| error.to_string())
}

fn span(net: &Net) -> Span {
    let (base, width) = match net.base {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    let host = width - u32::from(net.bits);
    let size = 1_u128.checked_shl(host).map_or(u128::MAX, |size| size - 1);
    (base, base | size)
}

/// What is left of a range: up to two.
fn without((first, last): Span, (from, to): Span) -> Vec<Span> {
    if to < first || from > last {
        return vec![(first, last)];
    }
    let mut left = Vec::new();
    if from > first {
        left.push((first, from - 1));
    }
    if to < last {
        left.push((to + 1, last));
    }
    left
}

fn bytes(number: u128, is_v6: bool) -> Vec<u8> {
    let all = number.to_be_bytes();
    if is_v6 { all.to_vec() } else { all[12..].to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(blocks: &[(&str, &[&str])], expect: &[(&str, &str)]) {
        let blocks: Vec<Block> = blocks
            .iter()
            .map(|(cidr, except)| Block {
                cidr: (*cidr).to_owned(),
                except: except.iter().map(|e| (*e).to_owned()).collect(),
            })
            .collect();
        let is_v6 = expect.first().is_some_and(|(ip, _)| ip.contains(':'));
        let octets = |ip: &str| crate::network::services::element::octets(ip.parse().unwrap());
        let expect: Vec<_> = expect.iter().map(|(a, b)| (octets(a), octets(b))).collect();
        assert_eq!(left(&blocks, is_v6).unwrap(), expect, "{blocks:?}");
    }

    #[test]
    fn what_is_left_of_networks() {
        check(&[], &[]);
        check(&[("10.0.0.0/8", &[])], &[("10.0.0.0", "10.255.255.255")]);
        check(&[("0.0.0.0/0", &["10.0.0.0/8"])], &[("0.0.0.0", "9.255.255.255"), ("11.0.0.0", "255.255.255.255")]);
        check(&[("10.0.0.0/24", &["10.0.0.0/25"])], &[("10.0.0.128", "10.0.0.255")]);
        check(&[("10.0.0.0/24", &["10.0.0.0/24"])], &[]);
        check(&[("10.0.0.0/25", &[]), ("10.0.0.128/25", &[])], &[("10.0.0.0", "10.0.0.255")]);
        check(&[("10.0.0.0/24", &["10.0.0.8/32"]), ("10.0.0.8/32", &[])], &[("10.0.0.0", "10.0.0.255")]);
        check(&[("::/0", &["8000::/1"])], &[("::", "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")]);
        assert!(left(&[Block { cidr: "x".into(), except: Vec::new() }], false).is_err());
    }
}
