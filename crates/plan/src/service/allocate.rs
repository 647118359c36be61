//! Services that lack addresses or ports → the same services with what they are given.
//!
//! Addresses and ports follow from a hash of namespace and name: when the store is lost, a cluster that is built anew from
//! git gives each service what it had, save the few whose hashes meet (about one in thirty of 5,000). As in Kubernetes
//! they come from the upper part of a range, so that the lower one is free for those that users write into manifests; it
//! is used too when the upper one is full.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use masthead_api::change::{Change, EventKind, EventNote};
use masthead_api::core::service::Service;
use masthead_api::key::ObjectKey;
use masthead_api::object::{Error, Object};
use masthead_api::validate::service::needs_health_check;

use crate::cluster::view::Cluster;
use crate::context::Reaction;
use crate::network::cidr::Cidr;
use crate::service::claims;
use crate::service::probe::probe;

/// Addresses that services hold, and those given out in this very decision.
struct Given<'a> {
    cluster: &'a Cluster,
    ips: BTreeSet<IpAddr>,
    ports: BTreeSet<i32>,
}

/// Gives every service of the view what it lacks.
///
/// # Errors
/// A service cannot be written as JSON.
pub fn allocate(cluster: &Cluster) -> Result<Reaction, Error> {
    let mut given = Given { cluster, ips: BTreeSet::new(), ports: BTreeSet::new() };
    let mut reaction = Reaction::default();
    for object in cluster.services_with(claims::OPEN) {
        if object.meta().deletion_timestamp.is_some() {
            continue;
        }
        let Ok(service) = object.typed::<Service>() else { continue };
        let mut new = Service::clone(&service);
        if let Err(lacking) = given.fill(&mut new) {
            reaction.events.push(warning(object.key(), &new.metadata.uid, lacking.reason, &lacking.message));
        }
        if new == *service {
            continue;
        }
        let reason = reason(&service, &new);
        let object = Object::of(&new)?;
        let base = cluster.get(object.key()).map_or(0, |live| live.revision());
        reaction.changes.push(Change::Update { object: Arc::new(object), base, reason });
    }
    Ok(reaction)
}

/// Why something could not be given.
struct Lacking {
    reason: &'static str,
    message: String,
}

fn reason(old: &Service, new: &Service) -> String {
    let mut parts: Vec<String> = claims::ips(new).filter(|ip| !old.spec.cluster_ips.contains(ip)).cloned().collect();
    if parts.is_empty() && old.spec.ip_families.is_empty() {
        parts.extend(new.spec.ip_families.iter().cloned());
    }
    let before = claims::node_ports(old);
    parts
        .extend(claims::node_ports(new).into_iter().filter(|port| !before.contains(port)).map(|p| format!("port {p}")));
    format!("gets {}", parts.join(", "))
}

/// A warning about a service.
pub fn warning(about: &ObjectKey, uid: &str, reason: &str, message: &str) -> EventNote {
    EventNote {
        about: about.clone(),
        uid: uid.to_owned(),
        kind: EventKind::Warning,
        reason: reason.to_owned(),
        message: message.to_owned(),
        source: "service-controller".to_owned(),
    }
}

