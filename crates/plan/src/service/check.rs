//! The services of a commit → problems with the addresses and ports that their manifests name.

use std::collections::BTreeMap;
use std::net::IpAddr;

use masthead_api::core::service::Service;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::SERVICE;

use crate::cluster::view::Cluster;
use crate::desired::{Desired, Problem, Wanted};
use crate::network::cidr::Cidr;
use crate::network::ranges::Network;
use crate::service::{claims, system};

/// What a commit may not ask for: an address outside of the service range, and addresses and ports of nodes that another
/// service has, be it one of the cluster that stays or one of the same commit.
pub fn check(desired: &Desired, cluster: &Cluster) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut asked: BTreeMap<String, String> = BTreeMap::new();
    for (key, wanted) in desired.objects.iter().filter(|(key, _)| key.kind == SERVICE) {
        let Ok(service) = wanted.object.typed::<Service>() else { continue };
        let mut claim = |field: String, text: String, what: &str| {
            let other = cluster.services_with(&text).map(|other| other.key()).find(|other| {
                // What this commit takes away or changes is free for others.
                *other != key
                    && desired.objects.get(*other).is_none_or(|w| still_claims(w, &text))
                    && stays(desired, cluster, other)
            });
            if let Some(other) = other {
                problems.push(wanted.problem(field.clone(), format!("{what} is already allocated to {other}")));
            }
            if let Some(first) = asked.insert(text, key.to_string()) {
                problems.push(wanted.problem(field, format!("{what} is asked for by {first} too")));
            }
        };
        let network = cluster.network();
        let mut outside = Vec::new();
        for (i, ip) in claims::ips(&service).enumerate() {
            let field = format!("spec.clusterIPs[{i}]");
            let reserved = ip.parse().ok().and_then(|ip| reserved(network, ip)).filter(|owner| *owner != key.name);
            if let Some(owner) = reserved {
                outside.push((field, format!("the address {ip} is kept for the service {owner}")));
            } else if ip.parse::<IpAddr>().is_ok_and(|ip| !network.is_service_ip(ip)) {
                let range = network.services_text();
                outside.push((field, format!("the address {ip} is not in the range of services, {range}")));
            } else if ip.parse().is_ok_and(|ip| is_end(network, ip)) {
                let range = network.services_text();
                outside.push((
                    field,
                    format!("the address {ip} is an end of the range {range}, which no service can have"),
                ));
            } else {
                claim(field, claims::ip(ip), &format!("the address {ip}"));
            }
        }
        for port in claims::node_ports(&service) {
            let at = service.spec.ports.iter().position(|known| known.node_port == port);
            let field = at.map_or("spec.healthCheckNodePort".to_owned(), |i| format!("spec.ports[{i}].nodePort"));
            claim(field, claims::node_port(port), &format!("the node port {port}"));
        }
        problems.extend(outside.into_iter().map(|(field, message)| wanted.problem(field, message)));
    }
    problems
}

/// The service that an address is kept for.
fn reserved(network: &Network, ip: IpAddr) -> Option<&'static str> {
    match Some(ip) {
        ip if ip == network.api_ip() => Some(system::API),
        ip if ip == network.dns_ip() => Some(system::DNS),
        _ => None,
    }
}

/// Whether an address is the first of a range, or the last of one of IPv4: those mean the range itself, and everybody in it.
fn is_end(network: &Network, ip: IpAddr) -> bool {
    let is_end = |range: &Cidr| {
        let last = range.nth(range.size() - 1).filter(|_| range.is_ipv4());
        [range.nth(0), last].contains(&Some(ip))
    };
    network.services.iter().any(is_end)
}

/// Whether the manifest of this commit still names what a text names, or leaves it to what is there.
fn still_claims(wanted: &Wanted, text: &str) -> bool {
    let Ok(service) = wanted.object.typed::<Service>() else { return true };
    claims::is_open(&service) || claims::of(&service).iter().any(|known| known == text)
}

/// Whether this commit leaves an object there.
fn stays(desired: &Desired, cluster: &Cluster, key: &ObjectKey) -> bool {
    desired.objects.contains_key(key) || cluster.applied_of(key).is_none()
}
