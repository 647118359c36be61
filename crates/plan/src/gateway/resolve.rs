//! (Cluster, key of a gateway or route) → what nodes are told of it; nothing when there is nothing to serve.

use std::collections::BTreeSet;

use masthead_api::gateway::gateway::Gateway;
use masthead_api::gateway::resolved::{Attached, Name, ResolvedGateway, ResolvedListener, ResolvedRoute};
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::kind::registry::{GATEWAY, GRPC_ROUTE, HTTP_ROUTE, SECRET};

use crate::cluster::view::Cluster;
use crate::gateway::attach::Site;
use crate::gateway::route::Route;
use crate::gateway::{grpc, http, listener};

/// Whether nodes are told of objects of this kind in a form of their own.
pub fn is_resolved(key: &ObjectKey) -> bool {
    [GATEWAY, HTTP_ROUTE, GRPC_ROUTE].contains(&key.kind)
}

/// What nodes are told, as JSON.
pub fn resolve(cluster: &Cluster, key: &ObjectKey) -> Option<Vec<u8>> {
    match key.kind {
        GATEWAY => serde_json::to_vec(&gateway(cluster, key)?).ok(),
        HTTP_ROUTE | GRPC_ROUTE => serde_json::to_vec(&route(cluster, key)?).ok(),
        _ => None,
    }
}

fn name_of(key: &ObjectKey) -> Name {
    Name { namespace: key.namespace.clone(), name: key.name.clone() }
}

/// A gateway with its listeners that are served.
pub fn gateway(cluster: &Cluster, key: &ObjectKey) -> Option<ResolvedGateway> {
    let site = Site::of(cluster, key)?;
    let all = site.gateway.spec.listeners.iter().zip(&site.verdicts);
    let served = all.filter(|(_, verdict)| verdict.is_served).filter_map(|(one, verdict)| {
        Some(ResolvedListener {
            name: one.name.clone(),
            port: u16::try_from(one.port).ok()?,
            tls: one.protocol == "HTTPS",
            hostname: listener::host(one).to_owned(),
            certificates: verdict.certificates.clone(),
        })
    });
    let listeners: Vec<ResolvedListener> = served.collect();
    (!listeners.is_empty()).then(|| ResolvedGateway { metadata: name_of(key), listeners })
}

/// A route at the listeners that take it and are served.
pub fn route(cluster: &Cluster, key: &ObjectKey) -> Option<ResolvedRoute> {
    let object = cluster.get(key)?;
    let route = Route::of(object).ok()??;
    let meta = route.meta();
    if meta.deletion_timestamp.is_some() {
        return None;
    }
    let mut attached: Vec<Attached> = Vec::new();
    for parent in route.parents() {
        let Some(at) = route.gateway_key(parent) else { continue };
        let Some(site) = Site::of(cluster, &at) else { continue };
        for (place, hostnames) in site.attach(cluster, &route, parent).unwrap_or_default() {
            let is_served = site.verdicts.get(place).is_some_and(|verdict| verdict.is_served);
            let Some(one) = site.gateway.spec.listeners.get(place).filter(|_| is_served) else { continue };
            let one = Attached { gateway: name_of(&at), listener: one.name.clone(), hostnames };
            if !attached.contains(&one) {
                attached.push(one);
            }
        }
    }
    if attached.is_empty() {
        return None;
    }
    let rules = match &route {
        Route::Http(route) => http::rules(cluster, route),
        Route::Grpc(route) => grpc::rules(cluster, route),
    };
    let created = meta.creation_timestamp.map_or(i64::MAX, |time| time.0);
    Some(ResolvedRoute { metadata: name_of(key), created, attached, rules: rules.rules })
}

/// The Secrets with certificates that listeners use: every node gets these.
pub fn certificates(cluster: &Cluster) -> BTreeSet<ObjectKey> {
    let keys = cluster.of_kind(Gateway::KIND).map(|object| object.key());
    let listeners = keys.filter_map(|key| gateway(cluster, key)).flat_map(|gateway| gateway.listeners);
    let names = listeners.flat_map(|listener| listener.certificates);
    names.map(|name| ObjectKey::new(SECRET, name.namespace, name.name)).collect()
}
