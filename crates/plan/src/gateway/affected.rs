//! A change of one object → the classes, gateways and routes that must be judged anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use masthead_api::core::service::Service;
use masthead_api::gateway::backend::To;
use masthead_api::gateway::class::GatewayClass;
use masthead_api::gateway::gateway::Gateway;
use masthead_api::gateway::grpc_route::GRPCBackendRef;
use masthead_api::gateway::http_route::HTTPBackendRef;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::{
    GATEWAY, GATEWAY_CLASS, GRPC_ROUTE, HTTP_ROUTE, NAMESPACE, NODE, REFERENCE_GRANT, SECRET, SERVICE,
};
use masthead_api::object::Object;

use crate::cluster::event::Changed;
use crate::cluster::view::Cluster;
use crate::gateway::certificate;
use crate::gateway::route::{Route, all, at_gateway};
use crate::service::node_addresses::{addresses, takes_traffic};

/// Enters what a change concerns; what the cluster has no gateway for costs nothing.
pub fn affected(cluster: &Cluster, changed: &Changed, keys: &mut BTreeSet<ObjectKey>) {
    let Some(side) = changed.sides().next() else { return };
    match side.kind() {
        GATEWAY_CLASS => of_class(cluster, changed, keys),
        GATEWAY => of_gateway(cluster, changed, keys),
        HTTP_ROUTE | GRPC_ROUTE => of_route(cluster, changed, keys),
        REFERENCE_GRANT => naming(cluster, &side.key().namespace, keys),
        NAMESPACE => of_namespace(cluster, changed, keys),
        SECRET => of_secret(cluster, side.key(), keys),
        SERVICE => of_service(cluster, changed, keys),
        NODE => of_node(cluster, changed, keys),
        _ => {}
    }
}

fn gateways(cluster: &Cluster) -> impl Iterator<Item = (ObjectKey, Arc<Gateway>)> {
    cluster.of_kind(GATEWAY).filter_map(|object| Some((object.key().clone(), object.typed::<Gateway>().ok()?)))
}

/// A gateway and the routes that name it.
fn with_routes(cluster: &Cluster, gateway: ObjectKey, keys: &mut BTreeSet<ObjectKey>) {
    keys.extend(at_gateway(cluster, &gateway).iter().map(Route::key));
    keys.insert(gateway);
}

fn ports(gateway: &Gateway) -> Vec<i32> {
    gateway.spec.listeners.iter().map(|listener| listener.port).collect()
}

/// Gateways that want one of these ports of the nodes: who has it may be another now.
fn at_ports(cluster: &Cluster, wanted: &BTreeSet<i32>, keys: &mut BTreeSet<ObjectKey>) {
    for (key, gateway) in gateways(cluster) {
        if ports(&gateway).iter().any(|port| wanted.contains(port)) {
            with_routes(cluster, key, keys);
        }
    }
}

fn of_class(cluster: &Cluster, changed: &Changed, keys: &mut BTreeSet<ObjectKey>) {
    let sides: Vec<Arc<GatewayClass>> = changed.sides().filter_map(|side| side.typed::<GatewayClass>().ok()).collect();
    if let [old, new] = sides.as_slice()
        && old.spec == new.spec
    {
        return;
    }
    let Some(class) = changed.sides().next().map(|side| side.key().name.clone()) else { return };
    let of_class = gateways(cluster).filter(|(_, gateway)| gateway.spec.gateway_class_name == class);
    let ports = of_class.flat_map(|(_, gateway)| ports(&gateway)).collect();
    at_ports(cluster, &ports, keys);
}

/// Itself, its routes, and younger gateways that want a port of it.
fn of_gateway(cluster: &Cluster, changed: &Changed, keys: &mut BTreeSet<ObjectKey>) {
    let sides: Vec<Arc<Gateway>> = changed.sides().filter_map(|side| side.typed::<Gateway>().ok()).collect();
    if let [old, new] = sides.as_slice()
        && old.spec == new.spec
        && old.metadata.deletion_timestamp == new.metadata.deletion_timestamp
    {
        return;
    }
    let Some(key) = changed.sides().next().map(|side| side.key().clone()) else { return };
    at_ports(cluster, &sides.iter().flat_map(|side| ports(side)).collect(), keys);
    keys.extend(at_gateway(cluster, &key).iter().map(Route::key));
}

/// Its gateways, and routes of the other kind there: one of the two may shut out the other.
fn of_route(cluster: &Cluster, changed: &Changed, keys: &mut BTreeSet<ObjectKey>) {
    let sides: Vec<Route> = changed.sides().filter_map(|side| Route::of(side).ok()?).collect();
    if let [old, new] = sides.as_slice()
        && is_same(old, new)
    {
        return;
    }
    for route in &sides {
        let parents: BTreeSet<ObjectKey> =
            route.parents().iter().filter_map(|parent| route.gateway_key(parent)).collect();
        for gateway in parents {
            let here = at_gateway(cluster, &gateway);
            if here.iter().any(|other| other.kind() != route.kind()) {
                keys.extend(here.iter().map(Route::key));
            }
            if cluster.get(&gateway).is_some() {
                keys.insert(gateway);
            }
        }
    }
}

