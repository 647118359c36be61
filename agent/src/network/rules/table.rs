//! Turns the node's CIDRs into its nftables table: chains, maps and rules, as data.

use std::net::{IpAddr, Ipv4Addr};

use nlink::netlink::nftables::{
    BaseChain, Chain, CmpOp, Expr, Family, FibFlags, Field, FilterHook, LookupExpr, Match, MetaKey, NatHook,
    PacketField, PayloadBase, Priority, RawExpr, Register, Rule, Set, SetDataType, SetElement, SetKeyType, Value,
};
use nlink::netlink::types::route::RouteType;

use crate::network::cidr::Cidr;
use crate::network::names::Names;
use crate::network::rules::ports::{Elements, Key, Map, Target};

/// The family of the table: rules for both IP versions.
pub const FAMILY: Family = Family::Inet;
/// `NF_NAT_MANIP_DST` (`linux/netfilter/nf_tables.h`: `NFT_NAT_DNAT`).
const NAT_DNAT: u32 = 1;

/// A whole table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// In the order in which they are made.
    pub chains: Vec<Chain>,
    /// Maps and sets, with their first elements.
    pub sets: Vec<(Set, Vec<SetElement>)>,
    /// In the order of their chains.
    pub rules: Vec<Rule>,
}

/// The table of a node with these CIDRs and host ports.
///
/// It has no forward chain: an accept there would not undo a drop in another table, see
/// [`crate::network::rules::forward`].
pub fn table(names: &Names, cidrs: &[Cidr], cluster: &[Cidr], elements: &Elements) -> nlink::Result<Table> {
    let name = names.table();
    let chain = |chain: &str| Chain::new(name.as_str(), chain).map(|c| c.family(FAMILY));
    let chains = vec![
        chain("guard")?.base(BaseChain::filter(FilterHook::Prerouting, Priority::Raw)),
        chain("host-ports")?,
        chain("arriving")?.base(BaseChain::nat(NatHook::Prerouting, Priority::DstNat)),
        chain("local")?.base(BaseChain::nat(NatHook::Output, Priority::DstNat)),
        chain("leaving")?.base(BaseChain::nat(NatHook::Postrouting, Priority::SrcNat)),
    ];
    let mut rules = guard(names, cidrs.iter().any(Cidr::is_v6));
    rules.extend([
        ports_rule(&name, Map::At, false),
        ports_rule(&name, Map::Any, false),
        ports_rule(&name, Map::At, true),
        ports_rule(&name, Map::Any, true),
    ]);
    for hook in ["arriving", "local"] {
        let rule = Rule::new(&name, hook).family(FAMILY);
        rules.push(rule.match_fib_type(FibFlags::DADDR, RouteType::Local).try_jump("host-ports")?);
    }
    rules.extend(leaving(names, cidrs, cluster));
    Ok(Table { sets: sets(&name, elements), name, chains, rules })
}

/// Routing of loopback addresses is on for pods' links, for answers to the node; pods may not use it. And nobody sends
/// from an address that is not his: of IPv4 the kernel sees to it itself (`rp_filter`), of IPv6 it has no such setting.
fn guard(names: &Names, has_v6: bool) -> Vec<Rule> {
    let rule = || Rule::new(&names.table(), "guard").family(FAMILY).match_iif_prefix(&names.link_prefix());
    let mut rules = vec![rule().match_daddr(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8).drop()];
    if has_v6 {
        let from_v6 = rule().then(Match::eq(Field::NfProto, 10u8));
        let way_back = RawExpr::new("fib", fib_way_back(Register::R0));
        let is_missing = Expr::Cmp { sreg: Register::R0, op: CmpOp::Eq, data: 0u32.to_ne_bytes().to_vec() };
        rules.push(from_v6.expr(way_back).expr(is_missing).drop());
    }
    rules
}

/// The attributes of `fib saddr . iif oif`: the link of the way back, 0 when it is not the one that the packet came by.
fn fib_way_back(to: Register) -> Vec<u8> {
    // NFTA_FIB_DREG, NFTA_FIB_RESULT with NFT_FIB_RESULT_OIF, NFTA_FIB_FLAGS with NFTA_FIB_F_SADDR and NFTA_FIB_F_IIF.
    attributes(&[(1, to.wire()), (2, 1), (3, 1 | 8)])
}

