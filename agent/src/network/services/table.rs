//! This node → the service table without its entries: chains, sets, maps, and the rules of each.
//!
//! Only the first packet of a connection comes here (the chains are of type nat), and what it costs does not grow with
//! the number of services: it is looked up by address, protocol and port among the spots; found is the name of a list
//! of endpoints and a shape, which is the chain for a list of this length; there a random place of the list is looked
//! up, and the packet is led to the endpoint at that place. No packet is marked: what has to leave with another source
//! is known by the address it was first sent to, which connection tracking keeps.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use nlink::netlink::nftables::{
    BaseChain, Chain, CmpOp, CtDirection, CtKey, CtStatus, DynsetExpr, DynsetOp, Expr, FibFlags, FilterHook, IcmpxCode,
    LookupExpr, MetaKey, NatHook, NumgenKind, PayloadBase, Priority, RawExpr, Register, Rule, Set, SetDataType,
    SetKeyType, TcpFlags,
};
use nlink::netlink::types::route::RouteType;
use sha2::{Digest, Sha256};

use crate::network::rules::contents::Skeleton;
use crate::network::rules::table::{FAMILY, dnat};
use crate::network::services::element::{Shape, family, shapes, spots};
use crate::network::services::model::Here;
use crate::network::services::want::Scope;

/// Before the host ports of this and of other programs.
const ARRIVING: Priority = Priority::Custom(-101);
/// Before what others do about the source.
const LEAVING: Priority = Priority::Custom(99);
/// Clients whose endpoint is remembered.
const CLIENTS_MAX: u32 = 1 << 20;
/// The word at which what a spot maps to is loaded.
const FOUND: usize = 8;
/// The word at which a list's name is then, and behind it what follows in a key.
const ID: usize = FOUND + 1;

/// The skeleton of a node's table.
///
/// # Errors
/// A name that is none, which cannot be.
pub fn skeleton(name: &str, here: &Here) -> nlink::Result<Skeleton> {
    let rules = Rules { table: name, here };
    let mut all = Vec::new();
    for hook in ["arriving", "local"] {
        all.push(rules.of(hook).try_jump("services")?);
    }
    all.extend(rules.services()?);
    all.extend(rules.outside()?);
    all.push(rules.of("reject").match_l4proto(6).reject_tcp_reset());
    all.push(rules.of("reject").reject_icmpx(IcmpxCode::PortUnreachable));
    all.push(rules.of("drop").drop());
    all.push(rules.of("leaving").match_ct_status(CtStatus::DST_NAT).try_jump("source")?);
    all.extend(rules.source()?);
    let mut chains = Vec::new();
    let chain = |chain: &str| Chain::new(name, chain).map(|c| c.family(FAMILY));
    if let Some(overlay) = &here.overlay {
        chains.push(chain("clamp")?.base(BaseChain::filter(FilterHook::Forward, Priority::Mangle)));
        let begins = rules.of("clamp").match_oif(overlay).match_tcp_flags(TcpFlags::SYN, TcpFlags::SYN | TcpFlags::RST);
        all.push(begins.clamp_tcp_mss_to_pmtu());
    }
    let sets = sets(name);
    let digest = Sha256::digest(format!("{all:?}{sets:?}"));
    let version: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let version = format!("is-{version}");
    chains.extend([
        chain(&version)?,
        chain("drop")?,
        chain("reject")?,
        chain("outside")?,
        chain("services")?,
        chain("kept")?,
        chain("source")?,
        chain("arriving")?.base(BaseChain::nat(NatHook::Prerouting, ARRIVING)),
        chain("local")?.base(BaseChain::nat(NatHook::Output, ARRIVING)),
        chain("leaving")?.base(BaseChain::nat(NatHook::Postrouting, LEAVING)),
    ]);
    Ok(Skeleton { chains, sets, rules: all, version })
}

/// The rules of a chain for lists of one length.
///
/// # Errors
/// A name that is none, which cannot be.
pub fn chain_rules(table: &str, scope: Scope, shape: Shape) -> nlink::Result<Vec<Rule>> {
    let (size, affinity_s) = shape.parts();
    let name = shape.chain(scope);
    let of = || Rule::new(table, &name).family(FAMILY);
    let mut rules = Vec::new();
    let keys = || [(false, true), (false, false), (true, true), (true, false)];
    for (is_v6, at) in keys() {
        if affinity_s > 0 {
            let timeout = Duration::from_secs(u64::from(affinity_s));
            rules.push(push(of(), returning(scope, at, is_v6, timeout)));
            rules.push(push(of(), remembered(scope, at, is_v6, size, timeout)));
        }
        rules.push(push(of(), picked(scope, at, is_v6, Pick::Random(size))));
    }
    // While a list grows shorter a packet may have looked up its old length and its new contents.
    for (is_v6, at) in keys() {
        rules.push(push(of(), picked(scope, at, is_v6, Pick::First)));
    }
    rules.push(of().try_goto("reject")?);
    Ok(rules)
}

