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
use crate::gateway::backend::ENCRYPTED;
use crate::service::claims;
use crate::service::node_addresses::node_addresses;
use crate::service::told::is_told;

/// The ports of the nodes at which ingresses are served.
pub const PORTS: [i32; 2] = [80, 443];

/// The reason of a Secret that holds no certificate. Nodes tell it, which read what is in it; all else follows from the
/// objects alone, and is told once for all nodes.
const UNUSABLE: &str = "SecretInvalid";

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
    for (reason, message) in faults(cluster, object, &ingress).into_iter().filter(|(reason, _)| *reason != UNUSABLE) {
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

/// What is wrong with an ingress of ours; it is served as far as it can be.
pub fn faults(cluster: &Cluster, object: &Arc<Object>, ingress: &Ingress) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    let served = served(cluster, ingress);
    if let Served::Elsewhere { .. } = served {
        return faults;
    }
    if let Served::NoClass { name } = &served {
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
                    faults.push((UNUSABLE, format!("Secret {:?} has no {}", key.name, missing.join(" and no "))));
                }
            }
        }
    }
    faults.extend(backends(ingress).filter_map(|backend| of_backend(cluster, &ingress.metadata.namespace, backend)));
    faults.extend(shadowed(cluster, object, ingress));
    faults.sort();
    faults.dedup();
    faults
}

/// Why a backend of an ingress in a namespace can't be had.
fn of_backend(cluster: &Cluster, namespace: &str, backend: &IngressBackend) -> Option<(&'static str, String)> {
    let refused = |why: String| Some(("BackendNotSupported", why));
    if backend.resource.is_some() {
        return refused("a backend that is a resource is not supported: it answers 503".to_owned());
    }
    let wanted = backend.service.as_ref()?;
    let Some(service) = cluster.typed::<Service>(&ObjectKey::new(Service::KIND, namespace, wanted.name.as_str()))
    else {
        return Some(("ServiceNotFound", format!("there is no Service {:?}", wanted.name)));
    };
    if service.spec.type_ == "ExternalName" {
        return refused(format!(
            "Service {:?} is an ExternalName, which is not supported: it answers 503",
            wanted.name
        ));
    }
    let known = service.spec.ports.iter().find(|port| match wanted.port.number {
        0 => port.name == wanted.port.name,
        number => port.port == number,
    });
    let port = if wanted.port.number == 0 { wanted.port.name.clone() } else { wanted.port.number.to_string() };
    let Some(known) = known else {
        return Some(("ServicePortNotFound", format!("Service {:?} has no port {port}", wanted.name)));
    };
    let spoken = known.app_protocol.as_deref().filter(|spoken| ENCRYPTED.contains(spoken))?;
    refused(format!("port {port} of Service {:?} speaks {spoken}: TLS is not supported to pods", wanted.name))
}

/// Host, kind of path and path as nodes tell them apart, each of which one ingress answers: the oldest, then by namespace
/// and name. What is not `Exact` is a prefix, and a closing slash of it says nothing.
fn routes(ingress: &Ingress) -> impl Iterator<Item = (&str, &'static str, &str)> {
    ingress.spec.rules.iter().flat_map(|rule| {
        let paths = rule.http.iter().flat_map(|http| &http.paths);
        paths.map(|path| match path.path_type.as_deref() {
            Some("Exact") => (rule.host.as_str(), "Exact", path.path.as_str()),
            _ => (rule.host.as_str(), "Prefix", path.path.trim_end_matches('/')),
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
                let (host, kind, path) = route;
                let host = if host.is_empty() { "any host" } else { host };
                let path = if path.is_empty() { "/" } else { path };
                let message =
                    format!("path {path:?} ({kind}) of {host} is answered by {}, which is older", other.key());
                faults.push(("RouteConflict", message));
            }
        }
    }
    faults
}
