//! (Cluster, one service) → its slices, its Endpoints and its status as they should be.

use std::sync::Arc;

use masthead_api::change::EventNote;
use masthead_api::core::pod::Pod;
use masthead_api::core::service::Service;
use masthead_api::discovery::endpoint_slice::{Endpoint, EndpointHints, EndpointSlice, ForNode, ForZone};
use masthead_api::kind::Resource;
use masthead_api::object::{Error, Object};
use masthead_api::validate::service::is_headless;

use crate::cluster::view::Cluster;
use crate::context::{Context, Reaction};
use crate::service::allocate::warning;
use crate::service::relations::{owner_of, selected};
use crate::service::slices::{self, Group, HEADLESS, MANAGED_BY, SERVICE_NAME, Template};
use crate::service::told::is_told;
use crate::service::{balancer, claims, clash, endpoint, legacy};

/// Annotations that ask for hints by the processors of zones.
const MODES: [&str; 2] = ["service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints"];

/// Who writes the slices of services with a selector.
const CONTROLLER: &str = "endpointslice-controller.k8s.io";

/// What a service needs next.
///
/// # Errors
/// The service does not decode, or an object cannot be written as JSON.
pub fn reconcile(cluster: &Cluster, object: &Arc<Object>, cx: &mut Context) -> Result<Reaction, Error> {
    let service = object.typed::<Service>()?;
    if service.metadata.deletion_timestamp.is_some() {
        return Ok(Reaction::default());
    }
    let mut reaction = clash::judge(cluster, object, &service)?;
    if !reaction.changes.is_empty() {
        return Ok(reaction);
    }
    reaction.append(endpoints(cluster, &service, cx)?);
    reaction.events.extend(no_auto_hints(cluster, object, &service));
    reaction.append(balancer::status(cluster, object, &service)?);
    Ok(reaction)
}

/// The slices and the Endpoints of a service; those of one without a selector are its users'.
fn endpoints(cluster: &Cluster, service: &Service, cx: &mut Context) -> Result<Reaction, Error> {
    let spec = &service.spec;
    let external = spec.type_ == "ExternalName";
    if spec.selector.is_empty() && !external {
        return Ok(Reaction::default());
    }
    let existing: Vec<(Arc<Object>, Arc<EndpointSlice>)> =
        owned_slices(cluster, &service.metadata.uid).filter(|(_, slice)| is_slice_by(slice, CONTROLLER)).collect();
    let template = template(service);
    if external {
        return slices::sync(existing, Vec::new(), &template, None, cx);
    }
    let pods = selected(cluster, service);
    let families = spec.ip_families.iter().map(String::as_str);
    let mut families: Vec<&str> = families.filter(|family| cluster.network().services_of(family).is_some()).collect();
    if families.is_empty() {
        families.push(cluster.network().preferred_family());
    }
    let mut reaction = Reaction::default();
    // Each family has slices of its own, if only an empty one.
    let mut left = existing;
    for family in families {
        let (of_family, others) = left.into_iter().partition(|(_, slice)| slice.address_type == family);
        left = others;
        let groups = groups(cluster, service, &pods, family);
        reaction.append(slices::sync(of_family, groups, &template, Some(family), cx)?);
    }
    reaction.append(slices::sync(left, Vec::new(), &template, None, cx)?);
    reaction.append(legacy::sync(cluster, service, &pods, cx)?);
    Ok(reaction)
}

/// The endpoints of a service in a family, those with the same ports together.
fn groups(cluster: &Cluster, service: &Service, pods: &[Arc<Pod>], family: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for pod in pods {
        let Some(mut endpoint) = endpoint::endpoint(cluster, service, pod, family) else { continue };
        endpoint.hints = hints(service.spec.traffic_distribution.as_deref(), &endpoint);
        let ports = endpoint::ports(service, pod);
        match groups.iter_mut().find(|group| group.ports == ports) {
            Some(group) => group.endpoints.push(endpoint),
            None => groups.push(Group { address_type: family.to_owned(), ports, endpoints: vec![endpoint] }),
        }
    }
    groups
}

fn template(service: &Service) -> Template {
    let meta = &service.metadata;
    let mut labels = meta.labels.clone();
    for label in [SERVICE_NAME, MANAGED_BY, HEADLESS] {
        labels.remove(label);
    }
    labels.insert(SERVICE_NAME.to_owned(), meta.name.clone());
    labels.insert(MANAGED_BY.to_owned(), CONTROLLER.to_owned());
    if is_headless(service) {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    Template {
        namespace: meta.namespace.clone(),
        prefix: meta.name.clone(),
        labels,
        annotations: Default::default(),
        owner: owner_of(Service::KIND, meta),
    }
}

/// The services of a namespace that select these labels.
pub fn selecting<'c>(cluster: &'c Cluster, object: &'c Object) -> impl Iterator<Item = &'c Arc<Object>> {
    let (namespace, labels) = (&object.key().namespace, &object.meta().labels);
    labels.iter().flat_map(move |(key, value)| {
        cluster.services_with(&claims::selects(namespace, key, value)).filter(move |found| {
            found
                .typed::<Service>()
                .is_ok_and(|service| service.spec.selector.iter().all(|(key, value)| labels.get(key) == Some(value)))
        })
    })
}

/// Where an endpoint is preferred (`trafficDistribution`); only one that is ready is preferred anywhere.
fn hints(distribution: Option<&str>, endpoint: &Endpoint) -> Option<EndpointHints> {
    let distribution = distribution?;
    if endpoint.conditions.ready != Some(true) {
        return None;
    }
    let for_zones: Vec<ForZone> = endpoint.zone.iter().map(|zone| ForZone { name: zone.clone() }).collect();
    let for_nodes: Vec<ForNode> = match distribution {
        "PreferSameNode" => endpoint.node_name.iter().map(|node| ForNode { name: node.clone() }).collect(),
        _ => Vec::new(),
    };
    let any = !for_zones.is_empty() || !for_nodes.is_empty();
    any.then_some(EndpointHints { for_zones, for_nodes })
}

/// Hints by the processors of zones are not made; who asks for them is told what does nearly the same (the reason is
/// Kubernetes' own for hints that it can't make).
fn no_auto_hints(cluster: &Cluster, object: &Arc<Object>, service: &Service) -> Option<EventNote> {
    let asked = MODES.iter().find_map(|name| service.metadata.annotations.get(*name))?;
    if !["Auto", "auto"].contains(&asked.as_str()) {
        return None;
    }
    let message = "topology mode Auto is not supported, traffic goes to all zones alike: spec.trafficDistribution \
        PreferSameZone keeps it in its zone";
    let note = warning(object.key(), &service.metadata.uid, "TopologyAwareHintsDisabled", message);
    (!is_told(cluster, &note)).then_some(note)
}

/// Slices whose owner has this uid.
pub fn owned_slices<'c>(
    cluster: &'c Cluster,
    uid: &'c str,
) -> impl Iterator<Item = (Arc<Object>, Arc<EndpointSlice>)> + 'c {
    cluster
        .dependents(uid)
        .filter(|object| object.kind() == EndpointSlice::KIND)
        .filter_map(|object| Some((object.clone(), object.typed::<EndpointSlice>().ok()?)))
}

/// Whether this controller writes a slice.
pub fn is_slice_by(slice: &EndpointSlice, controller: &str) -> bool {
    slice.metadata.labels.get(MANAGED_BY).is_some_and(|by| by == controller)
}