/// How many rules such a chain has.
pub fn rules_of(is_sticky: bool) -> usize {
    let keys = 4;
    keys * (if is_sticky { 3 } else { 1 }) + keys + 1
}

fn push(rule: Rule, expressions: Vec<Expr>) -> Rule {
    expressions.into_iter().fold(rule, Rule::expr)
}

fn word(at: usize) -> Register {
    // The words used are constants below sixteen.
    Register::word(at).unwrap_or(Register::R0)
}

fn nfproto(is_v6: bool) -> [Expr; 2] {
    let value = if is_v6 { 10 } else { 2 };
    [
        Expr::Meta { dreg: Register::R0, key: MetaKey::NfProto },
        Expr::Cmp { sreg: Register::R0, op: CmpOp::Eq, data: vec![value] },
    ]
}

/// Where in the IP header the source and the destination are, and how long they are.
fn address(is_v6: bool, source: bool, to: usize) -> Expr {
    let (offset, len) = match (is_v6, source) {
        (false, true) => (12, 4),
        (false, false) => (16, 4),
        (true, true) => (8, 16),
        (true, false) => (24, 16),
    };
    Expr::Payload { dreg: word(to), base: PayloadBase::Network, offset, len }
}

fn words(is_v6: bool) -> usize {
    if is_v6 { 4 } else { 1 }
}

/// Looks up where the packet is sent to; the list's name and the shape are at [`ID`] then.
fn spot(scope: Scope, at: bool, is_v6: bool) -> Vec<Expr> {
    let mut all = nfproto(is_v6).to_vec();
    let mut next = 0;
    if at {
        all.push(address(is_v6, false, 0));
        next = words(is_v6);
    }
    all.push(Expr::Meta { dreg: word(next), key: MetaKey::L4Proto });
    all.push(Expr::Payload { dreg: word(next + 1), base: PayloadBase::Transport, offset: 2, len: 2 });
    all.push(LookupExpr::new(spots(scope, at, is_v6), word(0)).dreg(word(FOUND)).into());
    all
}

/// The same by the address to which the connection's first packet was sent before it was led.
fn first_spot(scope: Scope, at: bool, is_v6: bool) -> Vec<Expr> {
    let mut all = nfproto(is_v6).to_vec();
    let original = |key, to: usize| Expr::CtDirectional { dreg: word(to), key, direction: CtDirection::Original };
    let mut next = 0;
    if at {
        all.push(original(if is_v6 { CtKey::DstIp6 } else { CtKey::DstIp }, 0));
        next = words(is_v6);
    }
    all.push(Expr::Meta { dreg: word(next), key: MetaKey::L4Proto });
    all.push(original(CtKey::ProtoDst, next + 1));
    all.push(LookupExpr::new(spots(scope, at, is_v6), word(0)).dreg(word(FOUND)).into());
    all
}

/// Leads the packet to the address and port behind the list's name.
fn lead(is_v6: bool) -> Expr {
    let family = if is_v6 { 10 } else { 2 };
    RawExpr::new("nat", dnat(family, word(ID + 2), word(ID + 2 + words(is_v6)))).into()
}

enum Pick {
    Random(u32),
    First,
}

/// Looks an endpoint up; it is behind the list's name then.
fn pick(is_v6: bool, pick: &Pick) -> [Expr; 2] {
    let place = match pick {
        Pick::Random(size) => Expr::Numgen { dreg: word(ID + 2), kind: NumgenKind::Random, modulus: *size, offset: 0 },
        Pick::First => Expr::Immediate { dreg: word(ID + 2), data: vec![0; 4] },
    };
    let endpoints = family(is_v6, "endpoints-v4", "endpoints-v6");
    [place, LookupExpr::new(endpoints, word(ID)).dreg(word(ID + 2)).into()]
}

fn picked(scope: Scope, at: bool, is_v6: bool, how: Pick) -> Vec<Expr> {
    let mut all = spot(scope, at, is_v6);
    all.extend(pick(is_v6, &how));
    all.push(lead(is_v6));
    all
}

/// The client's address, right before the list's name: together they are the key by which it is remembered.
fn client(is_v6: bool) -> (Expr, Register) {
    let at = ID - words(is_v6);
    (address(is_v6, true, at), word(at))
}

