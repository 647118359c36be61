//! (Cluster, one class, gateway or route) → its status, and warnings about what has no place in one.

use std::sync::Arc;

use masthead_api::change::{Change, EventKind, EventNote};
use masthead_api::gateway::class::GatewayClass;
use masthead_api::gateway::gateway::{Gateway, GatewayStatusAddress, ListenerStatus, RouteGroupKind};
use masthead_api::gateway::grpc_route::GRPCRoute;
use masthead_api::gateway::http_route::HTTPRoute;
use masthead_api::gateway::route::{ParentReference, RouteParentStatus, RouteStatus};
use masthead_api::gateway::{CONTROLLER, GROUP};
use masthead_api::kind::Resource;
use masthead_api::kind::registry::{GATEWAY, GATEWAY_CLASS, GRPC_ROUTE, HTTP_ROUTE};
use masthead_api::meta::time::Time;
use masthead_api::object::{Error, Object};

use crate::cluster::view::Cluster;
use crate::context::{Context, Reaction};
use crate::gateway::attach::{self, Place, Site};
use crate::gateway::class;
use crate::gateway::http::Rules;
use crate::gateway::listener::Verdict;
use crate::gateway::route::{Route, at_gateway};
use crate::gateway::status::{Fault, Said, merge};
use crate::gateway::{grpc, http};
use crate::service::node_addresses::node_addresses;
use crate::service::told::is_told;

/// Addresses that a status has room for.
const ADDRESSES_MAX: usize = 16;
/// Parents that a status has room for.
const PARENTS_MAX: usize = 32;
/// Characters of a condition's message.
const MESSAGE_MAX: usize = 32_768;

const OF_GATEWAYS: [&str; 2] = ["Accepted", "Programmed"];
const OF_LISTENERS: [&str; 4] = ["Accepted", "Conflicted", "Programmed", "ResolvedRefs"];
const OF_ROUTES: [&str; 3] = ["Accepted", "PartiallyInvalid", "ResolvedRefs"];

/// What an object of the group needs next.
///
/// # Errors
/// The object does not decode, or cannot be written as JSON.
pub fn reconcile(cluster: &Cluster, object: &Arc<Object>, cx: &Context) -> Result<Reaction, Error> {
    if object.meta().deletion_timestamp.is_some() {
        return Ok(Reaction::default());
    }
    match object.kind() {
        GATEWAY_CLASS => of_class(object, cx.now),
        GATEWAY => of_gateway(cluster, object, cx.now),
        HTTP_ROUTE | GRPC_ROUTE => of_route(cluster, object, cx.now),
        _ => Ok(Reaction::default()),
    }
}

fn update<T: Resource + PartialEq>(object: &Object, old: &T, new: &T, reason: &str) -> Result<Reaction, Error> {
    let mut reaction = Reaction::default();
    if new != old {
        let changed = Arc::new(Object::of(new)?);
        reaction.changes.push(Change::Update { object: changed, base: object.revision(), reason: reason.to_owned() });
    }
    Ok(reaction)
}

fn of_class(object: &Arc<Object>, now: Time) -> Result<Reaction, Error> {
    let class = object.typed::<GatewayClass>()?;
    if !class::is_ours(&class) {
        return Ok(Reaction::default());
    }
    update(object, &*class, &class::with_status(&class, now), "the class is ours")
}

