//! Routes of gRPC to faults: first the form of each value, then the rules among them, then what is not served here.

use crate::gateway::grpc_route::{GRPCBackendRef, GRPCMethodMatch, GRPCRoute, GRPCRouteMatch, GRPCRouteRule};
use crate::validate::error::Errors;
use crate::validate::gateway::filter::{form_of_grpc, rules_of_grpc};
use crate::validate::gateway::route::{
    BACKENDS_MAX, MATCHES_MAX, RULES_MAX, Service, form_of_hostnames, form_of_name, form_of_parents, form_of_weight,
    rule_of_matches, rules_of_parents,
};
use crate::validate::gateway::schema::{can_go_on, header_name, items, required, rule, text, unique};
use crate::validate::meta::{Scope, validate_common};
use crate::validate::name;
use crate::validate::path::Path;

const SPEC: Path<'static> = Path::root("spec");
const METHOD_MAX: usize = 1024;
const HEADERS_MAX: usize = 16;
const HEADER_VALUE_MAX: usize = 4096;

/// A new route.
pub fn validate_create(route: &GRPCRoute, errors: &mut Errors) {
    validate_common(&route.metadata, Scope::Namespaced, name::dns_subdomain, errors);
    let spec = &route.spec;
    let (parents, rules) = (SPEC.child("parentRefs"), SPEC.child("rules"));
    form_of_parents(&parents, &spec.parent_refs, errors);
    form_of_hostnames(&SPEC.child("hostnames"), &spec.hostnames, errors);
    items(&rules, spec.rules.len(), RULES_MAX, errors);
    for (i, rule) in spec.rules.iter().enumerate() {
        form_of_rule(&rules.index(i), rule, errors);
    }
    if can_go_on(errors) {
        rules_of_parents(&parents, &spec.parent_refs, errors);
        rule_of_matches(&rules, spec.rules.iter().map(|rule| rule.matches.len()).sum(), errors);
        for (i, rule) in spec.rules.iter().enumerate() {
            rules_of_rule(&rules.index(i), rule, errors);
        }
    }
    for (i, rule) in spec.rules.iter().enumerate() {
        if rule.session_persistence.is_some() {
            let at = rules.index(i);
            errors.forbidden(&at.child("sessionPersistence"), "session persistence is not supported");
        }
    }
}

fn form_of_rule(at: &Path<'_>, rule: &GRPCRouteRule, errors: &mut Errors) {
    form_of_name(at, rule.name.as_ref(), errors);
    let matches = at.child("matches");
    items(&matches, rule.matches.len(), MATCHES_MAX, errors);
    for (i, one) in rule.matches.iter().enumerate() {
        form_of_match(&matches.index(i), one, errors);
    }
    form_of_grpc(&at.child("filters"), &rule.filters, errors);
    let backends = at.child("backendRefs");
    items(&backends, rule.backend_refs.len(), BACKENDS_MAX, errors);
    for (i, backend) in rule.backend_refs.iter().enumerate() {
        let at = backends.index(i);
        service_of(backend).form(&at, errors);
        form_of_weight(&at, backend.weight, errors);
        form_of_grpc(&at.child("filters"), &backend.filters, errors);
    }
}

fn form_of_match(at: &Path<'_>, one: &GRPCRouteMatch, errors: &mut Errors) {
    let types = ["Exact", "RegularExpression"];
    if let Some(method) = &one.method {
        let at = at.child("method");
        if let Some(type_) = &method.type_ {
            errors.one_of(&at.child("type"), type_, &types);
        }
        for (field, value) in [("service", &method.service), ("method", &method.method)] {
            if let Some(value) = value {
                text(&at.child(field), value, (0, METHOD_MAX), None, errors);
            }
        }
    }
    let headers = at.child("headers");
    items(&headers, one.headers.len(), HEADERS_MAX, errors);
    for (i, header) in one.headers.iter().enumerate() {
        let at = headers.index(i);
        if let Some(type_) = &header.type_ {
            errors.one_of(&at.child("type"), type_, &types);
        }
        header_name(&at.child("name"), &header.name, errors);
        required(&at.child("value"), &header.value, HEADER_VALUE_MAX, None, errors);
    }
    unique(&headers, "name", one.headers.iter().map(|header| header.name.as_str()), errors);
}

fn service_of(backend: &GRPCBackendRef) -> Service<'_> {
    Service {
        group: backend.group.as_ref(),
        kind: backend.kind.as_ref(),
        namespace: backend.namespace.as_ref(),
        name: &backend.name,
        port: backend.port,
    }
}

fn rules_of_rule(at: &Path<'_>, one: &GRPCRouteRule, errors: &mut Errors) {
    let matches = at.child("matches");
    for (i, method) in one.matches.iter().enumerate().filter_map(|(i, one)| Some((i, one.method.as_ref()?))) {
        rules_of_method(&matches.index(i).child("method"), method, errors);
    }
    rules_of_grpc(&at.child("filters"), &one.filters, errors);
    let backends = at.child("backendRefs");
    for (i, backend) in one.backend_refs.iter().enumerate() {
        let at = backends.index(i);
        service_of(backend).rules(&at, errors);
        rules_of_grpc(&at.child("filters"), &backend.filters, errors);
    }
}

/// Letters, digits and underscores, of which the first is no digit.
fn is_word(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn rules_of_method(at: &Path<'_>, method: &GRPCMethodMatch, errors: &mut Errors) {
    let message = "One or both of 'service' or 'method' must be specified";
    rule(method.service.is_some() || method.method.is_some(), at, message, errors);
    if method.type_.as_deref().is_some_and(|type_| type_ != "Exact") {
        return;
    }
    if let Some(service) = &method.service {
        let is_good = service.strip_prefix('.').unwrap_or(service).split('.').all(is_word);
        let message =
            r"service must only contain valid characters (matching ^(?i)\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*$)";
        rule(is_good, at, message, errors);
    }
    if let Some(name) = &method.method {
        let message = "method must only contain valid characters (matching ^[A-Za-z_][A-Za-z_0-9]*$)";
        rule(is_word(name), at, message, errors);
    }
}
