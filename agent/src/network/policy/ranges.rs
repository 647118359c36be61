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

    /// The plain meaning, address by address, of networks that lie in one another or meet.
    #[test]
    fn an_address_is_left_when_a_network_has_it_and_no_exception_takes_it() {
        let mut seed = 11_u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for round in 0..2000 {
            let is_v6 = next(2) == 1;
            // All within one block of 256 addresses, so that they meet.
            let mut net = |longest: u64| {
                let bits = longest + next(9 - longest);
                let base = next(256) & !((1 << (8 - bits)) - 1);
                let text = if is_v6 {
                    format!("fd00::{base:x}/{}", 120 + bits)
                } else {
                    format!("10.0.0.{base}/{}", 24 + bits)
                };
                (text, base..=base + (1 << (8 - bits)) - 1)
            };
            let mut blocks = Vec::new();
            let mut plain = [false; 256];
            for _ in 0..3 {
                let (cidr, all) = net(0);
                let excepts: Vec<_> = (0..2).map(|_| net(2)).collect();
                for at in all {
                    plain[at as usize] |= !excepts.iter().any(|(_, gone)| gone.contains(&at));
                }
                blocks.push(Block { cidr, except: excepts.into_iter().map(|(text, _)| text).collect() });
            }
            let ends = left(&blocks, is_v6).unwrap();
            let last = |bytes: &[u8]| usize::from(*bytes.last().unwrap());
            let mut found = [false; 256];
            for (from, to) in &ends {
                found[last(from)..=last(to)].fill(true);
            }
            assert_eq!(found, plain, "round {round}: {blocks:?}");
            assert!(ends.windows(2).all(|pair| last(&pair[0].1) + 1 < last(&pair[1].0)), "they neither meet nor touch");
            assert!(left(&blocks, !is_v6).unwrap().is_empty());
        }
    }
}