fn of_gateway(cluster: &Cluster, object: &Arc<Object>, now: Time) -> Result<Reaction, Error> {
    let gateway = object.typed::<Gateway>()?;
    let Some(site) = Site::of(cluster, object.key()) else { return Ok(Reaction::default()) };
    let mut new = Gateway::clone(&gateway);
    let generation = gateway.metadata.generation;
    let counts = counts(cluster, object, &site);
    let listeners = gateway.spec.listeners.iter().zip(&site.verdicts).zip(counts);
    new.status.listeners = listeners
        .map(|((listener, verdict), count)| {
            let before = gateway.status.listeners.iter().find(|status| status.name == listener.name);
            let before = before.map_or(&[][..], |status| status.conditions.as_slice());
            ListenerStatus {
                name: listener.name.clone(),
                supported_kinds: verdict.kinds.iter().map(|kind| group_kind(kind)).collect(),
                attached_routes: count,
                conditions: merge(before, &said_of_listener(verdict), &OF_LISTENERS, generation, now),
            }
        })
        .collect();
    let fault = class::class_of(cluster, &gateway).and_then(|class| {
        let of_class = || class::fault(&class).map(|_| Fault::new("Invalid", "its class is not accepted"));
        attach::fault(&gateway).or_else(of_class)
    });
    let addresses = node_addresses(cluster, |_| true);
    let is_served = site.verdicts.iter().any(|verdict| verdict.is_served);
    new.status.addresses = match is_served {
        true => addresses.iter().take(ADDRESSES_MAX).map(address).collect(),
        false => Vec::new(),
    };
    let said = said_of_gateway(&site, fault, !addresses.is_empty());
    new.status.conditions = merge(&gateway.status.conditions, &said, &OF_GATEWAYS, generation, now);
    update(object, &*gateway, &new, "its listeners, their routes and the nodes")
}

fn group_kind(kind: &str) -> RouteGroupKind {
    RouteGroupKind { group: Some(GROUP.to_owned()), kind: kind.to_owned() }
}

fn address(ip: &std::net::IpAddr) -> GatewayStatusAddress {
    GatewayStatusAddress { type_: Some("IPAddress".to_owned()), value: ip.to_string() }
}

/// How many accepted routes are attached to each listener.
fn counts(cluster: &Cluster, object: &Object, site: &Site) -> Vec<i32> {
    let mut counts = vec![0; site.verdicts.len()];
    for route in at_gateway(cluster, object.key()) {
        if accepted_rules(cluster, &route).is_err() {
            continue;
        }
        let parents = route.parents_at(object.key());
        let places = parents.filter_map(|parent| site.attach(cluster, &route, parent).ok()).flatten();
        let mut at: Vec<usize> = places.map(|(place, _)| place).collect();
        at.sort_unstable();
        at.dedup();
        at.into_iter().filter_map(|at| counts.get_mut(at).map(|count: &mut i32| *count += 1)).for_each(drop);
    }
    counts
}

fn said_of_listener(verdict: &Verdict) -> Vec<Said> {
    let conflict = verdict.conflict.as_ref();
    let conflicted = match conflict {
        Some(fault) => Said { type_: "Conflicted", status: true, reason: fault.reason, message: fault.message.clone() },
        None => Said { type_: "Conflicted", status: false, reason: "NoConflicts", message: String::new() },
    };
    let refused = verdict.refused.as_ref().or(conflict);
    let invalid = || {
        let why = refused.or(verdict.unresolved.as_ref());
        Fault::new("Invalid", why.map_or_else(String::new, |fault| fault.message.clone()))
    };
    let programmed = (!verdict.is_served).then(invalid);
    vec![
        Said::of("Accepted", "Accepted", refused),
        conflicted,
        Said::of("Programmed", "Programmed", programmed.as_ref()),
        Said::of("ResolvedRefs", "ResolvedRefs", verdict.unresolved.as_ref()),
    ]
}

fn said_of_gateway(site: &Site, fault: Option<Fault>, has_addresses: bool) -> Vec<Said> {
    let all = site.gateway.spec.listeners.iter().zip(&site.verdicts);
    let bad = |verdict: &Verdict| verdict.refused.is_some() || verdict.conflict.is_some();
    let refused: Vec<String> = all.clone().filter(|(_, v)| bad(v)).map(|(one, _)| format!("{:?}", one.name)).collect();
    let is_served = site.verdicts.iter().any(|verdict| verdict.is_served);
    let accepted = match &fault {
        Some(fault) => Said::of("Accepted", "Accepted", Some(fault)),
        None if refused.is_empty() => Said::of("Accepted", "Accepted", None),
        None => {
            let message = format!("not served as asked: listener {}", refused.join(", "));
            let status = site.verdicts.iter().any(|verdict| !bad(verdict));
            Said { type_: "Accepted", status, reason: "ListenersNotValid", message }
        }
    };
    let programmed = match fault {
        Some(fault) => Some(Fault::new("Invalid", fault.message)),
        None if !is_served => Some(Fault::new("Invalid", "no listener can be served; see their conditions")),
        None if !has_addresses => Some(Fault::new("AddressNotAssigned", "no node is ready")),
        None => None,
    };
    vec![accepted, Said::of("Programmed", "Programmed", programmed.as_ref())]
}