/// What leaves with another source than it had. Among the pods of the cluster everybody is seen as he is.
fn leaving(names: &Names, cidrs: &[Cidr], cluster: &[Cidr]) -> Vec<Rule> {
    let (table, prefix) = (names.table(), names.link_prefix());
    let rule = || Rule::new(&table, "leaving").family(FAMILY);
    let mut rules = Vec::new();
    for cidr in cidrs {
        let (saddr, daddr) = if cidr.is_v6() {
            (PacketField::Ip6Saddr, PacketField::Ip6Daddr)
        } else {
            (PacketField::Ip4Saddr, PacketField::Ip4Daddr)
        };
        // A pod that comes back to itself through a port of the node would drop its own address.
        let hairpin = rule().match_concat_in_set(&[saddr, daddr], hairpin_set(cidr.is_v6()));
        let from_loopback = rule().match_oif_prefix(&prefix).match_saddr_v4(Ipv4Addr::new(127, 0, 0, 0), 8);
        match cidr.node() {
            IpAddr::V4(node) => rules.extend([hairpin.snat(node, None), from_loopback.snat(node, None)]),
            IpAddr::V6(node) => rules.push(hairpin.snat_v6(node, None)),
        }
    }
    for cidr in cidrs {
        let mut outside = rule().match_saddr(cidr.base(), cidr.bits()).match_daddr_not(cidr.base(), cidr.bits());
        for all in cluster.iter().filter(|all| all.is_v6() == cidr.is_v6() && *all != cidr) {
            outside = outside.match_daddr_not(all.base(), all.bits());
        }
        let other_link = Match::ne(Field::Oifname, Value::NamePrefix(prefix.clone()));
        rules.push(outside.then(other_link).masquerade());
    }
    rules
}

/// Looks a packet up in a map of host ports and sends it to what it finds there; else goes on.
fn ports_rule(table: &str, map: Map, v6: bool) -> Rule {
    let (family, nfproto, at, len) = if v6 { (10u32, 10u8, 24, 16) } else { (2, 2, 16, 4) };
    let word = |n: u32| Register::word(n as usize).unwrap_or(Register::R0);
    let mut key = Vec::new();
    let mut next = 0;
    if map == Map::At {
        key.push(Expr::Payload { dreg: word(0), base: PayloadBase::Network, offset: at, len });
        next = len / 4;
    }
    key.push(Expr::Meta { dreg: word(next), key: MetaKey::L4Proto });
    key.push(Expr::Payload { dreg: word(next + 1), base: PayloadBase::Transport, offset: 2, len: 2 });
    // The address found, and behind it the port: beyond the longest key.
    let (address, port) = (word(8), word(8 + len / 4));
    key.push(LookupExpr::new(ports_map(map, v6), Register::R0).dreg(address).into());
    key.push(RawExpr::new("nat", dnat(family, address, port)).into());
    let rule = Rule::new(table, "host-ports").family(FAMILY);
    let rule = rule.then(Match::eq(Field::NfProto, nfproto));
    key.into_iter().fold(rule, Rule::expr)
}

/// The attributes of a `nat` expression that takes address and port from registers.
pub fn dnat(family: u32, address: Register, port: Register) -> Vec<u8> {
    attributes(&[
        (1, NAT_DNAT),
        (2, family),
        (3, address.wire()),
        (4, address.wire()),
        (5, port.wire()),
        (6, port.wire()),
    ])
}

/// Netlink attributes of 32 bits each, in network order.
fn attributes(values: &[(u16, u32)]) -> Vec<u8> {
    let attribute = |(kind, value): &(u16, u32)| {
        let mut bytes = 8u16.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value.to_be_bytes());
        bytes
    };
    values.iter().flat_map(attribute).collect()
}

fn sets(table: &str, elements: &Elements) -> Vec<(Set, Vec<SetElement>)> {
    let mut sets = Vec::new();
    for v6 in [false, true] {
        for map in [Map::At, Map::Any] {
            let held = elements.ports.iter().filter(|(k, _)| k.map == map && k.v6 == v6);
            sets.push((ports_set(table, map, v6), held.map(|(k, t)| port_element(k, t)).collect()));
        }
        let held = elements.hairpins.iter().filter(|ip| ip.is_ipv6() == v6);
        sets.push((hairpins(table, v6), held.map(|ip| hairpin_element(*ip)).collect()));
    }
    sets
}