impl Given<'_> {
    fn fill(&mut self, service: &mut Service) -> Result<(), Lacking> {
        if claims::wants_families(service) {
            let single = service.spec.ip_family_policy.as_deref().is_none_or(|policy| policy == "SingleStack");
            let families = self.cluster.network().families().list().iter().take(if single { 1 } else { 2 });
            service.spec.ip_families = families.map(|family| (*family).to_owned()).collect();
        }
        let ips = self.fill_ips(service);
        let ports = self.fill_ports(service);
        ips.and(ports)
    }

    fn fill_ips(&mut self, service: &mut Service) -> Result<(), Lacking> {
        if !claims::wants_ip(service) {
            return Ok(());
        }
        let families: Vec<String> =
            service.spec.ip_families.iter().skip(service.spec.cluster_ips.len()).cloned().collect();
        for family in families {
            let full = || Lacking {
                reason: "ClusterIPNotAvailable",
                message: format!("every {family} address of the service range is taken, or there is no such range"),
            };
            let range = self.cluster.network().services_of(&family).ok_or_else(full)?;
            let meta = &service.metadata;
            let ip = self.ip(range, &meta.namespace, &meta.name).ok_or_else(full)?;
            self.ips.insert(ip);
            service.spec.cluster_ips.push(ip.to_string());
        }
        if let Some(first) = service.spec.cluster_ips.first() {
            service.spec.cluster_ip.clone_from(first);
        }
        Ok(())
    }

    fn ip(&self, range: Cidr, namespace: &str, name: &str) -> Option<IpAddr> {
        let (lower, upper) = bands(range);
        let network = self.cluster.network();
        let reserved = [network.api_ip(), network.dns_ip()];
        let free = |index: u64| {
            let Some(ip) = range.nth(u128::from(index)) else { return false };
            !reserved.contains(&Some(ip))
                && !self.ips.contains(&ip)
                && !self.cluster.is_claimed(&claims::ip(&ip.to_string()))
        };
        let words = ["service", namespace, name, range.family()];
        let from_upper = probe(&words, upper.1 - upper.0, |n| free(upper.0 + n)).map(|n| upper.0 + n);
        let index = from_upper.or_else(|| probe(&words, lower.1 - lower.0, |n| free(lower.0 + n)).map(|n| lower.0 + n));
        range.nth(u128::from(index?))
    }

    fn fill_ports(&mut self, service: &mut Service) -> Result<(), Lacking> {
        let meta = service.metadata.clone();
        if claims::wants_node_ports(service) {
            for at in 0..service.spec.ports.len() {
                if service.spec.ports[at].node_port != 0 {
                    continue;
                }
                let number = service.spec.ports[at].port;
                // Ports of one number and several protocols share a port of the nodes.
                let shared =
                    service.spec.ports.iter().find(|p| p.port == number && p.node_port != 0).map(|p| p.node_port);
                let port = match shared {
                    Some(port) => port,
                    None => self.port(&[&meta.namespace, &meta.name, &number.to_string()])?,
                };
                service.spec.ports[at].node_port = port;
            }
        }
        if needs_health_check(service) && service.spec.health_check_node_port == 0 {
            service.spec.health_check_node_port = self.port(&[&meta.namespace, &meta.name, "health check"])?;
        }
        Ok(())
    }

    fn port(&mut self, words: &[&str; 3]) -> Result<i32, Lacking> {
        let (first, last) = self.cluster.network().node_ports;
        let count = u64::from(last.saturating_sub(first)) + 1;
        let offset = (count / 32).clamp(16, 128).min(count);
        let free = |index: u64| {
            let port = i32::from(first) + i32::try_from(index).unwrap_or(i32::MAX);
            !self.ports.contains(&port) && !self.cluster.is_claimed(&claims::node_port(port))
        };
        let words = ["port", words[0], words[1], words[2]];
        let index = probe(&words, count - offset, |n| free(offset + n))
            .map(|n| offset + n)
            .or_else(|| probe(&words, offset, free))
            .ok_or_else(|| Lacking {
                reason: "PortNotAvailable",
                message: format!("every port of nodes from {first} to {last} is taken"),
            })?;
        let port = i32::from(first) + i32::try_from(index).unwrap_or(i32::MAX);
        self.ports.insert(port);
        Ok(port)
    }
}

