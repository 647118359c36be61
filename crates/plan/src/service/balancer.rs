//! The nodes → the addresses at which services of type LoadBalancer, and ingresses, are reached from outside.
//!
//! A small cluster has no balancer before it: its nodes' own addresses are what clients dial.

use std::collections::BTreeSet;
use std::sync::Arc;

use masthead_api::change::{Change, EventNote};
use masthead_api::core::service::{LoadBalancerIngress, LoadBalancerStatus, Service};
use masthead_api::networking::ingress::Ingress;
use masthead_api::object::{Error, Object};

use crate::cluster::view::Cluster;
use crate::context::Reaction;
use crate::service::allocate::warning;
use crate::service::node_addresses::node_addresses;
use crate::service::relations::selected;
use crate::service::told::is_told;
use crate::service::{claims, ingress};

/// Keeps `status.loadBalancer` of a service.
///
/// # Errors
/// The service cannot be written as JSON.
pub fn status(cluster: &Cluster, object: &Arc<Object>, service: &Service) -> Result<Reaction, Error> {
    let mut reaction = Reaction::default();
    if !claims::is_balanced(service) {
        // What a balancer of another class wrote is left alone; a service that is none any more has none.
        let left = service.spec.type_ != "LoadBalancer" && !service.status.load_balancer.ingress.is_empty();
        return if left { write(object, service, LoadBalancerStatus::default()) } else { Ok(reaction) };
    }
    let wanted = match taken_by(cluster, object, service) {
        Some((port, owner)) => {
            reaction.events.extend(taken(cluster, object, service, &port, &owner));
            LoadBalancerStatus::default()
        }
        None => LoadBalancerStatus { ingress: points(cluster, service) },
    };
    if !wanted.ingress.is_empty() {
        let note = before_ingresses(cluster, service).map(|port| {
            let message = format!("port {port}/TCP of the nodes leads here, and to the cluster's ingresses no more");
            warning(object.key(), &service.metadata.uid, "PortConflict", &message)
        });
        reaction.events.extend(note.filter(|note| !is_told(cluster, note)));
    }
    if service.status.load_balancer != wanted {
        reaction.append(write(object, service, wanted)?);
    }
    Ok(reaction)
}

/// The first port that a service has on the nodes' addresses and that ingresses are served at, when there are any.
fn before_ingresses(cluster: &Cluster, service: &Service) -> Option<i32> {
    let tcp = service.spec.ports.iter().filter(|port| port.protocol == "TCP").map(|port| port.port);
    let port = { tcp }.find(|port| ingress::PORTS.contains(port))?;
    let mut ingresses = cluster.list_all::<Ingress>();
    ingresses.any(|found| ingress::is_served(cluster, &found)).then_some(port)
}

fn write(object: &Arc<Object>, service: &Service, wanted: LoadBalancerStatus) -> Result<Reaction, Error> {
    let mut new = Service::clone(service);
    new.status.load_balancer = wanted;
    let change = Change::Update {
        object: Arc::new(Object::of(&new)?),
        base: object.revision(),
        reason: "the nodes that take its traffic".to_owned(),
    };
    Ok(Reaction { changes: vec![change], ..Reaction::default() })
}

fn points(cluster: &Cluster, service: &Service) -> Vec<LoadBalancerIngress> {
    let local = service.spec.external_traffic_policy == "Local";
    // The pods themselves are asked, not the slices: those follow in this very round.
    let nodes: BTreeSet<String> = if local {
        let pods = selected(cluster, service);
        pods.iter()
            .filter(|pod| crate::workload::pods::is_ready(pod) && pod.metadata.deletion_timestamp.is_none())
            .map(|pod| pod.spec.node_name.clone())
            .collect()
    } else {
        BTreeSet::new()
    };
    let families = &service.spec.ip_families;
    node_addresses(cluster, |node| !local || nodes.contains(&node.metadata.name))
        .into_iter()
        .filter(|ip| families.iter().any(|family| (family == "IPv4") == ip.is_ipv4()))
        .map(|ip| LoadBalancerIngress {
            ip: ip.to_string(),
            ip_mode: Some("VIP".to_owned()),
            ..LoadBalancerIngress::default()
        })
        .collect()
}

/// The first port of a service that an older one has on the nodes' addresses already.
fn taken_by(cluster: &Cluster, object: &Arc<Object>, service: &Service) -> Option<(String, Arc<Object>)> {
    let rank = |object: &Arc<Object>| (object.meta().creation_timestamp, object.key().clone());
    service.spec.ports.iter().find_map(|port| {
        let text = claims::balanced_port(&port.protocol, port.port);
        let first = cluster.services_with(&text).min_by_key(|other| rank(other))?;
        (first.key() != object.key()).then(|| (format!("{}/{}", port.port, port.protocol), first.clone()))
    })
}

fn taken(cluster: &Cluster, object: &Arc<Object>, service: &Service, port: &str, owner: &Object) -> Option<EventNote> {
    let message = format!("it gets no addresses: {} has port {port} of the nodes", owner.key());
    let note = warning(object.key(), &service.metadata.uid, "PortAlreadyTaken", &message);
    (!is_told(cluster, &note)).then_some(note)
}
