//! A service and its pods → the Endpoints object that clients older than slices read.

use std::collections::BTreeMap;
use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::core::endpoints::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints};
use masthead_api::core::pod::Pod;
use masthead_api::core::service::Service;
use masthead_api::discovery::endpoint_slice::DiscoveryPort;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::object::{Error, Object};
use masthead_api::validate::service::is_headless;

use crate::cluster::view::Cluster;
use crate::context::{Context, Reaction};
use crate::service::endpoint;
use crate::service::relations::owner_of;
use crate::service::slices::{HEADLESS, TRIGGER_TIME};
use crate::workload::pods::is_ready;

/// Addresses of one object, at most (Kubernetes' `maxCapacity`).
const ADDRESSES_MAX: usize = 1000;
/// The annotation of an object that could not hold all of them.
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// The label of objects that are written here and not by users.
const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const CONTROLLER: &str = "endpoint-controller";

/// Whether an object was written here.
pub fn is_ours(endpoints: &Endpoints) -> bool {
    endpoints.metadata.labels.get(MANAGED_BY).is_some_and(|by| by == CONTROLLER)
}

/// Keeps the Endpoints of a service with a selector.
///
/// # Errors
/// The object cannot be written as JSON.
pub fn sync(cluster: &Cluster, service: &Service, pods: &[Arc<Pod>], cx: &mut Context) -> Result<Reaction, Error> {
    let mut reaction = Reaction::default();
    let meta = &service.metadata;
    let key = ObjectKey::new(Endpoints::KIND, meta.namespace.as_str(), meta.name.as_str());
    let live = cluster.get(&key);
    let known = cluster.typed::<Endpoints>(&key);
    if live.is_some() && known.is_none() {
        // It cannot be read; the view's faults name it.
        return Ok(reaction);
    }
    let mut new = known.as_deref().cloned().unwrap_or_else(|| {
        let mut new = Endpoints::default();
        new.metadata.namespace.clone_from(&meta.namespace);
        new.metadata.name.clone_from(&meta.name);
        new
    });
    // Older clients know one address of a pod.
    let family = service.spec.ip_families.first().map_or(cluster.network().preferred_family(), String::as_str);
    let (subsets, truncated) = subsets(service, pods, family);
    new.subsets = subsets;
    new.metadata.labels.clone_from(&meta.labels);
    new.metadata.labels.insert(MANAGED_BY.to_owned(), CONTROLLER.to_owned());
    new.metadata.labels.remove(HEADLESS);
    if is_headless(service) {
        new.metadata.labels.insert(HEADLESS.to_owned(), String::new());
    }
    new.metadata.annotations.remove(OVER_CAPACITY);
    if truncated {
        new.metadata.annotations.insert(OVER_CAPACITY.to_owned(), "truncated".to_owned());
    }
    new.metadata.owner_references = vec![owner_of(Service::KIND, meta)];
    if known.as_deref() == Some(&new) {
        return Ok(reaction);
    }
    new.metadata.annotations.insert(TRIGGER_TIME.to_owned(), cx.now.to_string());
    if live.is_none() {
        new.metadata.uid = cx.ids.uid();
        new.metadata.creation_timestamp = Some(cx.now);
    }
    let object = Arc::new(Object::of(&new)?);
    reaction.changes.push(match live {
        None => Change::Create { object, reason: "mirrors the service's slices".to_owned() },
        Some(live) => {
            Change::Update { object, base: live.revision(), reason: "mirrors the service's slices".to_owned() }
        }
    });
    Ok(reaction)
}

type Addresses = BTreeMap<String, (EndpointAddress, bool)>;

/// Addresses by the ports they serve, and whether some were left out.
fn subsets(service: &Service, pods: &[Arc<Pod>], family: &str) -> (Vec<EndpointSubset>, bool) {
    let mut by_ports: BTreeMap<String, (Vec<EndpointPort>, Addresses)> = BTreeMap::new();
    let mut count = 0;
    let mut truncated = false;
    // When not all fit, those that are ready come first.
    let (ready, unready): (Vec<_>, Vec<_>) =
        pods.iter().partition(|pod| service.spec.publish_not_ready_addresses || is_ready(pod));
    for (pod, is_ready) in ready.into_iter().map(|pod| (pod, true)).chain(unready.into_iter().map(|pod| (pod, false))) {
        let Some(address) = endpoint::legacy(service, pod, family) else { continue };
        let ports: Vec<EndpointPort> = endpoint::ports(service, pod).into_iter().map(port).collect();
        if ports.is_empty() && !service.spec.ports.is_empty() {
            continue;
        }
        if count == ADDRESSES_MAX {
            truncated = true;
            break;
        }
        count += 1;
        // The debug form tells any two lists of ports apart.
        let group = by_ports.entry(format!("{ports:?}")).or_insert_with(|| (ports, Addresses::new()));
        group.1.insert(address.ip.clone(), (address, is_ready));
    }
    let subset = |(ports, addresses): (Vec<EndpointPort>, Addresses)| {
        let (ready, unready): (Vec<_>, Vec<_>) = addresses.into_values().partition(|(_, ready)| *ready);
        let plain = |list: Vec<(EndpointAddress, bool)>| list.into_iter().map(|(address, _)| address).collect();
        EndpointSubset { addresses: plain(ready), not_ready_addresses: plain(unready), ports }
    };
    (by_ports.into_values().map(subset).collect(), truncated)
}

fn port(port: DiscoveryPort) -> EndpointPort {
    EndpointPort {
        name: port.name.unwrap_or_default(),
        port: port.port.unwrap_or_default(),
        protocol: port.protocol.unwrap_or_default(),
        app_protocol: port.app_protocol,
    }
}
