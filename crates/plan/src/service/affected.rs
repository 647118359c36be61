//! A change of one object → the services, Endpoints and ingresses that must be decided anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use masthead_api::core::endpoints::Endpoints;
use masthead_api::core::node::Node;
use masthead_api::core::pod::Pod;
use masthead_api::core::service::Service;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::kind::registry::{ENDPOINTS, INGRESS, INGRESS_CLASS, NODE, POD, SECRET, SERVICE};
use masthead_api::networking::ingress::Ingress;
use masthead_api::object::Object;

use crate::cluster::event::Changed;
use crate::cluster::view::Cluster;
use crate::service::endpoint::{ZONE, shown};
use crate::service::node_addresses::{addresses, takes_traffic};
use crate::service::reconcile::selecting;
use crate::service::{claims, ingress};

/// Enters what a change concerns.
pub fn affected(cluster: &Cluster, changed: &Changed, keys: &mut BTreeSet<ObjectKey>) {
    let Some(kind) = changed.sides().next().map(|side| side.kind()) else { return };
    match kind {
        POD => pod(cluster, changed, keys),
        NODE => node(cluster, changed, keys),
        SERVICE => service(cluster, changed, keys),
        ENDPOINTS => same_named(changed, SERVICE, keys),
        SECRET => {
            ingresses(cluster, changed, keys, |ingress, key| ingress::secrets(ingress).any(|named| named == *key))
        }
        INGRESS => ingresses_like(cluster, changed, keys),
        INGRESS_CLASS => keys.extend(cluster.of_kind(INGRESS).map(|ingress| ingress.key().clone())),
        _ => {}
    }
}

fn pod(cluster: &Cluster, changed: &Changed, keys: &mut BTreeSet<ObjectKey>) {
    let typed = |side: &Option<Arc<Object>>| side.as_ref().and_then(|object| object.typed::<Pod>().ok());
    let (old, new) = (typed(&changed.old), typed(&changed.new));
    if let (Some(old), Some(new)) = (&old, &new)
        && shown(old) == shown(new)
    {
        return;
    }
    for side in changed.sides() {
        keys.extend(selecting(cluster, side).map(|service| service.key().clone()));
    }
}

fn node(cluster: &Cluster, changed: &Changed, keys: &mut BTreeSet<ObjectKey>) {
    let typed = |side: &Option<Arc<Object>>| side.as_ref().and_then(|object| object.typed::<Node>().ok());
    let (old, new) = (typed(&changed.old), typed(&changed.new));
    let outside =
        |node: &Option<Arc<Node>>| node.as_ref().filter(|node| takes_traffic(node)).map(|node| addresses(node));
    if outside(&old) != outside(&new) {
        keys.extend(cluster.services_with(claims::BALANCED).map(|service| service.key().clone()));
        keys.extend(cluster.of_kind(INGRESS).map(|ingress| ingress.key().clone()));
    }
    let zone = |node: &Option<Arc<Node>>| node.as_ref().and_then(|node| node.metadata.labels.get(ZONE).cloned());
    if zone(&old) != zone(&new)
        && let Some(side) = changed.sides().next()
    {
        for pod in cluster.pods_on(&side.key().name) {
            keys.extend(selecting(cluster, pod).map(|service| service.key().clone()));
        }
    }
}

/// Services that want what this one had, its Endpoints, and ingresses that send to it.
fn service(cluster: &Cluster, changed: &Changed, keys: &mut BTreeSet<ObjectKey>) {
    let texts = |side: &Option<Arc<Object>>| -> BTreeSet<String> {
        let service = side.as_ref().and_then(|object| object.typed::<Service>().ok());
        service.map(|service| claims::of(&service).into_iter().collect()).unwrap_or_default()
    };
    let (old, new) = (texts(&changed.old), texts(&changed.new));
    for text in old.symmetric_difference(&new).filter(|text| claims::is_exclusive(text)) {
        keys.extend(cluster.services_with(text).map(|service| service.key().clone()));
    }
    if old.symmetric_difference(&new).any(|text| is_before_ingresses(text)) {
        keys.extend(cluster.of_kind(INGRESS).map(|ingress| ingress.key().clone()));
    }
    same_named(changed, Endpoints::KIND, keys);
    let ports = |side: &Option<Arc<Object>>| {
        let service = side.as_ref().and_then(|object| object.typed::<Service>().ok());
        service.map(|s| s.spec.ports.iter().map(|port| (port.name.clone(), port.port)).collect::<Vec<_>>())
    };
    if ports(&changed.old) != ports(&changed.new) {
        ingresses(cluster, changed, keys, |ingress, key| {
            ingress::backends(ingress).any(|b| b.service.as_ref().is_some_and(|s| s.name == key.name))
        });
    }
}

/// Whether a service's text stands for a port at which ingresses are served.
fn is_before_ingresses(text: &str) -> bool {
    ingress::PORTS.iter().any(|port| claims::balanced_port("TCP", *port) == text)
}

fn same_named(changed: &Changed, kind: masthead_api::kind::Kind, keys: &mut BTreeSet<ObjectKey>) {
    keys.extend(changed.sides().map(|side| {
        let key = side.key();
        ObjectKey::new(kind, key.namespace.as_str(), key.name.as_str())
    }));
}

/// The ingresses of the namespace that name what changed.
fn ingresses(
    cluster: &Cluster,
    changed: &Changed,
    keys: &mut BTreeSet<ObjectKey>,
    names: impl Fn(&Ingress, &ObjectKey) -> bool,
) {
    let Some(key) = changed.sides().next().map(|side| side.key()) else { return };
    let here = cluster.in_namespace(INGRESS, &key.namespace);
    keys.extend(
        here.filter(|object| object.typed::<Ingress>().is_ok_and(|ingress| names(&ingress, key)))
            .map(|object| object.key().clone()),
    );
}

/// Those that share a host with an ingress whose rules changed: one of them may answer now. And services that have the
/// ports of ingresses, when one comes.
fn ingresses_like(cluster: &Cluster, changed: &Changed, keys: &mut BTreeSet<ObjectKey>) {
    if changed.old.is_none() {
        let before = ingress::PORTS.iter().flat_map(|port| {
            let text = claims::balanced_port("TCP", *port);
            cluster.services_with(&text).map(|service| service.key().clone()).collect::<Vec<_>>()
        });
        keys.extend(before);
    }
    let typed: Vec<Arc<Ingress>> = changed.sides().filter_map(|side| side.typed::<Ingress>().ok()).collect();
    if let [old, new] = typed.as_slice()
        && old.spec == new.spec
    {
        return;
    }
    let hosts: BTreeSet<&str> = typed.iter().flat_map(|i| &i.spec.rules).map(|rule| rule.host.as_str()).collect();
    for other in cluster.of_kind(INGRESS) {
        let shares = |ingress: Arc<Ingress>| ingress.spec.rules.iter().any(|rule| hosts.contains(rule.host.as_str()));
        if other.typed::<Ingress>().is_ok_and(shares) {
            keys.insert(other.key().clone());
        }
    }
}
