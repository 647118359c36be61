//! (Cluster, one ingress) → the addresses at which it is reached, and warnings about what it names and is not there.

use std::sync::Arc;

use masthead_api::change::{Change, EventKind, EventNote};
use masthead_api::core::config::Secret;
use masthead_api::core::service::Service;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::networking::class::{self, Served};
use masthead_api::networking::ingress::{
    Ingress, IngressBackend, IngressClass, IngressLoadBalancerIngress, IngressLoadBalancerStatus,
};
use masthead_api::object::{Error, Object};

use crate::cluster::view::Cluster;
use crate::context::Reaction;
use crate::service::balancer::node_addresses;
use crate::service::claims;
use crate::service::told::is_told;

/// The ports of the nodes at which ingresses are served.
pub const PORTS: [i32; 2] = [80, 443];

/// Whether Masthead serves an ingress.
pub fn is_served(cluster: &Cluster, ingress: &Ingress) -> bool {
    served(cluster, ingress) == Served::Here
}

fn served(cluster: &Cluster, ingress: &Ingress) -> Served {
    let classes: Vec<Arc<IngressClass>> = cluster.list::<IngressClass>("").collect();
    class::served(ingress, classes.iter().map(|class| &**class))
}

/// The Secrets that hold the certificates of an ingress.
pub fn secrets(ingress: &Ingress) -> impl Iterator<Item = ObjectKey> + '_ {
    let names = ingress.spec.tls.iter().map(|tls| tls.secret_name.as_str()).filter(|name| !name.is_empty());
    names.map(|name| ObjectKey::new(Secret::KIND, ingress.metadata.namespace.as_str(), name))
}

/// The services that an ingress sends to.
pub fn backends(ingress: &Ingress) -> impl Iterator<Item = &IngressBackend> {
    let paths = ingress.spec.rules.iter().filter_map(|rule| rule.http.as_ref()).flat_map(|http| &http.paths);
    paths.map(|path| &path.backend).chain(&ingress.spec.default_backend)
}

/// What an ingress needs next.
///
/// # Errors
/// The ingress does not decode, or cannot be written as JSON.
pub fn reconcile(cluster: &Cluster, object: &Arc<Object>) -> Result<Reaction, Error> {
    let ingress = object.typed::<Ingress>()?;
    let mut reaction = Reaction::default();
    if ingress.metadata.deletion_timestamp.is_some() {
        return Ok(reaction);
    }
    let served = served(cluster, &ingress);
    if let Served::Elsewhere { .. } = served {
        // Its status is its controller's.
        return Ok(reaction);
    }
    let wanted = IngressLoadBalancerStatus {
        ingress: match served {
            Served::Here => node_addresses(cluster, |_| true)
                .into_iter()
                .map(|ip| IngressLoadBalancerIngress { ip: ip.to_string(), ..Default::default() })
                .collect(),
            _ => Vec::new(),
        },
    };
    if ingress.status.load_balancer != wanted {
        let mut new = Ingress::clone(&ingress);
        new.status.load_balancer = wanted;
        let changed = Arc::new(Object::of(&new)?);
        let reason = "the nodes that serve it".to_owned();
        reaction.changes.push(Change::Update { object: changed, base: object.revision(), reason });
    }
    for (reason, message) in faults(cluster, object, &ingress, &served) {
        let note = EventNote {
            about: object.key().clone(),
            uid: ingress.metadata.uid.clone(),
            kind: EventKind::Warning,
            reason: reason.to_owned(),
            message,
            source: "ingress-controller".to_owned(),
        };
        if !is_told(cluster, &note) {
            reaction.events.push(note);
        }
    }
    Ok(reaction)
}

/// What is wrong with an ingress; it is served as far as it can be.
fn faults(cluster: &Cluster, object: &Arc<Object>, ingress: &Ingress, served: &Served) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    if let Served::NoClass { name } = served {
        let what = if name.is_empty() {
            "no IngressClass is the default".to_owned()
        } else {
            format!("there is no IngressClass {name:?}")
        };
        return vec![("NoIngressClass", format!("nobody serves it: {what}"))];
    }
    for port in PORTS {
        let text = claims::balanced_port("TCP", port);
        let balanced = cluster.services_with(&text).filter(|service| service.meta().deletion_timestamp.is_none());
        if let Some(first) = { balanced }.min_by_key(|service| service.key().clone()) {
            let message = format!("port {port}/TCP of the nodes leads to {}, and to ingresses no more", first.key());
            faults.push(("PortConflict", message));
        }
    }
    for key in secrets(ingress) {
        match cluster.typed::<Secret>(&key) {
            None => faults.push((
                "SecretNotFound",
                format!("there is no Secret {:?}: its hosts get the certificate of last resort", key.name),
            )),
            Some(secret) => {
                let missing: Vec<&str> =
                    ["tls.crt", "tls.key"].into_iter().filter(|field| !secret.data.contains_key(*field)).collect();
                if !missing.is_empty() {
                    faults
                        .push(("SecretInvalid", format!("Secret {:?} has no {}", key.name, missing.join(" and no "))));
                }
            }
        }
    }
    for backend in backends(ingress) {
        if backend.resource.is_some() {
            faults.push((
                "BackendNotSupported",
                "a backend that is a resource is not supported: it answers 502".to_owned(),
            ));
        }
        let Some(wanted) = &backend.service else { continue };
        let key = ObjectKey::new(Service::KIND, ingress.metadata.namespace.as_str(), wanted.name.as_str());
        match cluster.typed::<Service>(&key) {
            None => faults.push(("ServiceNotFound", format!("there is no Service {:?}", wanted.name))),
            Some(service) => {
                let known = service.spec.ports.iter().any(|port| match wanted.port.number {
                    0 => port.name == wanted.port.name,
                    number => port.port == number,
                });
                if !known {
                    let port =
                        if wanted.port.number == 0 { wanted.port.name.clone() } else { wanted.port.number.to_string() };
                    faults.push(("ServicePortNotFound", format!("Service {:?} has no port {port}", wanted.name)));
                }
            }
        }
    }
    faults.extend(shadowed(cluster, object, ingress));
    faults.sort();
    faults.dedup();
    faults
}

/// Host, path and kind of path, each of which one ingress answers: the oldest, then by namespace and name.
fn routes(ingress: &Ingress) -> impl Iterator<Item = (&str, &str, &str)> {
    ingress.spec.rules.iter().flat_map(|rule| {
        let paths = rule.http.iter().flat_map(|http| &http.paths);
        paths.map(|path| {
            (rule.host.as_str(), path.path.as_str(), path.path_type.as_deref().unwrap_or("ImplementationSpecific"))
        })
    })
}

/// Routes of which an older ingress has the very same.
fn shadowed(cluster: &Cluster, object: &Arc<Object>, ingress: &Ingress) -> Vec<(&'static str, String)> {
    let rank = |object: &Arc<Object>| (object.meta().creation_timestamp, object.key().clone());
    let mut faults = Vec::new();
    for other in cluster.of_kind(Ingress::KIND).filter(|other| rank(other) < rank(object)) {
        let Ok(older) = other.typed::<Ingress>() else { continue };
        for route in routes(ingress).filter(|route| routes(&older).any(|known| known == *route)) {
            if is_served(cluster, &older) {
                let host = if route.0.is_empty() { "any host" } else { route.0 };
                let message = format!(
                    "path {:?} ({}) of {host} is answered by {}, which is older",
                    route.1,
                    route.2,
                    other.key()
                );
                faults.push(("RouteConflict", message));
            }
        }
    }
    faults
}
