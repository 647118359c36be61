//! Policies and the addresses their selectors stand for → the chains, sets and maps of the table.
//!
//! Chains and sets are named by a digest of what is in them, so that what is the same stays, also from one life of the
//! agent to the next, and what changed is another. Only the addresses of a selector change in place.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use masthead_api::networking::resolved::{Direction, ResolvedPolicy, ResolvedPort, ResolvedRule};
use nlink::netlink::nftables::{Chain, CmpOp, Expr, PayloadBase, RangeOp, Register, Rule, Set, SetKeyType, Verdict};
use sha2::{Digest, Sha256};

use crate::network::policy::{ranges, table};
use crate::network::rules::contents::{Key, Value};
use crate::network::rules::ports::Protocol;
use crate::network::rules::table::FAMILY;
use crate::network::services::element::octets;

/// What a set holds.
pub type Members = BTreeMap<Key, Value>;

/// The addresses of a selector, of each family.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// IPv4.
    pub v4: Arc<Members>,
    /// IPv6.
    pub v6: Arc<Members>,
}

impl Addresses {
    /// From the addresses.
    pub fn of(ips: &[IpAddr]) -> Self {
        let members = |v6: bool| {
            let own = ips.iter().filter(|ip| ip.is_ipv6() == v6);
            Arc::new(own.map(|ip| ((octets(*ip), None), Value::None)).collect::<Members>())
        };
        Self { v4: members(false), v6: members(true) }
    }
}

/// What the table must hold, beside its skeleton.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Chains with their rules.
    pub chains: BTreeMap<String, (Chain, Vec<Rule>)>,
    /// Sets that come and go, with what they hold.
    pub sets: BTreeMap<String, (Set, Arc<Members>)>,
    /// What the skeleton's own sets hold.
    pub maps: BTreeMap<&'static str, Members>,
    /// What is left out of which policy, by namespace and name, and why.
    pub faults: Vec<((String, String), String)>,
}

/// Builds the table's image.
///
/// # Errors
/// A name that is none, which cannot be.
pub fn build<'a>(
    name: &str,
    policies: impl Iterator<Item = &'a ResolvedPolicy>,
    selectors: &BTreeMap<String, Addresses>,
) -> nlink::Result<Image> {
    let mut work = Builder { name, selectors, about: Default::default(), image: Image::default() };
    // Which policies' chains each pod has, by direction.
    let mut groups: BTreeMap<(&str, IpAddr), BTreeSet<String>> = BTreeMap::new();
    for policy in policies {
        work.about = (policy.metadata.namespace.clone(), policy.metadata.name.clone());
        for (direction, kind, rules) in
            [("egress", Direction::Egress, &policy.egress), ("ingress", Direction::Ingress, &policy.ingress)]
        {
            if !policy.policy_types.contains(&kind) {
                continue;
            }
            let chain = work.policy(direction, rules)?;
            for pod in &policy.pods {
                groups.entry((direction, *pod)).or_default().insert(chain.clone());
            }
        }
        for pod in &policy.pods {
            let (own, ip) = (table::own(pod.is_ipv6()), octets(*pod));
            let members = work.image.maps.entry(own).or_default();
            members.insert(([&ip[..], &ip].concat(), None), Value::None);
        }
    }
    for ((direction, pod), chains) in groups {
        let group = work.group(&chains)?;
        let map = table::pods(direction, pod.is_ipv6());
        work.image.maps.entry(map).or_default().insert((octets(pod), None), Value::Goto(group));
    }
    Ok(work.image)
}

struct Builder<'a> {
    name: &'a str,
    selectors: &'a BTreeMap<String, Addresses>,
    /// The policy at hand.
    about: (String, String),
    image: Image,
}

fn digest(of: &str) -> String {
    Sha256::digest(of.as_bytes()).iter().take(10).map(|byte| format!("{byte:02x}")).collect()
}

