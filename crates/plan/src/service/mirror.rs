//! Endpoints that a user made for a service without a selector → slices, which is what nodes read.

use std::net::IpAddr;
use std::sync::Arc;

use masthead_api::core::endpoints::{EndpointAddress, EndpointSubset, Endpoints};
use masthead_api::core::service::Service;
use masthead_api::discovery::endpoint_slice::{DiscoveryPort, Endpoint, EndpointConditions, EndpointSlice};
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::object::{Error, Object};

use crate::cluster::view::Cluster;
use crate::context::{Context, Reaction};
use crate::service::legacy;
use crate::service::reconcile::{is_slice_by, owned_slices};
use crate::service::relations::owner_of;
use crate::service::slices::{self, Group, MANAGED_BY, SERVICE_NAME, TRIGGER_TIME, Template};

/// Who writes these slices.
const CONTROLLER: &str = "endpointslicemirroring-controller.k8s.io";
/// The label with which a user turns mirroring off.
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
/// The annotation of Endpoints that serve as a lock of an election.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
/// Addresses of a subset that are mirrored, at most (Kubernetes' `mirroring-max-endpoints-per-subset`).
const ADDRESSES_MAX: usize = 1000;
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Keeps the slices of Endpoints that users wrote.
///
/// # Errors
/// A slice cannot be written as JSON.
pub fn reconcile(cluster: &Cluster, object: &Arc<Object>, cx: &mut Context) -> Result<Reaction, Error> {
    let endpoints = object.typed::<Endpoints>()?;
    let meta = &endpoints.metadata;
    let existing: Vec<(Arc<Object>, Arc<EndpointSlice>)> =
        owned_slices(cluster, &meta.uid).filter(|(_, slice)| is_slice_by(slice, CONTROLLER)).collect();
    let service = cluster.typed::<Service>(&ObjectKey::new(Service::KIND, meta.namespace.as_str(), meta.name.as_str()));
    let wanted = service.is_some_and(|service| service.spec.selector.is_empty())
        && !legacy::is_ours(&endpoints)
        && meta.labels.get(SKIP).is_none_or(|skip| skip != "true")
        && !meta.annotations.contains_key(LEADER);
    if !wanted && existing.is_empty() {
        return Ok(Reaction::default());
    }
    let groups = if wanted { endpoints.subsets.iter().flat_map(groups).collect() } else { Vec::new() };
    let mut labels = meta.labels.clone();
    labels.insert(SERVICE_NAME.to_owned(), meta.name.clone());
    labels.insert(MANAGED_BY.to_owned(), CONTROLLER.to_owned());
    let mut annotations = meta.annotations.clone();
    annotations.retain(|key, _| key != TRIGGER_TIME && key != LAST_APPLIED);
    let template = Template {
        namespace: meta.namespace.clone(),
        prefix: meta.name.clone(),
        labels,
        annotations,
        owner: owner_of(Endpoints::KIND, meta),
    };
    slices::sync(existing, groups, &template, None, cx)
}

/// The endpoints of a subset, by kind of address.
fn groups(subset: &EndpointSubset) -> Vec<Group> {
    let ports: Vec<DiscoveryPort> = subset
        .ports
        .iter()
        .map(|port| DiscoveryPort {
            name: Some(port.name.clone()),
            protocol: Some(port.protocol.clone()),
            port: Some(port.port),
            app_protocol: port.app_protocol.clone(),
        })
        .collect();
    let ready = subset.addresses.iter().map(|address| (address, true));
    let unready = subset.not_ready_addresses.iter().map(|address| (address, false));
    let all: Vec<(&EndpointAddress, bool)> = ready.chain(unready).take(ADDRESSES_MAX).collect();
    ["IPv4", "IPv6"]
        .into_iter()
        .map(|family| Group {
            address_type: family.to_owned(),
            ports: ports.clone(),
            endpoints: all
                .iter()
                .filter(|(address, _)| address.ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4() == (family == "IPv4")))
                .map(|(address, ready)| endpoint(address, *ready))
                .collect(),
        })
        .filter(|group| !group.endpoints.is_empty())
        .collect()
}

fn endpoint(address: &EndpointAddress, ready: bool) -> Endpoint {
    Endpoint {
        addresses: vec![address.ip.clone()],
        conditions: EndpointConditions { ready: Some(ready), ..EndpointConditions::default() },
        hostname: Some(address.hostname.clone()).filter(|hostname| !hostname.is_empty()),
        target_ref: address.target_ref.clone(),
        node_name: address.node_name.clone(),
        ..Endpoint::default()
    }
}
