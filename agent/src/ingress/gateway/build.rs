//! Resolved gateways and routes, certificates and backends → the table of gateways, with what is wrong in them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use masthead_api::gateway::resolved::{
    Filters, Mirror as WantedMirror, Name, ResolvedBackend, ResolvedGateway, ResolvedListener, ResolvedRoute,
    ResolvedRule, ServicePort,
};
use rustls::sign::CertifiedKey;

use crate::ingress::backend::{Backend, Protocol};
use crate::ingress::gateway::cors::Cors;
use crate::ingress::gateway::edit::Edit;
use crate::ingress::gateway::matches::Match;
use crate::ingress::gateway::share::Share;
use crate::ingress::gateway::table::{Actions, Entry, Gateways, Listener, Mirror, Port, Rule, Target};
use crate::ingress::metrics::Counters;
use crate::ingress::route::Route;

/// Namespace and name.
type Id = (String, String);
/// Kind, namespace and name of a gateway or a route.
pub type RouteId = (&'static str, Id);

/// What a table of gateways is made of.
#[derive(Clone, Copy)]
pub struct Parts<'w> {
    /// Gateways.
    pub gateways: &'w BTreeMap<Id, ResolvedGateway>,
    /// Routes of both kinds.
    pub routes: &'w BTreeMap<RouteId, ResolvedRoute>,
    /// Certificates of Secrets, or what is wrong with them.
    pub certificates: &'w HashMap<Id, Result<Arc<CertifiedKey>, String>>,
    /// What is counted for a route.
    pub counters: &'w HashMap<RouteId, Arc<Counters>>,
    /// Who had the last turn of rules that were there before.
    pub shares: &'w HashMap<(RouteId, usize), Arc<Share>>,
}

/// What is wrong with a gateway or a route; the rest of it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which.
    pub of: RouteId,
    /// One CamelCase word.
    pub reason: &'static str,
    /// What.
    pub message: String,
}

/// A built table.
#[derive(Default)]
pub struct Built {
    /// Nothing where there is no gateway.
    pub gateways: Option<Box<Gateways>>,
    /// Whose turn it is, by rule.
    pub shares: HashMap<(RouteId, usize), Arc<Share>>,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// The services that routes name, whoever's they are: only their endpoints need to be read.
pub fn named_services(routes: &BTreeMap<RouteId, ResolvedRoute>) -> impl Iterator<Item = Id> + '_ {
    let rules = routes.values().flat_map(|route| &route.rules);
    let services = rules.flat_map(|rule| {
        let of_backends = rule.backends.iter().flat_map(|backend| {
            let mirrors = backend.filters.mirrors.iter().map(|mirror| &mirror.service);
            std::iter::once(&backend.service).chain(mirrors)
        });
        of_backends.chain(rule.filters.mirrors.iter().map(|mirror| &mirror.service))
    });
    services.filter(|service| !service.name.is_empty()).map(|service| (service.namespace.clone(), service.name.clone()))
}

struct Draft<'w, 'b> {
    parts: Parts<'w>,
    backend: &'b mut dyn FnMut(&ServicePort) -> Arc<Backend>,
    built: Built,
}

/// An entry with what decides on its place: the narrower first, then the older route, then the order in the route.
type Placed = (std::cmp::Reverse<Vec<u32>>, usize, Entry);

/// Builds the table; `backend` gives the endpoints of a service's port.
pub fn build(parts: Parts<'_>, backend: &mut dyn FnMut(&ServicePort) -> Arc<Backend>) -> Built {
    if parts.gateways.is_empty() {
        return Built::default();
    }
    let mut draft = Draft { parts, backend, built: Built::default() };
    let mut gateways = Gateways::default();
    // Where each listener is: port and host.
    let mut places: HashMap<(&Name, &str), (u16, &str)> = HashMap::new();
    for (at, (id, gateway)) in parts.gateways.iter().enumerate() {
        for (next, listener) in gateway.listeners.iter().enumerate() {
            if let Some(made) = draft.listener(id, listener, (at << 16) + next) {
                let port = gateways
                    .ports
                    .entry(listener.port)
                    .or_insert_with(|| Port { is_tls: listener.tls, ..Port::default() });
                // The control plane lets nobody have what another has.
                port.listeners.entry(&listener.hostname, || made);
                places.insert((&gateway.metadata, &listener.name), (listener.port, &listener.hostname));
            }
        }
    }
    let mut routes: Vec<(&RouteId, &ResolvedRoute)> = parts.routes.iter().collect();
    routes.sort_by(|a, b| (a.1.created, &a.0.1).cmp(&(b.1.created, &b.0.1)));
    let mut entries: HashMap<(u16, &str, &str), Vec<Placed>> = HashMap::new();
    for (id, route) in routes {
        let rules: Vec<(Arc<Rule>, &ResolvedRule)> =
            route.rules.iter().enumerate().map(|(at, rule)| (Arc::new(draft.rule(id, at, rule)), rule)).collect();
        for attached in &route.attached {
            let Some((port, listener)) = places.get(&(&attached.gateway, attached.listener.as_str())) else { continue };
            for host in &attached.hostnames {
                let list = entries.entry((*port, listener, host)).or_default();
                for (rule, wanted) in &rules {
                    draft.entries(id, rule, wanted, list);
                }
            }
        }
    }
    for ((port, listener, host), mut list) in entries {
        list.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        let Some(port) = gateways.ports.get_mut(&port) else { continue };
        let of_host = port.listeners.entry(listener, Listener::default).hosts.entry(host, Vec::new);
        of_host.extend(list.into_iter().map(|(_, _, entry)| entry));
    }
    let mut built = draft.built;
    built.faults.sort_by(|a, b| (&a.of, &a.message).cmp(&(&b.of, &b.message)));
    built.faults.dedup();
    built.gateways = Some(Box::new(gateways));
    built
}

