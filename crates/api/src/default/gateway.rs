//! Gateways, their classes and routes with the defaults that the definitions of their kinds fill in.

use crate::gateway::GROUP;
use crate::gateway::class::GatewayClass;
use crate::gateway::filter::HTTPRequestMirrorFilter;
use crate::gateway::gateway::{AllowedRoutes, Gateway, RouteNamespaces};
use crate::gateway::grpc_route::{GRPCRoute, GRPCRouteFilter};
use crate::gateway::http_route::{HTTPPathMatch, HTTPRoute, HTTPRouteFilter, HTTPRouteMatch, HTTPRouteRule};
use crate::gateway::route::{BackendObjectReference, ParentReference};
use crate::meta::condition::Condition;
use crate::meta::time::Time;

/// Seconds for which a page's browser keeps the answer about what is allowed.
const CORS_MAX_AGE_S: i32 = 5;

fn fill(field: &mut Option<String>, default: &str) {
    field.get_or_insert_with(|| default.to_owned());
}

/// What stands in a status until a controller has looked at the object.
fn waiting(conditions: &mut Vec<Condition>, types: &[&str]) {
    if conditions.is_empty() {
        conditions.extend(types.iter().map(|type_| Condition {
            type_: (*type_).to_owned(),
            status: "Unknown".to_owned(),
            last_transition_time: Some(Time(0)),
            reason: "Pending".to_owned(),
            message: "Waiting for controller".to_owned(),
            ..Condition::default()
        }));
    }
}

/// A class: nobody has looked at it.
pub fn class(class: &mut GatewayClass) {
    waiting(&mut class.status.conditions, &["Accepted"]);
}

fn namespaces(namespaces: &mut Option<RouteNamespaces>, from: &str) {
    fill(&mut namespaces.get_or_insert_default().from, from);
}

/// A gateway: routes of its own namespace, TLS that ends here, Secrets, addresses that are numbers.
pub fn gateway(gateway: &mut Gateway) {
    let spec = &mut gateway.spec;
    for listener in &mut spec.listeners {
        let allowed = listener.allowed_routes.get_or_insert_with(AllowedRoutes::default);
        namespaces(&mut allowed.namespaces, "Same");
        allowed.kinds.iter_mut().for_each(|kind| fill(&mut kind.group, GROUP));
        if let Some(tls) = &mut listener.tls {
            fill(&mut tls.mode, "Terminate");
            for secret in &mut tls.certificate_refs {
                fill(&mut secret.group, "");
                fill(&mut secret.kind, "Secret");
            }
        }
    }
    spec.addresses.iter_mut().for_each(|address| fill(&mut address.type_, "IPAddress"));
    if let Some(allowed) = &mut spec.allowed_listeners {
        namespaces(&mut allowed.namespaces, "None");
    }
    waiting(&mut gateway.status.conditions, &["Accepted", "Programmed"]);
}

fn parent(parent: &mut ParentReference) {
    fill(&mut parent.group, GROUP);
    fill(&mut parent.kind, "Gateway");
}

fn service(group: &mut Option<String>, kind: &mut Option<String>) {
    fill(group, "");
    fill(kind, "Service");
}

fn mirror(mirror: &mut HTTPRequestMirrorFilter) {
    let BackendObjectReference { group, kind, .. } = &mut mirror.backend_ref;
    service(group, kind);
    if let Some(fraction) = &mut mirror.fraction {
        fraction.denominator.get_or_insert(100);
    }
}

fn http_filter(filter: &mut HTTPRouteFilter) {
    filter.request_mirror.iter_mut().for_each(mirror);
    if let Some(redirect) = &mut filter.request_redirect {
        redirect.status_code.get_or_insert(302);
    }
    if let Some(cors) = &mut filter.cors {
        cors.max_age.get_or_insert(CORS_MAX_AGE_S);
    }
}

/// A route of HTTP: one rule for every path, when it has none.
pub fn http_route(route: &mut HTTPRoute) {
    let spec = &mut route.spec;
    spec.parent_refs.iter_mut().for_each(parent);
    if spec.rules.is_empty() {
        spec.rules.push(HTTPRouteRule::default());
    }
    for rule in &mut spec.rules {
        if rule.matches.is_empty() {
            rule.matches.push(HTTPRouteMatch::default());
        }
        for matched in &mut rule.matches {
            let path = matched.path.get_or_insert_with(HTTPPathMatch::default);
            fill(&mut path.type_, "PathPrefix");
            fill(&mut path.value, "/");
            matched.headers.iter_mut().for_each(|header| fill(&mut header.type_, "Exact"));
            matched.query_params.iter_mut().for_each(|param| fill(&mut param.type_, "Exact"));
        }
        rule.filters.iter_mut().for_each(http_filter);
        for backend in &mut rule.backend_refs {
            service(&mut backend.group, &mut backend.kind);
            backend.weight.get_or_insert(1);
            backend.filters.iter_mut().for_each(http_filter);
        }
    }
}

fn grpc_filter(filter: &mut GRPCRouteFilter) {
    filter.request_mirror.iter_mut().for_each(mirror);
}

/// A route of gRPC.
pub fn grpc_route(route: &mut GRPCRoute) {
    let spec = &mut route.spec;
    spec.parent_refs.iter_mut().for_each(parent);
    for rule in &mut spec.rules {
        for matched in &mut rule.matches {
            if let Some(method) = &mut matched.method {
                fill(&mut method.type_, "Exact");
            }
            matched.headers.iter_mut().for_each(|header| fill(&mut header.type_, "Exact"));
        }
        rule.filters.iter_mut().for_each(grpc_filter);
        for backend in &mut rule.backend_refs {
            service(&mut backend.group, &mut backend.kind);
            backend.weight.get_or_insert(1);
            backend.filters.iter_mut().for_each(grpc_filter);
        }
    }
}
