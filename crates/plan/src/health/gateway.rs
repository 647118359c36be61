//! Classes, gateways, routes and Ingresses → their health, as what their controllers have said of them tells it.
//!
//! What a condition of the present generation refuses may come right by another object (a Service, a Secret, a grant), so
//! that it is a wait with a reason, which fails at the deadline of the commit (as Argo CD's and kstatus' checks have it).

use std::sync::Arc;

use masthead_api::gateway::CONTROLLER;
use masthead_api::gateway::class::GatewayClass;
use masthead_api::gateway::gateway::Gateway;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::meta::condition::Condition;
use masthead_api::networking::ingress::Ingress;
use masthead_api::object::Object;

use crate::cluster::view::Cluster;
use crate::gateway::class;
use crate::gateway::route::Route;
use crate::health::verdict::Health;
use crate::service::ingress as ingresses;

/// What is not yet seen by who decides on it.
const UNSEEN: &str = "waits to be seen by its controller";
/// The reason of a gateway of which some listeners are not as asked; these say why.
const LISTENERS: &str = "ListenersNotValid";

fn health(trouble: Option<String>) -> Health {
    trouble.map_or(Health::Healthy, Health::progressing)
}

/// `Reason: message`.
fn words(condition: &Condition) -> String {
    match condition.message.as_str() {
        "" => condition.reason.clone(),
        message => format!("{}: {message}", condition.reason),
    }
}

/// The first of these conditions that is not true of the present generation, in words.
fn trouble(conditions: &[Condition], types: &[&str], generation: i64) -> Option<String> {
    types.iter().find_map(|type_| {
        let found = conditions.iter().find(|condition| condition.type_ == *type_);
        match found.filter(|found| found.observed_generation >= generation) {
            Some(found) if found.status == "True" => None,
            Some(found) if found.status == "False" => Some(words(found)),
            _ => Some(UNSEEN.to_owned()),
        }
    })
}

/// The health of a class: another controller's is not ours to judge.
pub fn class(class: &GatewayClass) -> Health {
    if !class::is_ours(class) {
        return Health::Healthy;
    }
    health(trouble(&class.status.conditions, &["Accepted"], class.metadata.generation))
}

/// The class of a gateway, if it is there.
fn class_of(cluster: &Cluster, gateway: &Gateway) -> Option<Arc<GatewayClass>> {
    cluster.typed(&ObjectKey::new(GatewayClass::KIND, "", gateway.spec.gateway_class_name.as_str()))
}

fn no_class(gateway: &Gateway) -> String {
    format!("nobody serves it: there is no GatewayClass {:?}", gateway.spec.gateway_class_name)
}

/// The health of a gateway: healthy when all that its listeners ask for is there and served.
pub fn gateway(cluster: &Cluster, gateway: &Gateway) -> Health {
    let Some(class) = class_of(cluster, gateway) else { return Health::progressing(no_class(gateway)) };
    if !class::is_ours(&class) {
        return Health::Healthy;
    }
    let (status, generation) = (&gateway.status, gateway.metadata.generation);
    let is_whole = |one: &&Condition| one.type_ == "Accepted" && one.status == "False" && one.reason != LISTENERS;
    if let Some(whole) = status.conditions.iter().find(is_whole)
        && whole.observed_generation >= generation
    {
        return Health::progressing(words(whole));
    }
    let of_listener = gateway.spec.listeners.iter().find_map(|listener| {
        let said = status.listeners.iter().find(|said| said.name == listener.name);
        let conditions = said.map_or(&[][..], |said| said.conditions.as_slice());
        let why = trouble(conditions, &["Accepted", "ResolvedRefs", "Programmed"], generation)?;
        Some(format!("listener {:?}: {why}", listener.name))
    });
    health(of_listener.or_else(|| trouble(&status.conditions, &["Accepted", "Programmed"], generation)))
}

/// The health of a route: healthy when each gateway that it names takes all of it. Gateways of other controllers are not
/// ours to judge.
pub fn route(cluster: &Cluster, route: &Route) -> Health {
    let said = route.status().map_or(&[][..], |status| status.parents.as_slice());
    health(route.parents().iter().find_map(|parent| {
        let Some(key) = route.gateway_key(parent) else {
            let kind = parent.kind.as_deref().unwrap_or_default();
            return Some(format!("a parent of kind {kind} is not supported, only gateways are"));
        };
        let Some(gateway) = cluster.typed::<Gateway>(&key) else {
            return Some(format!("nobody serves it: there is no {key}"));
        };
        let Some(class) = class_of(cluster, &gateway) else { return Some(format!("{key}: {}", no_class(&gateway))) };
        if !class::is_ours(&class) {
            return None;
        }
        let ours = said.iter().find(|one| one.controller_name == CONTROLLER && one.parent_ref == *parent);
        let conditions = ours.map_or(&[][..], |one| one.conditions.as_slice());
        let partly = || {
            let partly = conditions.iter().find(|one| one.type_ == "PartiallyInvalid" && one.status == "True");
            partly.map(words)
        };
        trouble(conditions, &["Accepted", "ResolvedRefs"], route.meta().generation).or_else(partly)
    }))
}

/// The health of an Ingress: healthy when nodes serve all of it. One of another class is not ours to judge.
pub fn ingress(cluster: &Cluster, object: &Arc<Object>, ingress: &Ingress) -> Health {
    if let Some((reason, message)) = ingresses::faults(cluster, object, ingress).into_iter().next() {
        return Health::progressing(format!("{reason}: {message}"));
    }
    match ingresses::is_served(cluster, ingress) && ingress.status.load_balancer.ingress.is_empty() {
        true => Health::progressing("waits for a node that serves it"),
        false => Health::Healthy,
    }
}
