//! A route and a gateway that it names → the listeners that take it, with the hosts that both have, or why none does.

use std::collections::BTreeMap;
use std::sync::Arc;

use masthead_api::core::namespace::Namespace;
use masthead_api::gateway::gateway::{Gateway, Listener};
use masthead_api::gateway::route::ParentReference;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;

use crate::cluster::view::Cluster;
use crate::gateway::class::{class_of, fault as class_fault};
use crate::gateway::host;
use crate::gateway::listener::{self, Verdict, rank};
use crate::gateway::route::{Route, at_gateway};
use crate::gateway::status::Fault;

/// A listener by its place in the gateway, and the hosts that a route has there.
pub type Place = (usize, Vec<String>);

/// A gateway of ours, and what its listeners say to routes.
#[derive(Clone, Debug)]
pub struct Site {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// What is said of each listener.
    pub verdicts: Vec<Verdict>,
    /// Routes that an older one of the other kind shuts out.
    shut_out: BTreeMap<ObjectKey, String>,
}

impl Site {
    /// The site of a gateway; nothing when there is none, or it is not ours.
    pub fn of(cluster: &Cluster, key: &ObjectKey) -> Option<Site> {
        let gateway = cluster.typed::<Gateway>(key).filter(|gateway| gateway.metadata.deletion_timestamp.is_none())?;
        let class = class_of(cluster, &gateway)?;
        let mut verdicts = listener::judge(cluster, &gateway);
        if class_fault(&class).is_some() || fault(&gateway).is_some() {
            verdicts.iter_mut().for_each(|verdict| verdict.is_served = false);
        }
        let mut site = Site { gateway, verdicts, shut_out: BTreeMap::new() };
        site.shut_out = site.shut_out(cluster, key);
        Some(site)
    }

    /// Where a parent reference attaches a route; the fault is why nowhere.
    pub fn attach(&self, cluster: &Cluster, route: &Route, parent: &ParentReference) -> Result<Vec<Place>, Fault> {
        let places = self.places(cluster, route, parent)?;
        match self.shut_out.get(&route.key()) {
            Some(by) => Err(Fault::new("HostnameConflict", by.clone())),
            None => Ok(places),
        }
    }

    /// Where a route has hosts, whatever other routes there are.
    fn places(&self, cluster: &Cluster, route: &Route, parent: &ParentReference) -> Result<Vec<Place>, Fault> {
        let name = format!("Gateway {}/{}", self.gateway.metadata.namespace, self.gateway.metadata.name);
        let is_meant = |listener: &Listener| {
            parent.section_name.as_ref().is_none_or(|section| *section == listener.name)
                && parent.port.is_none_or(|port| port == listener.port)
        };
        let all = self.gateway.spec.listeners.iter().enumerate();
        let meant: Vec<(usize, &Listener)> = all.filter(|(_, listener)| is_meant(listener)).collect();
        if meant.is_empty() {
            let section = parent.section_name.as_ref().map(|section| format!(" {section:?}")).unwrap_or_default();
            let port = parent.port.map(|port| format!(" with port {port}")).unwrap_or_default();
            return Err(Fault::new("NoMatchingParent", format!("{name} has no listener{section}{port}")));
        }
        let takes = |(at, listener): &&(usize, &Listener)| {
            self.verdicts.get(*at).is_some_and(|verdict| verdict.kinds.contains(&route.kind()))
                && self.allows_namespace(cluster, listener, &route.meta().namespace)
        };
        let taken: Vec<&(usize, &Listener)> = meant.iter().filter(takes).collect();
        if taken.is_empty() {
            let message =
                format!("no listener of {name} takes a {} of namespace {}", route.kind(), route.meta().namespace);
            return Err(Fault::new("NotAllowedByListeners", message));
        }
        let hosts = taken.iter().map(|(at, one)| (*at, host::at_listener(listener::host(one), route.hostnames())));
        let places: Vec<Place> = hosts.filter(|(_, hosts)| !hosts.is_empty()).collect();
        if places.is_empty() {
            let message = format!("no listener of {name} has any of its hostnames");
            return Err(Fault::new("NoMatchingListenerHostname", message));
        }
        Ok(places)
    }

    fn allows_namespace(&self, cluster: &Cluster, listener: &Listener, namespace: &str) -> bool {
        let namespaces = listener.allowed_routes.as_ref().and_then(|allowed| allowed.namespaces.as_ref());
        match namespaces.and_then(|namespaces| namespaces.from.as_deref()).unwrap_or("Same") {
            "All" => true,
            "Selector" => {
                let selector = namespaces.and_then(|namespaces| namespaces.selector.as_ref());
                let object = cluster.get(&ObjectKey::new(Namespace::KIND, "", namespace));
                // A selector that is absent selects nothing, one that is empty everything.
                selector.zip(object).is_some_and(|(selector, object)| selector.matches(&object.meta().labels))
            }
            _ => namespace == self.gateway.metadata.namespace,
        }
    }

    /// Routes of which an older one of the other kind has a host at the same listener: only one of the two can be taken.
    fn shut_out(&self, cluster: &Cluster, key: &ObjectKey) -> BTreeMap<ObjectKey, String> {
        let mut routes = at_gateway(cluster, key);
        let is_http = |route: &Route| matches!(route, Route::Http(_));
        if routes.iter().all(is_http) || !routes.iter().any(is_http) {
            return BTreeMap::new();
        }
        routes.sort_by(|a, b| rank(a.meta()).cmp(&rank(b.meta())).then_with(|| a.kind().cmp(b.kind())));
        let mut accepted: Vec<(&Route, Vec<Place>)> = Vec::new();
        let mut out = BTreeMap::new();
        for route in &routes {
            let parents = route.parents_at(key);
            let places: Vec<Place> =
                parents.filter_map(|parent| self.places(cluster, route, parent).ok()).flatten().collect();
            let clashes = |theirs: &[Place]| {
                let same = |(at, hosts): &Place| {
                    theirs.iter().any(|(there, others)| there == at && host::overlap(hosts, others))
                };
                places.iter().any(same)
            };
            let older = accepted.iter().find(|(other, theirs)| other.kind() != route.kind() && clashes(theirs));
            match older {
                Some((other, _)) => {
                    let meta = other.meta();
                    let who = format!("{} {}/{}", other.kind(), meta.namespace, meta.name);
                    out.insert(route.key(), format!("{who}, which is older, has one of its hostnames"));
                }
                None => accepted.push((route, places)),
            }
        }
        out
    }
}

/// Why a gateway as a whole is not taken.
pub fn fault(gateway: &Gateway) -> Option<Fault> {
    let spec = &gateway.spec;
    if let Some(parameters) = spec.infrastructure.as_ref().and_then(|i| i.parameters_ref.as_ref()) {
        let message = format!("{} {:?}: a gateway has no parameters here", parameters.kind, parameters.name);
        return Some(Fault::new("InvalidParameters", message));
    }
    let asked = spec.addresses.iter().find(|address| address.value.as_ref().is_some_and(|value| !value.is_empty()));
    let other =
        || spec.addresses.iter().find(|address| address.type_.as_deref().is_some_and(|type_| type_ != "IPAddress"));
    let address = asked.or_else(other)?;
    let (type_, value) = (address.type_.as_deref().unwrap_or("IPAddress"), address.value.as_deref().unwrap_or("any"));
    let message = format!("{type_} {value}: a gateway has the addresses of all nodes, others can't be chosen");
    Some(Fault::new("UnsupportedAddress", message))
}