/// The indexes of the lower and the upper part of a range, each from its first to behind its last (Kubernetes'
/// `calculateRangeOffset`); without the address of the network and, of IPv4, the broadcast address.
fn bands(range: Cidr) -> ((u64, u64), (u64, u64)) {
    let size = u64::try_from(range.size()).unwrap_or(u64::MAX);
    let end = if range.is_ipv4() { size.saturating_sub(1) } else { size };
    let usable = end.saturating_sub(1);
    let offset = if usable < 16 { 0 } else { (usable / 16).clamp(16, 256).min(usable) };
    ((1.min(end), (1 + offset).min(end)), ((1 + offset).min(end), end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::event::Event;
    use serde_json::{Value, json};

    fn service(name: &str, spec: Value) -> Object {
        let mut value = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "n", "uid": format!("u-{name}")}, "spec": spec});
        value = masthead_api::admit::create(value, "n").unwrap();
        value["metadata"]["uid"] = format!("u-{name}").into();
        Object::from_value(value).unwrap()
    }

    fn put(cluster: &mut Cluster, object: Object) {
        let revision = cluster.revision() + 1;
        cluster.apply(Event::Put(Arc::new(object.at(revision))));
    }

    /// Applies rounds until nothing lacks; returns what it was told.
    fn settle(cluster: &mut Cluster) -> Vec<String> {
        let reaction = allocate(cluster).unwrap();
        for change in reaction.changes {
            let Change::Update { object, .. } = change else { panic!("{change:?}") };
            put(cluster, Object::clone(&object));
        }
        let again = allocate(cluster).unwrap();
        assert!(again.changes.is_empty(), "{again:?}");
        reaction.events.into_iter().map(|event| format!("{}: {}", event.reason, event.message)).collect()
    }

    fn spec(cluster: &Cluster, name: &str) -> masthead_api::core::service::ServiceSpec {
        let key = ObjectKey::new(masthead_api::kind::registry::SERVICE, "n", name);
        cluster.typed::<Service>(&key).unwrap().spec.clone()
    }

    #[test]
    fn what_is_lacking_is_given_and_what_is_there_stays() {
        let mut cluster = Cluster::default();
        put(&mut cluster, service("plain", json!({"ports": [{"port": 80}]})));
        put(&mut cluster, service("given", json!({"clusterIP": "10.96.0.77", "ports": [{"port": 80}]})));
        put(&mut cluster, service("headless", json!({"clusterIP": "None", "selector": {"a": "b"}})));
        put(&mut cluster, service("name", json!({"type": "ExternalName", "externalName": "a.b"})));
        put(
            &mut cluster,
            service(
                "ports",
                json!({"type": "NodePort", "ports": [{"port": 53, "name": "u", "protocol": "UDP"},
                {"port": 53, "name": "t"}, {"port": 80, "name": "h"}, {"port": 81, "name": "g", "nodePort": 30001}]}),
            ),
        );
        put(
            &mut cluster,
            service("lb", json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]})),
        );
        put(
            &mut cluster,
            service(
                "bare",
                json!({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"port": 81}]}),
            ),
        );
        assert!(settle(&mut cluster).is_empty());
        let plain = spec(&cluster, "plain");
        let ip: IpAddr = plain.cluster_ip.parse().unwrap();
        assert_eq!(plain.cluster_ips, std::slice::from_ref(&plain.cluster_ip));
        let range: Cidr = "10.96.0.0/16".parse().unwrap();
        assert!(range.index_of(ip).unwrap() > 256, "{ip} is of the upper band");
        assert_eq!(spec(&cluster, "given").cluster_ip, "10.96.0.77");
        assert_eq!(spec(&cluster, "headless").cluster_ip, "None");
        assert!(spec(&cluster, "name").cluster_ips.is_empty());
        let ports: Vec<i32> = spec(&cluster, "ports").ports.iter().map(|p| p.node_port).collect();
        assert_eq!((ports[0], ports[3]), (ports[1], 30_001), "one number, two protocols");
        assert!(ports[2] > 30_085 && ports[0] > 30_085 && ports[0] != ports[2]);
        let lb = spec(&cluster, "lb");
        assert!(lb.health_check_node_port > 30_085 && lb.ports[0].node_port > 30_085);
        assert_ne!(lb.health_check_node_port, lb.ports[0].node_port);
        assert_eq!(spec(&cluster, "bare").ports[0].node_port, 0);
    }

    #[test]
    fn each_family_gives_an_address() {
        let mut cluster = Cluster::default();
        let range = |text: &str| crate::network::ranges::PodRange::new(text.parse().unwrap()).unwrap();
        let network = crate::network::ranges::Network {
            pods: vec![range("10.88.0.0/16"), range("fd00:10:88::/56")],
            services: vec!["10.96.0.0/16".parse().unwrap(), "fd00:10:96::/112".parse().unwrap()],
            ..Default::default()
        };
        cluster.set_network(Arc::new(network));
        let families = cluster.network().families();
        let made = |name: &str, mut spec: Value| {
            spec["ports"] = json!([{"port": 80}]);
            let value = json!({"apiVersion": "v1", "kind": "Service",
                "metadata": {"name": name, "namespace": "n"}, "spec": spec});
            let mut value = masthead_api::admit::create_for(value, "n", families).unwrap();
            value["metadata"]["uid"] = format!("u-{name}").into();
            Object::from_value(value).unwrap()
        };
        put(&mut cluster, made("single", json!({})));
        put(&mut cluster, made("six", json!({"ipFamilies": ["IPv6"]})));
        put(&mut cluster, made("dual", json!({"ipFamilyPolicy": "RequireDualStack"})));
        put(&mut cluster, made("turned", json!({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6", "IPv4"]})));
        put(&mut cluster, made("named", json!({"ipFamilyPolicy": "PreferDualStack", "clusterIP": "fd00:10:96::77"})));
        // As one that came past the plan of a commit.
        let mut late = made("late", json!({"ipFamilyPolicy": "PreferDualStack"})).value();
        late["spec"].as_object_mut().unwrap().remove("ipFamilies");
        put(&mut cluster, Object::from_value(late).unwrap());
        let mut headless = made("headless", json!({"clusterIP": "None", "selector": {"a": "b"}})).value();
        headless["spec"].as_object_mut().unwrap().remove("ipFamilies");
        put(&mut cluster, Object::from_value(headless).unwrap());
        assert!(settle(&mut cluster).is_empty());
        let network = cluster.network().clone();
        for (name, expect) in [
            ("single", vec!["IPv4"]),
            ("six", vec!["IPv6"]),
            ("dual", vec!["IPv4", "IPv6"]),
            ("turned", vec!["IPv6", "IPv4"]),
            ("named", vec!["IPv6", "IPv4"]),
            ("late", vec!["IPv4", "IPv6"]),
        ] {
            let spec = spec(&cluster, name);
            assert_eq!(spec.ip_families, expect, "{name}");
            assert_eq!(spec.cluster_ips.len(), expect.len(), "{name}");
            assert_eq!(spec.cluster_ip, spec.cluster_ips[0], "{name}");
            for (ip, family) in spec.cluster_ips.iter().zip(expect) {
                let range = network.services_of(family).unwrap();
                assert!(range.contains(ip.parse().unwrap()), "{name}: {ip} is of {family}");
            }
        }
        assert_eq!(spec(&cluster, "named").cluster_ips[0], "fd00:10:96::77");
        let headless = spec(&cluster, "headless");
        assert_eq!((headless.cluster_ips, headless.ip_families), (vec!["None".to_owned()], vec!["IPv4".to_owned()]));
        // Upwards: what it has stays, and the second comes.
        let before = spec(&cluster, "single").cluster_ip;
        let key = ObjectKey::new(masthead_api::kind::registry::SERVICE, "n", "single");
        let live = cluster.get(&key).unwrap().value();
        let mut wanted = live.clone();
        wanted["spec"]["ipFamilyPolicy"] = "RequireDualStack".into();
        let up = masthead_api::admit::update_for(&live, wanted, families).unwrap();
        put(&mut cluster, Object::from_value(up).unwrap());
        assert!(settle(&mut cluster).is_empty());
        let after = spec(&cluster, "single");
        assert_eq!((&after.cluster_ips[0], after.cluster_ips.len()), (&before, 2));
        // Downwards: the second goes, and is free.
        let live = cluster.get(&key).unwrap().value();
        let mut wanted = live.clone();
        wanted["spec"]["ipFamilyPolicy"] = "SingleStack".into();
        let down = masthead_api::admit::update_for(&live, wanted, families).unwrap();
        put(&mut cluster, Object::from_value(down).unwrap());
        assert_eq!(spec(&cluster, "single").cluster_ips, [before]);
        assert!(!cluster.is_claimed(&claims::ip(&after.cluster_ips[1])));
    }

    /// The store is lost and everything comes back at once, in another order.
    #[test]
    fn a_cluster_built_anew_gives_the_same_addresses() {
        let names: Vec<String> = (0..200).map(|i| format!("s{i}")).collect();
        let build = |all: &mut dyn Iterator<Item = &String>, at_once: bool| {
            let mut cluster = Cluster::default();
            for name in all {
                put(&mut cluster, service(name, json!({"type": "NodePort", "ports": [{"port": 80}]})));
                if !at_once {
                    settle(&mut cluster);
                }
            }
            settle(&mut cluster);
            let of = |name: &String| (spec(&cluster, name).cluster_ip, spec(&cluster, name).ports[0].node_port);
            names.iter().map(of).collect::<Vec<_>>()
        };
        let (one, other) = (build(&mut names.iter(), false), build(&mut names.iter().rev(), true));
        let ips: BTreeSet<&String> = one.iter().map(|(ip, _)| ip).collect();
        let ports: BTreeSet<i32> = one.iter().map(|(_, port)| *port).collect();
        assert_eq!((ips.len(), ports.len()), (200, 200));
        let moved = one.iter().zip(&other).filter(|(a, b)| a.0 != b.0).count();
        assert!(moved <= 2, "{moved} of 200 addresses differ");
        let moved = one.iter().zip(&other).filter(|(a, b)| a.1 != b.1).count();
        assert!(moved <= 30, "{moved} of 200 ports differ: 2,682 ports meet more often than 65,000 addresses");
    }

    #[test]
    fn a_full_range_is_told_and_used_to_its_end() {
        let mut cluster = Cluster::default();
        let network = crate::network::ranges::Network {
            services: vec!["10.0.0.0/28".parse().unwrap()],
            node_ports: (30_000, 30_003),
            ..Default::default()
        };
        cluster.set_network(Arc::new(network));
        for i in 0..13 {
            put(&mut cluster, service(&format!("s{i}"), json!({"ports": [{"port": 80}]})));
        }
        // Of sixteen, two are no addresses of hosts and two are the API's and the DNS's.
        assert_eq!(settle(&mut cluster).len(), 1);
        let given = (0..13).filter(|i| !spec(&cluster, &format!("s{i}")).cluster_ip.is_empty()).count();
        assert_eq!(given, 12);
        assert_eq!(bands("10.0.0.0/28".parse().unwrap()), ((1, 1), (1, 15)));
        assert_eq!(bands("10.96.0.0/16".parse().unwrap()), ((1, 257), (257, 65_535)));
        assert_eq!(bands("10.0.0.0/24".parse().unwrap()), ((1, 17), (17, 255)));
    }
}
