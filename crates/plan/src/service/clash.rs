//! A service that holds what another holds too, or what is out of range → that is taken from it, or told.
//!
//! Pushes that would bring this about are refused (`service/check.rs`). It remains possible when two writers come at the
//! same moment, and when the cluster is started with other ranges than before.

use std::net::IpAddr;
use std::sync::Arc;

use masthead_api::admit::families::family_of;
use masthead_api::change::Change;
use masthead_api::core::service::Service;
use masthead_api::object::{Error, Object};

use crate::cluster::view::Cluster;
use crate::context::Reaction;
use crate::service::allocate::warning;
use crate::service::claims;

/// Takes from a service what it may not have; what its manifest names stays, and a warning is told.
///
/// # Errors
/// The service cannot be written as JSON.
pub fn judge(cluster: &Cluster, object: &Arc<Object>, service: &Service) -> Result<Reaction, Error> {
    let mut reaction = Reaction::default();
    let wanted = cluster.applied_of(object.key()).and_then(|applied| applied.desired.typed::<Service>().ok());
    let mut new = Service::clone(service);
    let mut warn = |reason: &str, message: String| {
        let event = warning(object.key(), &service.metadata.uid, reason, &message);
        reaction.events.push(event);
    };
    let (mut drop_ips, mut drop_families) = (false, false);
    for text in claims::ips(service) {
        let named = wanted.as_ref().is_some_and(|wanted| claims::ips(wanted).any(|ip| ip == text));
        let out_of_range = text.parse::<IpAddr>().is_ok_and(|ip| !cluster.network().is_service_ip(ip));
        if out_of_range && !named {
            drop_ips = true;
            // The cluster has no addresses of this family any more: its families are chosen anew.
            let family = text.parse::<IpAddr>().map(|ip| family_of(ip.is_ipv6()));
            drop_families |= family.is_ok_and(|family| cluster.network().services_of(family).is_none());
        } else if out_of_range {
            let range = cluster.network().services_text();
            let message = format!("the address {text} in its manifest is not in the service range {range}");
            warn("ClusterIPOutOfRange", message);
        } else if let Some(owner) = owner(cluster, object, &claims::ip(text)) {
            if named {
                let message = format!("the address {text} in its manifest belongs to {}", owner.key());
                warn("ClusterIPAlreadyAllocated", message);
            } else {
                drop_ips = true;
            }
        }
    }
    if drop_ips {
        new.spec.cluster_ip.clear();
        new.spec.cluster_ips.clear();
    }
    if drop_families {
        new.spec.ip_families.clear();
    }
    for port in claims::node_ports(service) {
        let Some(owner) = owner(cluster, object, &claims::node_port(port)) else { continue };
        let named = wanted.as_ref().is_some_and(|wanted| claims::node_ports(wanted).contains(&port));
        if named {
            warn("PortAlreadyAllocated", format!("the port {port} in its manifest belongs to {}", owner.key()));
            continue;
        }
        new.spec.ports.iter_mut().filter(|known| known.node_port == port).for_each(|known| known.node_port = 0);
        if new.spec.health_check_node_port == port {
            new.spec.health_check_node_port = 0;
        }
    }
    if new != *service {
        let changed = Arc::new(Object::of(&new)?);
        let reason = "what it held belongs to another service or is out of range".to_owned();
        reaction.changes.push(Change::Update { object: changed, base: object.revision(), reason });
    }
    Ok(reaction)
}

/// Who else has the better right to what a text names: who names it in git, then who is older, then by name.
fn owner<'c>(cluster: &'c Cluster, object: &Arc<Object>, text: &str) -> Option<&'c Arc<Object>> {
    let rank = |of: &Arc<Object>| {
        let named = cluster
            .applied_of(of.key())
            .and_then(|applied| applied.desired.typed::<Service>().ok())
            .is_some_and(|wanted| claims::of(&wanted).iter().any(|known| known == text));
        (!named, of.meta().creation_timestamp, of.key().clone())
    };
    let first = cluster.services_with(text).min_by_key(|other| rank(other))?;
    (first.key() != object.key()).then_some(first)
}