/// The rules of a route, unless none of them can be followed.
fn accepted_rules(cluster: &Cluster, route: &Route) -> Result<Rules, Fault> {
    let rules = match route {
        Route::Http(route) => http::rules(cluster, route),
        Route::Grpc(route) => grpc::rules(cluster, route),
    };
    match rules.refused.first() {
        Some((_, why)) if rules.refused.len() == rules.rules.len() => Err(Fault::new("UnsupportedValue", why.clone())),
        _ => Ok(rules),
    }
}

fn of_route(cluster: &Cluster, object: &Arc<Object>, now: Time) -> Result<Reaction, Error> {
    let Some(route) = Route::of(object)? else { return Ok(Reaction::default()) };
    let rules = accepted_rules(cluster, &route);
    let before = route.status().map_or(&[][..], |status| status.parents.as_slice());
    let mut parents = Vec::new();
    let mut notes = Vec::new();
    for parent in route.parents() {
        let Some(key) = route.gateway_key(parent) else {
            let kind = parent.kind.as_deref().unwrap_or_default();
            notes.push(("ParentNotSupported", format!("a parent of kind {kind} is not supported, only gateways are")));
            continue;
        };
        let Some(site) = Site::of(cluster, &key) else {
            if cluster.get(&key).is_none() {
                notes.push(("GatewayNotFound", format!("nobody serves it: there is no {key}")));
            }
            continue;
        };
        let places = site.attach(cluster, &route, parent);
        let said = said_of_route(&rules, places);
        let ours = before.iter().find(|one| one.controller_name == CONTROLLER && one.parent_ref == *parent);
        let known = ours.map_or(&[][..], |one| one.conditions.as_slice());
        parents.push(RouteParentStatus {
            parent_ref: ParentReference::clone(parent),
            controller_name: CONTROLLER.to_owned(),
            conditions: merge(known, &said, &OF_ROUTES, route.meta().generation, now),
        });
    }
    parents.extend(before.iter().filter(|one| one.controller_name != CONTROLLER).cloned());
    parents.truncate(PARENTS_MAX);
    let status = (!parents.is_empty() || route.status().is_some()).then_some(RouteStatus { parents });
    let reason = "the gateways that it names";
    let mut reaction = match &route {
        Route::Http(old) => update(object, &**old, &HTTPRoute { status, ..HTTPRoute::clone(old) }, reason)?,
        Route::Grpc(old) => update(object, &**old, &GRPCRoute { status, ..GRPCRoute::clone(old) }, reason)?,
    };
    for (reason, message) in notes {
        let note = EventNote {
            about: object.key().clone(),
            uid: route.meta().uid.clone(),
            kind: EventKind::Warning,
            reason: reason.to_owned(),
            message,
            source: "gateway-controller".to_owned(),
        };
        if !is_told(cluster, &note) {
            reaction.events.push(note);
        }
    }
    Ok(reaction)
}

fn said_of_route(rules: &Result<Rules, Fault>, places: Result<Vec<Place>, Fault>) -> Vec<Said> {
    let fault = places.err().or_else(|| rules.as_ref().err().cloned());
    let mut said = vec![Said::of("Accepted", "Accepted", fault.as_ref())];
    let Ok(rules) = rules else {
        said.push(Said::of("ResolvedRefs", "ResolvedRefs", None));
        return said;
    };
    if fault.is_none() && !rules.refused.is_empty() {
        let each = rules.refused.iter().map(|(at, why)| format!("spec.rules[{at}]: {why}"));
        let mut message =
            format!("Dropped Rule(s), their requests are answered by 500: {}", each.collect::<Vec<_>>().join("; "));
        message.truncate(message.floor_char_boundary(MESSAGE_MAX));
        said.push(Said { type_: "PartiallyInvalid", status: true, reason: "UnsupportedValue", message });
    }
    said.push(Said::of("ResolvedRefs", "ResolvedRefs", rules.unresolved.as_ref()));
    said
}
