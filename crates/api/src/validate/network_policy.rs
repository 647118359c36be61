//! Network policies to faults, on create and on update.

use std::net::IpAddr;

use crate::intstr::IntOrString;
use crate::networking::network_policy::{IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use crate::validate::error::Errors;
use crate::validate::ip::{parse_network, validate_cidr};
use crate::validate::meta::{Scope, validate_create as validate_meta, validate_update as validate_meta_update};
use crate::validate::name;
use crate::validate::path::Path;
use crate::validate::selector::validate_selector;

const SPEC: Path<'static> = Path::root("spec");
const TYPES: &[&str] = &["Ingress", "Egress"];

/// A new policy.
pub fn validate_create(policy: &NetworkPolicy, errors: &mut Errors) {
    validate_meta(&policy.metadata, Scope::Namespaced, name::dns_subdomain, errors);
    validate_spec(policy, &[], errors);
}

/// A policy that replaces another: networks that the old one had are not judged again.
pub fn validate_update(new: &NetworkPolicy, old: &NetworkPolicy, errors: &mut Errors) {
    validate_meta_update(&new.metadata, &old.metadata, true, errors);
    let peers = old.spec.ingress.iter().flat_map(|r| &r.from).chain(old.spec.egress.iter().flat_map(|r| &r.to));
    let known: Vec<&str> = peers
        .filter_map(|peer| peer.ip_block.as_ref())
        .flat_map(|block| block.except.iter().chain([&block.cidr]))
        .map(String::as_str)
        .collect();
    validate_spec(new, &known, errors);
}

fn validate_spec(policy: &NetworkPolicy, known: &[&str], errors: &mut Errors) {
    let spec = &policy.spec;
    validate_selector(&SPEC.child("podSelector"), Some(&spec.pod_selector), errors);
    let ingress = SPEC.child("ingress");
    for (i, rule) in spec.ingress.iter().enumerate() {
        let at = ingress.index(i);
        validate_rule(&at, &rule.ports, ("from", &rule.from), known, errors);
    }
    let egress = SPEC.child("egress");
    for (i, rule) in spec.egress.iter().enumerate() {
        let at = egress.index(i);
        validate_rule(&at, &rule.ports, ("to", &rule.to), known, errors);
    }
    let types = SPEC.child("policyTypes");
    if spec.policy_types.len() > TYPES.len() {
        return errors.invalid(&types, &spec.policy_types, "may not specify more than two policyTypes");
    }
    for (i, kind) in spec.policy_types.iter().enumerate() {
        errors.one_of(&types.index(i), kind, TYPES);
    }
}

fn validate_rule(
    at: &Path<'_>,
    ports: &[NetworkPolicyPort],
    (field, peers): (&str, &[NetworkPolicyPeer]),
    known: &[&str],
    errors: &mut Errors,
) {
    let ports_at = at.child("ports");
    for (i, port) in ports.iter().enumerate() {
        validate_port(&ports_at.index(i), port, errors);
    }
    let peers_at = at.child(field);
    for (i, peer) in peers.iter().enumerate() {
        validate_peer(&peers_at.index(i), peer, known, errors);
    }
}

fn validate_port(at: &Path<'_>, port: &NetworkPolicyPort, errors: &mut Errors) {
    if let Some(protocol) = &port.protocol {
        errors.one_of(&at.child("protocol"), protocol, &["TCP", "UDP", "SCTP"]);
    }
    let (port_at, end_at) = (at.child("port"), at.child("endPort"));
    match (&port.port, port.end_port) {
        (Some(IntOrString::Int(number)), end) => {
            errors.port(&port_at, *number);
            if let Some(end) = end {
                if end < *number {
                    // Kubernetes 1.36 shows the first port here, not the last.
                    errors.invalid(&end_at, number, "must be greater than or equal to `port`");
                }
                errors.port(&end_at, end);
            }
        }
        (Some(IntOrString::String(text)), end) => {
            if let Some(end) = end {
                errors.invalid(&end_at, &end, "may not be specified when `port` is non-numeric");
            }
            errors.invalid_each(&port_at, text, name::port_name(text));
        }
        (None, Some(end)) => errors.invalid(&end_at, &end, "may not be specified when `port` is not specified"),
        (None, None) => {}
    }
}

fn validate_peer(at: &Path<'_>, peer: &NetworkPolicyPeer, known: &[&str], errors: &mut Errors) {
    validate_selector(&at.child("podSelector"), peer.pod_selector.as_ref(), errors);
    validate_selector(&at.child("namespaceSelector"), peer.namespace_selector.as_ref(), errors);
    if let Some(block) = &peer.ip_block {
        validate_block(&at.child("ipBlock"), block, known, errors);
    }
    match (peer.pod_selector.is_some() || peer.namespace_selector.is_some(), &peer.ip_block) {
        (false, None) => errors.required(at, "must specify a peer"),
        (true, Some(_)) => errors.forbidden(at, "may not specify both ipBlock and another peer"),
        _ => {}
    }
}

fn validate_block(at: &Path<'_>, block: &IPBlock, known: &[&str], errors: &mut Errors) {
    let cidr_at = at.child("cidr");
    if errors.required_text(&cidr_at, &block.cidr) {
        return;
    }
    if !known.contains(&block.cidr.as_str()) {
        validate_cidr(&cidr_at, &block.cidr, errors);
    }
    let Some((network, bits)) = parse_network(&block.cidr) else { return };
    let except_at = at.child("except");
    for (i, except) in block.except.iter().enumerate() {
        let at = except_at.index(i);
        if !known.contains(&except.as_str()) {
            validate_cidr(&at, except, errors);
        }
        let Some((inner, inner_bits)) = parse_network(except) else { continue };
        if bits >= inner_bits || !contains(network, bits, inner) {
            errors.invalid(&at, except, "must be a strict subset of `cidr`");
        }
    }
}

/// Whether an address lies in a network.
fn contains(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(n), IpAddr::V4(a)) => (n.to_bits() ^ a.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0,
        (IpAddr::V6(n), IpAddr::V6(a)) => (n.to_bits() ^ a.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0,
        _ => false,
    }
}