/// A client that was here before goes where it went, if that is still there; its time begins anew.
fn returning(scope: Scope, at: bool, is_v6: bool, timeout: Duration) -> Vec<Expr> {
    let mut all = spot(scope, at, is_v6);
    let (load, key) = client(is_v6);
    let clients = family(is_v6, "clients-v4", "clients-v6");
    all.push(load);
    all.push(LookupExpr::new(clients, key).dreg(word(ID + 2)).into());
    all.push(LookupExpr::new(family(is_v6, "alive-v4", "alive-v6"), word(ID)).into());
    let update = DynsetExpr::new(DynsetOp::Update, clients, key).sreg_data(word(ID + 2));
    all.push(update.timeout(timeout).into());
    all.push(lead(is_v6));
    all
}

/// Another goes to a random endpoint, which is remembered.
fn remembered(scope: Scope, at: bool, is_v6: bool, size: u32, timeout: Duration) -> Vec<Expr> {
    let mut all = spot(scope, at, is_v6);
    all.extend(pick(is_v6, &Pick::Random(size)));
    let (load, key) = client(is_v6);
    let clients = family(is_v6, "clients-v4", "clients-v6");
    all.push(load);
    // What is there leads to an endpoint that is gone; an update would leave it so. (The kernel wants a value here,
    // and does not look at it.)
    all.push(DynsetExpr::new(DynsetOp::Delete, clients, key).sreg_data(word(ID + 2)).into());
    let add = DynsetExpr::new(DynsetOp::Add, clients, key).sreg_data(word(ID + 2));
    all.push(add.timeout(timeout).into());
    all.push(lead(is_v6));
    all
}

fn sets(table: &str) -> Vec<Set> {
    let set = |name: &'static str, key: Vec<SetKeyType>| {
        Set::new(table, name).family(FAMILY).key_type(SetKeyType::Concat(key))
    };
    let id = || vec![SetKeyType::Ipv4Addr, SetKeyType::Ipv4Addr];
    let padded = || vec![SetKeyType::Ipv4Addr, SetKeyType::Ipv4Addr, SetKeyType::Ipv4Addr];
    let with = |mut first: Vec<SetKeyType>, more: Vec<SetKeyType>| {
        first.extend(more);
        first
    };
    let value = |of: Vec<SetKeyType>| SetDataType::Value(SetKeyType::Concat(of));
    let mut all = Vec::new();
    for scope in [Scope::Inner, Scope::Outer] {
        all.push(Set::new(table, shapes(scope)).family(FAMILY).key_type(SetKeyType::Mark).vmap());
    }
    for is_v6 in [false, true] {
        let ip = || if is_v6 { SetKeyType::Ipv6Addr } else { SetKeyType::Ipv4Addr };
        let named = |v4, v6| family(is_v6, v4, v6);
        let port = || vec![SetKeyType::InetProto, SetKeyType::InetService];
        let target = || vec![ip(), SetKeyType::InetService];
        for scope in [Scope::Inner, Scope::Outer] {
            let found = || value(with(padded(), vec![SetKeyType::Mark]));
            all.push(set(spots(scope, true, is_v6), with(vec![ip()], port())).map(found()));
            all.push(set(spots(scope, false, is_v6), port()).map(found()));
        }
        let endpoints = set(named("endpoints-v4", "endpoints-v6"), with(id(), vec![SetKeyType::Mark]));
        all.push(endpoints.map(value(target())));
        all.push(set(named("alive-v4", "alive-v6"), with(id(), target())));
        let clients = set(named("clients-v4", "clients-v6"), with(vec![ip()], id()));
        all.push(clients.map(value(target())).dynamic().per_element_timeouts().size(CLIENTS_MAX));
        all.push(set(named("guarded-v4", "guarded-v6"), with(vec![ip()], port())).map(value(padded())));
        all.push(set(named("ranges-v4", "ranges-v6"), with(id(), vec![ip()])).interval());
        all.push(set(named("near-v4", "near-v6"), vec![ip(), ip()]));
    }
    all
}

struct Rules<'a> {
    table: &'a str,
    here: &'a Here,
}

