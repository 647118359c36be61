//! The policy table without what depends on policies.
//!
//! Two base chains look at what is forwarded, one for the pod it comes from and one for the pod it goes to: what the
//! first accepts goes on to the second. A connection is decided by its first packet; replies, and connections that were
//! there before a policy, pass. What this node itself sends to its pods (probes) is not forwarded, and always passes;
//! so does what pods send to this node.

use nlink::netlink::nftables::{
    BaseChain, Chain, CmpOp, CtState, Expr, FilterHook, LookupExpr, MetaKey, PacketField, PayloadBase, Priority,
    Register, Rule, Set, SetKeyType,
};

use crate::network::rules::contents::Skeleton;
use crate::network::rules::table::FAMILY;

/// Of the base chain for the pod that a packet goes to: after the other.
const SECOND: Priority = Priority::Custom(1);

/// The skeleton.
///
/// # Errors
/// A name that is none, which cannot be.
pub fn skeleton(name: &str) -> nlink::Result<Skeleton> {
    let chain = |chain: &str| Chain::new(name, chain).map(|c| c.family(FAMILY));
    let version = "is-1".to_owned();
    let chains = vec![
        chain(&version)?,
        chain("from-pods")?.base(BaseChain::filter(FilterHook::Forward, Priority::Filter)),
        chain("to-pods")?.base(BaseChain::filter(FilterHook::Forward, SECOND)),
    ];
    let mut sets = Vec::new();
    for (v6, ip) in [(false, SetKeyType::Ipv4Addr), (true, SetKeyType::Ipv6Addr)] {
        for direction in ["egress", "ingress"] {
            let set = Set::new(name, pods(direction, v6)).family(FAMILY).key_type(ip.clone());
            sets.push(set.vmap());
        }
        let own = Set::new(name, own(v6)).family(FAMILY);
        sets.push(own.key_type(SetKeyType::Concat(vec![ip.clone(), ip])));
    }
    let mut rules = Vec::new();
    for (chain, direction, fields) in [
        ("from-pods", "egress", [PacketField::Ip4Saddr, PacketField::Ip6Saddr]),
        ("to-pods", "ingress", [PacketField::Ip4Daddr, PacketField::Ip6Daddr]),
    ] {
        let of = || Rule::new(name, chain).family(FAMILY);
        rules.push(of().match_ct_state(CtState(CtState::ESTABLISHED.bits() | CtState::RELATED.bits())).accept());
        // A pod can always talk to itself, also by way of a service.
        rules.push(of().match_concat_in_set(&[PacketField::Ip4Saddr, PacketField::Ip4Daddr], own(false)).accept());
        rules.push(of().match_concat_in_set(&[PacketField::Ip6Saddr, PacketField::Ip6Daddr], own(true)).accept());
        for (field, v6) in fields.into_iter().zip([false, true]) {
            rules.push(of().vmap(field, pods(direction, v6)));
        }
    }
    Ok(Skeleton { chains, sets, rules, version })
}

/// The map of selected pods to what is allowed for them.
pub fn pods(direction: &str, is_v6: bool) -> &'static str {
    match (direction, is_v6) {
        ("egress", false) => "egress-v4",
        ("egress", true) => "egress-v6",
        (_, false) => "ingress-v4",
        (_, true) => "ingress-v6",
    }
}

/// The set of selected pods, each with itself.
pub fn own(is_v6: bool) -> &'static str {
    if is_v6 { "own-v6" } else { "own-v4" }
}

/// A rule that goes on when a packet's source or destination is in a set.
pub fn in_set(rule: Rule, is_v6: bool, source: bool, set: &str) -> Rule {
    let (offset, len) = match (is_v6, source) {
        (false, true) => (12, 4),
        (false, false) => (16, 4),
        (true, true) => (8, 16),
        (true, false) => (24, 16),
    };
    rule.expr(Expr::Meta { dreg: Register::R0, key: MetaKey::NfProto })
        .expr(Expr::Cmp { sreg: Register::R0, op: CmpOp::Eq, data: vec![if is_v6 { 10 } else { 2 }] })
        .expr(Expr::Payload { dreg: Register::R0, base: PayloadBase::Network, offset, len })
        .expr(LookupExpr::new(set, Register::R0))
}