impl Builder<'_> {
    fn fault(&mut self, text: String) {
        self.image.faults.push((self.about.clone(), text));
    }

    fn rule(&self, chain: &str) -> Rule {
        Rule::new(self.name, chain).family(FAMILY)
    }

    fn chain(&mut self, chain: &str, rules: Vec<Rule>) -> nlink::Result<()> {
        let made = Chain::new(self.name, chain)?.family(FAMILY);
        self.image.chains.insert(chain.to_owned(), (made, rules));
        Ok(())
    }

    /// A pod's chain: what no policy allows is dropped.
    fn group(&mut self, chains: &BTreeSet<String>) -> nlink::Result<String> {
        let group = format!("group-{}", digest(&format!("{chains:?}")));
        if !self.image.chains.contains_key(&group) {
            let mut rules = Vec::with_capacity(chains.len() + 1);
            for chain in chains {
                rules.push(self.rule(&group).try_jump(chain)?);
            }
            rules.push(self.rule(&group).drop());
            self.chain(&group, rules)?;
        }
        Ok(group)
    }

    /// The chain of a policy for one direction.
    fn policy(&mut self, direction: &str, rules: &[ResolvedRule]) -> nlink::Result<String> {
        let chain = format!("allow-{}", digest(&format!("{direction} {rules:?}")));
        if !self.image.chains.contains_key(&chain) {
            let mut made = Vec::new();
            for rule in rules {
                self.allow(&chain, direction, rule, &mut made)?;
            }
            self.chain(&chain, made)?;
        }
        Ok(chain)
    }

    fn allow(&mut self, chain: &str, direction: &str, rule: &ResolvedRule, made: &mut Vec<Rule>) -> nlink::Result<()> {
        let is_source = direction == "ingress";
        let peers = rule.sets.is_empty() && rule.blocks.is_empty();
        if peers {
            made.extend(self.ports(chain, &rule.ports));
            return Ok(());
        }
        let then = if rule.ports.is_empty() {
            Verdict::Accept
        } else {
            let ports = format!("ports-{}", digest(&format!("{:?}", rule.ports)));
            if !self.image.chains.contains_key(&ports) {
                let rules = self.ports(&ports, &rule.ports);
                self.chain(&ports, rules)?;
            }
            Verdict::JumpTo(nlink::netlink::nftables::ChainName::new(ports)?)
        };
        for v6 in [false, true] {
            for selector in &rule.sets {
                let set = self.selector(selector, v6);
                let rule = table::in_set(self.rule(chain), v6, is_source, &set);
                made.push(rule.expr(Expr::Verdict(then.clone())));
            }
            if let Some(set) = self.blocks(rule, v6) {
                let rule = table::in_set(self.rule(chain), v6, is_source, &set);
                made.push(rule.expr(Expr::Verdict(then.clone())));
            }
        }
        Ok(())
    }

    /// The set of a selector's addresses.
    fn selector(&mut self, selector: &str, v6: bool) -> String {
        let name = format!("peers-{selector}-{}", if v6 { "v6" } else { "v4" });
        if !self.image.sets.contains_key(&name) {
            let known = self.selectors.get(selector);
            if known.is_none() {
                self.fault(format!("the addresses of selector {selector} are not known; it matches nobody"));
            }
            let members = known.map(|a| if v6 { a.v6.clone() } else { a.v4.clone() }).unwrap_or_default();
            let set = Set::new(self.name, &name).family(FAMILY).key_type(ip(v6));
            self.image.sets.insert(name.clone(), (set, members));
        }
        name
    }

    /// The set of a rule's networks; none when there is none of this family.
    fn blocks(&mut self, rule: &ResolvedRule, v6: bool) -> Option<String> {
        let left = match ranges::left(&rule.blocks, v6) {
            Ok(left) => left,
            Err(fault) => {
                self.fault(fault);
                return None;
            }
        };
        if left.is_empty() {
            return None;
        }
        let name = format!("nets-{}-{}", digest(&format!("{left:?}")), if v6 { "v6" } else { "v4" });
        let key = |(first, last): (Vec<u8>, Vec<u8>)| {
            let end = (first != last).then_some(last);
            ((first, end), Value::None)
        };
        let members: Members = left.into_iter().map(key).collect();
        let set = Set::new(self.name, &name).family(FAMILY).key_type(ip(v6)).interval();
        self.image.sets.insert(name.clone(), (set, Arc::new(members)));
        Some(name)
    }

    /// Accepts the ports; all when there are none.
    fn ports(&mut self, chain: &str, ports: &[ResolvedPort]) -> Vec<Rule> {
        if ports.is_empty() {
            return vec![self.rule(chain).accept()];
        }
        let mut rules = Vec::new();
        for port in ports {
            let Some(protocol) = Protocol::parse(&port.protocol) else {
                self.fault(format!("protocol {:?} of a port is not known", port.protocol));
                continue;
            };
            let rule = |rule: Rule| numbered(rule.match_l4proto(protocol.number()), port).accept();
            match &port.to_set {
                None => rules.push(rule(self.rule(chain))),
                Some(selector) => {
                    for v6 in [false, true] {
                        let set = self.selector(selector, v6);
                        rules.push(rule(table::in_set(self.rule(chain), v6, false, &set)));
                    }
                }
            }
        }
        rules
    }
}

fn ip(v6: bool) -> SetKeyType {
    if v6 { SetKeyType::Ipv6Addr } else { SetKeyType::Ipv4Addr }
}

/// Goes on when the destination's port is the one, or in the range.
fn numbered(rule: Rule, port: &ResolvedPort) -> Rule {
    let Some(first) = port.port else { return rule };
    let load = Expr::Payload { dreg: Register::R0, base: PayloadBase::Transport, offset: 2, len: 2 };
    let data = |port: u16| port.to_be_bytes().to_vec();
    let matches = match port.end_port.filter(|last| *last != first) {
        None => Expr::Cmp { sreg: Register::R0, op: CmpOp::Eq, data: data(first) },
        Some(last) => Expr::Range { sreg: Register::R0, op: RangeOp::Eq, from: data(first), to: data(last) },
    };
    rule.expr(load).expr(matches)
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