/// Whether nothing has changed that is judged.
fn is_same(old: &Route, new: &Route) -> bool {
    let same_spec = match (old, new) {
        (Route::Http(old), Route::Http(new)) => old.spec == new.spec,
        (Route::Grpc(old), Route::Grpc(new)) => old.spec == new.spec,
        _ => false,
    };
    same_spec && old.meta().deletion_timestamp == new.meta().deletion_timestamp
}

/// Whatever refers to objects of a namespace from another.
fn naming(cluster: &Cluster, namespace: &str, keys: &mut BTreeSet<ObjectKey>) {
    for (key, gateway) in gateways(cluster).filter(|(key, _)| key.namespace != namespace) {
        let mut refs = gateway.spec.listeners.iter().flat_map(|one| &one.tls).flat_map(|tls| &tls.certificate_refs);
        if refs.any(|to| to.namespace.as_deref() == Some(namespace)) {
            with_routes(cluster, key, keys);
        }
    }
    refers(cluster, keys, |key| key.namespace == namespace);
}

/// Routes that refer to such a service, and the gateways that count them.
fn refers(cluster: &Cluster, keys: &mut BTreeSet<ObjectKey>, is_meant: impl Fn(&ObjectKey) -> bool) {
    for route in all(cluster) {
        if services(&route).iter().any(&is_meant) {
            keys.insert(route.key());
        }
    }
}

/// The services that a route refers to.
pub fn services(route: &Route) -> Vec<ObjectKey> {
    let from = route.meta().namespace.as_str();
    let mut to: Vec<To<'_>> = Vec::new();
    match route {
        Route::Http(route) => {
            for rule in &route.spec.rules {
                to.extend(rule.backend_refs.iter().map(HTTPBackendRef::to));
                let filters = rule.backend_refs.iter().flat_map(|one| &one.filters).chain(&rule.filters);
                to.extend(filters.flat_map(|one| &one.request_mirror).map(|mirror| mirror.backend_ref.to()));
            }
        }
        Route::Grpc(route) => {
            for rule in &route.spec.rules {
                to.extend(rule.backend_refs.iter().map(GRPCBackendRef::to));
                let filters = rule.backend_refs.iter().flat_map(|one| &one.filters).chain(&rule.filters);
                to.extend(filters.flat_map(|one| &one.request_mirror).map(|mirror| mirror.backend_ref.to()));
            }
        }
    }
    to.iter().filter_map(|to| to.service(from)).collect()
}

/// Routes of a namespace whose labels changed, where a listener selects by them.
fn of_namespace(cluster: &Cluster, changed: &Changed, keys: &mut BTreeSet<ObjectKey>) {
    let labels: Vec<_> = changed.sides().map(|side| &side.meta().labels).collect();
    if let [old, new] = labels.as_slice()
        && old == new
    {
        return;
    }
    let Some(namespace) = changed.sides().next().map(|side| side.key().name.clone()) else { return };
    for route in all(cluster).filter(|route| route.meta().namespace == namespace) {
        keys.extend(route.parents().iter().filter_map(|parent| route.gateway_key(parent)));
        keys.insert(route.key());
    }
}

fn of_secret(cluster: &Cluster, secret: &ObjectKey, keys: &mut BTreeSet<ObjectKey>) {
    for (key, gateway) in gateways(cluster) {
        let mut refs = gateway.spec.listeners.iter().flat_map(|one| &one.tls).flat_map(|tls| &tls.certificate_refs);
        if refs.any(|to| certificate::key_of(&gateway, to) == *secret) {
            with_routes(cluster, key, keys);
        }
    }
}

/// Routes that refer to a service, and gateways that want a port of the nodes that it has, or has no more.
fn of_service(cluster: &Cluster, changed: &Changed, keys: &mut BTreeSet<ObjectKey>) {
    if cluster.of_kind(GATEWAY).next().is_none() {
        return;
    }
    let sides: Vec<Arc<Service>> = changed.sides().filter_map(|side| side.typed::<Service>().ok()).collect();
    let part = |service: &Service| {
        let ports =
            service.spec.ports.iter().map(|p| (p.port, p.protocol.clone(), p.app_protocol.clone(), p.node_port));
        (service.spec.type_.clone(), service.spec.load_balancer_class.clone(), ports.collect::<Vec<_>>())
    };
    if let [old, new] = sides.as_slice()
        && part(old) == part(new)
    {
        return;
    }
    let Some(service) = changed.sides().next().map(|side| side.key().clone()) else { return };
    refers(cluster, keys, |key| *key == service);
    let ports = sides.iter().flat_map(|side| &side.spec.ports);
    let ports: BTreeSet<i32> = ports.flat_map(|port| [port.port, port.node_port]).collect();
    at_ports(cluster, &ports, keys);
}

fn of_node(cluster: &Cluster, changed: &Changed, keys: &mut BTreeSet<ObjectKey>) {
    let outside = |side: &Option<Arc<Object>>| {
        let node = side.as_ref().and_then(|object| object.typed::<masthead_api::core::node::Node>().ok());
        node.filter(|node| takes_traffic(node)).map(|node| addresses(&node))
    };
    if outside(&changed.old) != outside(&changed.new) {
        keys.extend(cluster.of_kind(GATEWAY).map(|object| object.key().clone()));
    }
}
