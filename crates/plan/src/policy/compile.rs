//! A NetworkPolicy → the same with names of sets in place of selectors and named ports.

use std::collections::BTreeMap;

use masthead_api::intstr::IntOrString;
use masthead_api::meta::LabelSelector;
use masthead_api::networking::network_policy::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use masthead_api::networking::resolved::{Block, Direction};

use crate::policy::sets::Def;

/// A policy whose peers are names of sets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compiled {
    /// The pods it is about.
    pub selector: LabelSelector,
    /// For which directions they are isolated.
    pub directions: Vec<Direction>,
    /// What may come in.
    pub ingress: Vec<Rule>,
    /// What may go out.
    pub egress: Vec<Rule>,
    /// The sets that rules name.
    pub sets: BTreeMap<String, Def>,
}

/// A rule whose peers are names of sets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    /// Names of sets.
    pub sets: Vec<String>,
    /// Networks.
    pub blocks: Vec<Block>,
    /// Ports; none are all.
    pub ports: Vec<Port>,
}

/// A port of a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Port {
    /// By number, or all of a protocol.
    Number {
        /// `TCP`, `UDP` or `SCTP`.
        protocol: String,
        /// Absent: all.
        port: Option<u16>,
        /// The last of a range.
        end: Option<u16>,
    },
    /// By name: a number for each pod.
    Named {
        /// `TCP`, `UDP` or `SCTP`.
        protocol: String,
        /// The set of the pods that have a port of this name.
        set: String,
    },
}

/// Compiles a policy, whose fields are as defaulted and validated.
pub fn compile(policy: &NetworkPolicy) -> Compiled {
    let spec = &policy.spec;
    let mut out = Compiled { selector: spec.pod_selector.clone(), ..Compiled::default() };
    let has = |kind: &str| spec.policy_types.iter().any(|known| known == kind);
    out.directions.extend(has("Ingress").then_some(Direction::Ingress));
    out.directions.extend(has("Egress").then_some(Direction::Egress));
    let namespace = &policy.metadata.namespace;
    let mut sets = BTreeMap::new();
    out.ingress = spec.ingress.iter().map(|r| rule(namespace, &r.ports, &r.from, &mut sets)).collect();
    out.egress = spec.egress.iter().map(|r| rule(namespace, &r.ports, &r.to, &mut sets)).collect();
    out.sets = sets;
    out
}

fn rule(
    namespace: &str,
    ports: &[NetworkPolicyPort],
    peers: &[NetworkPolicyPeer],
    sets: &mut BTreeMap<String, Def>,
) -> Rule {
    let mut add = |def: Def| {
        let name = def.name();
        sets.insert(name.clone(), def);
        name
    };
    let mut out = Rule::default();
    for peer in peers {
        if let Some(block) = &peer.ip_block {
            out.blocks.push(Block { cidr: block.cidr.clone(), except: block.except.clone() });
            continue;
        }
        let name = add(Def::Peer {
            namespace: peer.namespace_selector.is_none().then(|| namespace.to_owned()),
            namespaces: peer.namespace_selector.clone(),
            pods: peer.pod_selector.clone(),
        });
        if !out.sets.contains(&name) {
            out.sets.push(name);
        }
    }
    for port in ports {
        let protocol = port.protocol.clone().unwrap_or_else(|| "TCP".to_owned());
        out.ports.push(match &port.port {
            Some(IntOrString::String(name)) => {
                Port::Named { set: add(Def::Port { protocol: protocol.clone(), name: name.clone() }), protocol }
            }
            number => Port::Number {
                protocol,
                port: match number {
                    Some(IntOrString::Int(number)) => u16::try_from(*number).ok(),
                    _ => None,
                },
                end: port.end_port.and_then(|end| u16::try_from(end).ok()),
            },
        });
    }
    out
}
