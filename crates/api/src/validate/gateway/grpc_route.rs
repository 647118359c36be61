//! What is of gRPC in a route, to faults: matches, filters, and what is not served here.

use crate::gateway::grpc_route::{GRPCBackendRef, GRPCMethodMatch, GRPCRoute, GRPCRouteMatch, GRPCRouteRule};
use crate::validate::error::Errors;
use crate::validate::gateway::filter::{form_of_grpc, rules_of_grpc};
use crate::validate::gateway::route::{self, HEADER_VALUE_MAX, Parts, Rule, backend, form_of_name, form_of_values};
use crate::validate::gateway::schema::{rule, text};
use crate::validate::path::Path;

const METHOD_MAX: usize = 1024;

/// A route, new or in the place of another.
pub fn validate(grpc: &GRPCRoute, errors: &mut Errors) {
    let GRPCRoute { metadata, spec, .. } = grpc;
    let (parents, hostnames, rules) = (&spec.parent_refs, &spec.hostnames, &spec.rules);
    route::validate(Parts { metadata, parents, hostnames, rules }, errors);
}

impl Rule for GRPCRouteRule {
    type Backend = GRPCBackendRef;

    fn matches(&self) -> usize {
        self.matches.len()
    }

    fn backends(&self) -> &[GRPCBackendRef] {
        &self.backend_refs
    }

    fn form(&self, at: &Path<'_>, errors: &mut Errors) {
        form_of_name(at, self.name.as_ref(), errors);
        let matches = at.child("matches");
        for (i, one) in self.matches.iter().enumerate() {
            form_of_match(&matches.index(i), one, errors);
        }
        form_of_grpc(&at.child("filters"), &self.filters, errors);
    }

    fn rules(&self, at: &Path<'_>, errors: &mut Errors) {
        let matches = at.child("matches");
        for (i, method) in self.matches.iter().enumerate().filter_map(|(i, one)| Some((i, one.method.as_ref()?))) {
            rules_of_method(&matches.index(i).child("method"), method, errors);
        }
        rules_of_grpc(&at.child("filters"), &self.filters, errors);
    }

    fn not_served(&self, at: &Path<'_>, errors: &mut Errors) {
        if self.session_persistence.is_some() {
            errors.forbidden(&at.child("sessionPersistence"), "session persistence is not supported");
        }
    }
}

backend!(GRPCBackendRef, form_of_grpc, rules_of_grpc);

fn form_of_match(at: &Path<'_>, one: &GRPCRouteMatch, errors: &mut Errors) {
    if let Some(method) = &one.method {
        let at = at.child("method");
        if let Some(type_) = &method.type_ {
            errors.one_of(&at.child("type"), type_, &["Exact", "RegularExpression"]);
        }
        for (field, value) in [("service", &method.service), ("method", &method.method)] {
            if let Some(value) = value {
                text(&at.child(field), value, (0, METHOD_MAX), None, errors);
            }
        }
    }
    let headers = one.headers.iter().map(|header| (header.type_.as_ref(), &*header.name, &*header.value));
    form_of_values(&at.child("headers"), headers, HEADER_VALUE_MAX, errors);
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