impl Rules<'_> {
    fn of(&self, chain: &str) -> Rule {
        Rule::new(self.table, chain).family(FAMILY)
    }

    /// Where a new connection's first packet is led.
    fn services(&self) -> nlink::Result<Vec<Rule>> {
        let mut rules = Vec::new();
        for is_v6 in [false, true] {
            // Who may not use a load balancer's address.
            let mut all = nfproto(is_v6).to_vec();
            all.push(address(is_v6, false, 0));
            let next = words(is_v6);
            all.push(Expr::Meta { dreg: word(next), key: MetaKey::L4Proto });
            all.push(Expr::Payload { dreg: word(next + 1), base: PayloadBase::Transport, offset: 2, len: 2 });
            let guarded = family(is_v6, "guarded-v4", "guarded-v6");
            all.push(LookupExpr::new(guarded, word(0)).dreg(word(FOUND)).into());
            all.push(address(is_v6, true, ID + 2));
            all.push(LookupExpr::new(family(is_v6, "ranges-v4", "ranges-v6"), word(ID)).invert().into());
            rules.push(push(self.of("services"), all).drop());
        }
        rules.push(self.of("services").try_jump("outside")?);
        rules.extend(self.lookups("services", Scope::Inner));
        // Whatever of the node's own is left is the node's.
        rules.push(returning_rule(self.of("services").match_fib_type(FibFlags::DADDR, RouteType::Local)));
        for range in &self.here.services {
            rules.push(self.of("services").match_daddr(range.base(), range.bits()).try_goto("reject")?);
        }
        Ok(rules)
    }

    /// By address, then by port among the node's own addresses.
    fn lookups(&self, chain: &str, scope: Scope) -> Vec<Rule> {
        let shape = || Expr::from(LookupExpr::new(shapes(scope), word(ID + 2)).dreg(Register::Verdict));
        let mut rules = Vec::new();
        for is_v6 in [false, true] {
            rules.push(push(self.of(chain), spot(scope, true, is_v6)).expr(shape()));
        }
        for is_v6 in [false, true] {
            // The loopback addresses have spots of their own.
            let rule = self.of(chain).match_fib_type(FibFlags::DADDR, RouteType::Local);
            let rule = if is_v6 {
                rule.match_daddr_v6_not(Ipv6Addr::LOCALHOST, 128)
            } else {
                rule.match_daddr_v4_not(Ipv4Addr::new(127, 0, 0, 0), 8)
            };
            rules.push(push(rule, spot(scope, false, is_v6)).expr(shape()));
        }
        rules
    }

    /// Pods of the cluster and this node itself are not outside.
    fn inside(&self, chain: &str) -> nlink::Result<Vec<Rule>> {
        let mut rules = Vec::new();
        for range in self.here.cluster.iter().chain(&self.here.own) {
            rules.push(returning_rule(self.of(chain).match_saddr(range.base(), range.bits())));
        }
        rules.push(returning_rule(self.of(chain).match_fib_type(FibFlags::SADDR, RouteType::Local)));
        Ok(rules)
    }

    fn outside(&self) -> nlink::Result<Vec<Rule>> {
        let mut rules = self.inside("outside")?;
        rules.extend(self.lookups("outside", Scope::Outer));
        Ok(rules)
    }

    /// What leaves with another source: what would else be answered past this node.
    fn source(&self) -> nlink::Result<Vec<Rule>> {
        let of = || self.of("source");
        let mut rules = Vec::new();
        for (is_v6, set) in [(false, "near-v4"), (true, "near-v6")] {
            let mut own = nfproto(is_v6).to_vec();
            own.push(address(is_v6, true, 0));
            own.push(address(is_v6, false, words(is_v6)));
            own.push(LookupExpr::new(set, word(0)).into());
            rules.push(push(of(), own).masquerade());
        }
        rules.push(of().match_saddr_v4(Ipv4Addr::new(127, 0, 0, 0), 8).match_oif_not("lo").masquerade());
        rules.push(returning_rule(of().match_oif("lo")));
        for own in &self.here.own {
            rules.push(returning_rule(of().match_daddr(own.base(), own.bits())));
            rules.push(returning_rule(of().match_saddr(own.base(), own.bits())));
        }
        if self.here.own.is_empty() {
            // Whose pods are whose is not known: all of the cluster's keep their source.
            rules.extend(self.here.cluster.iter().map(|all| returning_rule(of().match_saddr(all.base(), all.bits()))));
        }
        rules.push(of().try_jump("kept")?);
        for (is_v6, at) in [(false, true), (false, false), (true, true), (true, false)] {
            rules.push(push(of(), first_spot(Scope::Inner, at, is_v6)).masquerade());
        }
        rules.extend(self.inside("kept")?);
        for (is_v6, at) in [(false, true), (false, false), (true, true), (true, false)] {
            rules.push(push(self.of("kept"), first_spot(Scope::Outer, at, is_v6)).accept());
        }
        Ok(rules)
    }
}

fn returning_rule(rule: Rule) -> Rule {
    rule.expr(Expr::Verdict(nlink::netlink::nftables::Verdict::Return))
}