impl Draft<'_, '_> {
    fn fault(&mut self, of: &RouteId, reason: &'static str, message: String) {
        self.built.faults.push(Fault { of: of.clone(), reason, message });
    }

    /// A listener without routes; nothing when it has no certificate that can be used.
    fn listener(&mut self, gateway: &Id, wanted: &ResolvedListener, id: usize) -> Option<Listener> {
        let mut certificates = Vec::new();
        for Name { namespace, name } in &wanted.certificates {
            let why = match self.parts.certificates.get(&(namespace.clone(), name.clone())) {
                Some(Ok(key)) => {
                    certificates.push(key.clone());
                    continue;
                }
                Some(Err(why)) => why.clone(),
                None => "it is not there".to_owned(),
            };
            let message = format!("listener {:?}: Secret {namespace}/{name}: {why}", wanted.name);
            self.fault(&("Gateway", gateway.clone()), "CertificateInvalid", message);
        }
        (!wanted.tls || !certificates.is_empty()).then(|| Listener { id, certificates, ..Listener::default() })
    }

    fn entries(&mut self, id: &RouteId, rule: &Arc<Rule>, wanted: &ResolvedRule, list: &mut Vec<Placed>) {
        for one in &wanted.matches {
            match Match::new(one) {
                Ok(matched) => {
                    let entry = Entry { matched, rule: rule.clone() };
                    list.push((std::cmp::Reverse(one.rank.clone()), list.len(), entry));
                }
                Err(why) => self.fault(id, "MatchInvalid", why),
            }
        }
    }

    fn route(&self, id: &RouteId, backend: Arc<Backend>) -> Arc<Route> {
        let (kind, (namespace, name)) = id;
        let counters = self.parts.counters.get(id).cloned();
        Arc::new(Route { ingress: format!("{kind} {namespace}/{name}"), backend, to_https: false, counters })
    }

    fn rule(&mut self, id: &RouteId, at: usize, wanted: &ResolvedRule) -> Rule {
        let weights: Vec<u32> = wanted.backends.iter().map(|backend| backend.weight).collect();
        let place = (id.clone(), at);
        // Turns go on where they were: else each change of an endpoint would begin with the heaviest again.
        let known = self.parts.shares.get(&place).filter(|share| share.is_of(&weights)).cloned();
        let share = known.unwrap_or_else(|| Arc::new(Share::new(&weights)));
        self.built.shares.insert(place, share.clone());
        let (actions, fault) = self.actions(id, &wanted.filters);
        let targets = wanted.backends.iter().map(|backend| self.target(id, backend, fault.as_deref())).collect();
        let nobody = fault.unwrap_or_else(|| "the rule sends to nobody".to_owned());
        let route = self.route(id, Arc::new(Backend::new(String::new(), Protocol::Http, Vec::new(), Some(nobody))));
        let times = [wanted.request_ms, wanted.backend_request_ms];
        let within_ms = times.into_iter().filter(|time| *time > 0).min().unwrap_or(0);
        Rule { actions, targets, share, route, within_ms }
    }

    fn target(&mut self, id: &RouteId, wanted: &ResolvedBackend, of_rule: Option<&str>) -> Target {
        let (actions, fault) = self.actions(id, &wanted.filters);
        let fault = wanted.fault.clone().or_else(|| of_rule.map(str::to_owned)).or(fault);
        let backend = match fault {
            Some(fault) => Arc::new(Backend::new(String::new(), Protocol::Http, Vec::new(), Some(fault))),
            None => (self.backend)(&wanted.service),
        };
        // Pods that come up are 503; what names nobody is 500.
        let is_invalid = backend.fault.is_some() && !backend.is_waiting;
        Target { route: self.route(id, backend), is_invalid, actions }
    }

    /// What filters do. When one can't be done, none is, and the requests are refused.
    fn actions(&mut self, id: &RouteId, filters: &Filters) -> (Actions, Option<String>) {
        let edit = |filter: &Option<_>| filter.as_ref().map(Edit::new).transpose();
        let mut mirror =
            |wanted: &WantedMirror| Mirror::new((self.backend)(&wanted.service), wanted.numerator, wanted.denominator);
        let mirrors: Vec<Mirror> = filters.mirrors.iter().map(&mut mirror).collect();
        let (redirect, rewrite) = (filters.redirect.clone(), filters.rewrite.clone());
        let cors = filters.cors.as_ref().map(Cors::new).transpose();
        match (edit(&filters.request), edit(&filters.response), cors) {
            (Ok(request), Ok(response), Ok(cors)) => {
                (Actions { request, response, redirect, rewrite, mirrors, cors }, None)
            }
            (Err(why), ..) | (_, Err(why), _) | (.., Err(why)) => {
                self.fault(id, "FilterInvalid", why.clone());
                (Actions::default(), Some(why))
            }
        }
    }
}