/// A map of host ports, without its elements.
pub fn ports_set(table: &str, map: Map, v6: bool) -> Set {
    let ip = if v6 { SetKeyType::Ipv6Addr } else { SetKeyType::Ipv4Addr };
    let mut key = vec![SetKeyType::InetProto, SetKeyType::InetService];
    if map == Map::At {
        key.insert(0, ip.clone());
    }
    let target = SetKeyType::Concat(vec![ip, SetKeyType::InetService]);
    Set::new(table, ports_map(map, v6)).family(FAMILY).key_type(SetKeyType::Concat(key)).map(SetDataType::Value(target))
}

/// The set of pods that may come back to themselves, without its elements.
pub fn hairpins(table: &str, v6: bool) -> Set {
    let ip = if v6 { SetKeyType::Ipv6Addr } else { SetKeyType::Ipv4Addr };
    Set::new(table, hairpin_set(v6)).family(FAMILY).key_type(SetKeyType::Concat(vec![ip.clone(), ip]))
}

/// A host port as an element of its map.
#[must_use]
pub fn port_element(key: &Key, target: &Target) -> SetElement {
    let mut parts: Vec<SetElement> = key.host_ip.map(address).into_iter().collect();
    parts.extend([SetElement::inet_proto(key.protocol.number()), SetElement::port(key.port)]);
    let value = SetElement::concat([address(target.0), SetElement::port(target.1)]);
    SetElement::concat(parts).value(value)
}

/// A pod as an element of the hairpin set.
#[must_use]
pub fn hairpin_element(pod: IpAddr) -> SetElement {
    SetElement::concat([address(pod), address(pod)])
}

fn address(ip: IpAddr) -> SetElement {
    match ip {
        IpAddr::V4(v4) => SetElement::ipv4(v4),
        IpAddr::V6(v6) => SetElement::ipv6(v6),
    }
}

fn ports_map(map: Map, v6: bool) -> &'static str {
    match (map, v6) {
        (Map::Any, false) => "ports-v4",
        (Map::Any, true) => "ports-v6",
        (Map::At, false) => "ports-at-v4",
        (Map::At, true) => "ports-at-v6",
    }
}

fn hairpin_set(v6: bool) -> &'static str {
    if v6 { "hairpins-v6" } else { "hairpins-v4" }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_rules_read_as_they_should() {
        let names = Names::of(Path::new("/var/lib/masthead"));
        let cidrs: Vec<Cidr> = vec!["10.42.0.0/24".parse().unwrap(), "fd00:42::/112".parse().unwrap()];
        let cluster: Vec<Cidr> = vec!["10.42.0.0/16".parse().unwrap()];
        let table = table(&names, &cidrs, &cluster, &Elements::default()).unwrap();
        let prefix = names.link_prefix();
        let rules: Vec<String> = table.rules.iter().filter_map(Rule::nft_syntax).collect();
        let expect = [
            format!("iifname \"{prefix}*\" ip daddr 127.0.0.0/8 drop"),
            format!("iifname \"{prefix}*\" meta nfproto ipv6 fib saddr . iif oif 0 drop"),
            "fib daddr type local jump host-ports".to_owned(),
            "fib daddr type local jump host-ports".to_owned(),
            "ip saddr . ip daddr @hairpins-v4 snat ip to 10.42.0.1".to_owned(),
            format!("oifname \"{prefix}*\" ip saddr 127.0.0.0/8 snat ip to 10.42.0.1"),
            "ip6 saddr . ip6 daddr @hairpins-v6 snat ip6 to fd00:42::1".to_owned(),
            format!(
                "ip saddr 10.42.0.0/24 ip daddr != 10.42.0.0/24 ip daddr != 10.42.0.0/16 oifname != \"{prefix}*\" masquerade"
            ),
            format!("ip6 saddr fd00:42::/112 ip6 daddr != fd00:42::/112 oifname != \"{prefix}*\" masquerade"),
        ];
        assert_eq!(rules, expect);
        assert_eq!(table.rules.len(), expect.len() + 4, "and four that look host ports up");
        let four = super::table(&names, &cidrs[..1], &cluster, &Elements::default()).unwrap();
        let count = four.rules.iter().filter_map(Rule::nft_syntax).count();
        assert_eq!(count, expect.len() - 3, "without what only IPv6 needs");
    }
}
