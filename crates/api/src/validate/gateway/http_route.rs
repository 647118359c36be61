//! Routes of HTTP to faults: first the form of each value, then the rules among them, then what is not served here.

use crate::gateway::filter::HTTPPathModifier;
use crate::gateway::http_route::{
    HTTPBackendRef, HTTPPathMatch, HTTPRoute, HTTPRouteFilter, HTTPRouteMatch, HTTPRouteRule,
};
use crate::validate::error::Errors;
use crate::validate::gateway::filter::{METHODS, form_of_http, rules_of_http};
use crate::validate::gateway::route::{
    BACKENDS_MAX, MATCHES_MAX, RULES_MAX, Service, form_of_hostnames, form_of_name, form_of_parents, form_of_weight,
    rule_of_matches, rules_of_parents,
};
use crate::validate::gateway::schema::{DURATION, can_go_on, header_name, items, millis, required, rule, text, unique};
use crate::validate::meta::{Scope, validate_common};
use crate::validate::name;
use crate::validate::path::Path;

const SPEC: Path<'static> = Path::root("spec");
const PATH_MAX: usize = 1024;
/// Headers or parameters of one match.
const VALUES_MAX: usize = 16;
const HEADER_VALUE_MAX: usize = 4096;
const PARAM_VALUE_MAX: usize = 1024;
/// Characters of a duration: four parts of five digits and two letters.
const DURATION_MAX: usize = 28;

/// A new route.
pub fn validate_create(route: &HTTPRoute, errors: &mut Errors) {
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
        let at = rules.index(i);
        if rule.session_persistence.is_some() {
            errors.forbidden(&at.child("sessionPersistence"), "session persistence is not supported");
        }
        if rule.retry.is_some() {
            let detail = "retries can't be chosen: what can be repeated without harm is given to another endpoint when \
                          one can't be reached";
            errors.forbidden(&at.child("retry"), detail);
        }
    }
}

fn form_of_rule(at: &Path<'_>, rule: &HTTPRouteRule, errors: &mut Errors) {
    form_of_name(at, rule.name.as_ref(), errors);
    let matches = at.child("matches");
    items(&matches, rule.matches.len(), MATCHES_MAX, errors);
    for (i, one) in rule.matches.iter().enumerate() {
        form_of_match(&matches.index(i), one, errors);
    }
    form_of_http(&at.child("filters"), &rule.filters, errors);
    let backends = at.child("backendRefs");
    items(&backends, rule.backend_refs.len(), BACKENDS_MAX, errors);
    for (i, backend) in rule.backend_refs.iter().enumerate() {
        let at = backends.index(i);
        service_of(backend).form(&at, errors);
        form_of_weight(&at, backend.weight, errors);
        form_of_http(&at.child("filters"), &backend.filters, errors);
    }
    if let Some(timeouts) = &rule.timeouts {
        let at = at.child("timeouts");
        for (field, value) in [("request", &timeouts.request), ("backendRequest", &timeouts.backend_request)] {
            if let Some(value) = value {
                text(&at.child(field), value, (0, DURATION_MAX), Some(&DURATION), errors);
            }
        }
    }
}

fn form_of_match(at: &Path<'_>, one: &HTTPRouteMatch, errors: &mut Errors) {
    if let Some(path) = &one.path {
        let at = at.child("path");
        if let Some(type_) = &path.type_ {
            errors.one_of(&at.child("type"), type_, &["Exact", "PathPrefix", "RegularExpression"]);
        }
        if let Some(value) = &path.value {
            text(&at.child("value"), value, (0, PATH_MAX), None, errors);
        }
    }
    let value_type = |at: &Path<'_>, type_: Option<&String>, errors: &mut Errors| {
        if let Some(type_) = type_ {
            errors.one_of(&at.child("type"), type_, &["Exact", "RegularExpression"]);
        }
    };
    let headers = at.child("headers");
    items(&headers, one.headers.len(), VALUES_MAX, errors);
    for (i, header) in one.headers.iter().enumerate() {
        let at = headers.index(i);
        value_type(&at, header.type_.as_ref(), errors);
        header_name(&at.child("name"), &header.name, errors);
        required(&at.child("value"), &header.value, HEADER_VALUE_MAX, None, errors);
    }
    unique(&headers, "name", one.headers.iter().map(|header| header.name.as_str()), errors);
    let params = at.child("queryParams");
    items(&params, one.query_params.len(), VALUES_MAX, errors);
    for (i, param) in one.query_params.iter().enumerate() {
        let at = params.index(i);
        value_type(&at, param.type_.as_ref(), errors);
        header_name(&at.child("name"), &param.name, errors);
        required(&at.child("value"), &param.value, PARAM_VALUE_MAX, None, errors);
    }
    unique(&params, "name", one.query_params.iter().map(|param| param.name.as_str()), errors);
    if let Some(method) = &one.method {
        errors.one_of(&at.child("method"), method, &METHODS);
    }
}

fn service_of(backend: &HTTPBackendRef) -> Service<'_> {
    Service {
        group: backend.group.as_ref(),
        kind: backend.kind.as_ref(),
        namespace: backend.namespace.as_ref(),
        name: &backend.name,
        port: backend.port,
    }
}

/// A path that takes the place of what a prefix matched.
fn replaces_prefix(path: Option<&HTTPPathModifier>) -> bool {
    path.is_some_and(|path| path.type_ == "ReplacePrefixMatch" && path.replace_prefix_match.is_some())
}

fn redirects_prefix(filters: &[HTTPRouteFilter]) -> bool {
    filters.iter().any(|f| replaces_prefix(f.request_redirect.as_ref().and_then(|r| r.path.as_ref())))
}

fn rewrites_prefix(filters: &[HTTPRouteFilter]) -> bool {
    filters.iter().any(|f| replaces_prefix(f.url_rewrite.as_ref().and_then(|r| r.path.as_ref())))
}

fn rules_of_rule(at: &Path<'_>, one: &HTTPRouteRule, errors: &mut Errors) {
    let redirects = one.filters.iter().any(|filter| filter.request_redirect.is_some());
    let message = "RequestRedirect filter must not be used together with backendRefs";
    rule(!redirects || one.backend_refs.is_empty(), at, message, errors);
    let is_prefix = |path: &HTTPPathMatch| path.type_.as_deref() == Some("PathPrefix");
    let one_prefix = match one.matches.as_slice() {
        [only] => only.path.as_ref().is_some_and(is_prefix),
        _ => false,
    };
    let of_backends = |replaces: fn(&[HTTPRouteFilter]) -> bool| one.backend_refs.iter().any(|b| replaces(&b.filters));
    let rest = "filter with path.replacePrefixMatch, exactly one PathPrefix match must be specified";
    for (replaces, begin) in [
        (redirects_prefix(&one.filters), "When using RequestRedirect"),
        (rewrites_prefix(&one.filters), "When using URLRewrite"),
        (of_backends(redirects_prefix), "Within backendRefs, when using RequestRedirect"),
        (of_backends(rewrites_prefix), "Within backendRefs, When using URLRewrite"),
    ] {
        rule(one_prefix || !replaces, at, &format!("{begin} {rest}"), errors);
    }
    let matches = at.child("matches");
    for (i, path) in one.matches.iter().enumerate().filter_map(|(i, one)| Some((i, one.path.as_ref()?))) {
        rules_of_path(&matches.index(i).child("path"), path, errors);
    }
    rules_of_http(&at.child("filters"), &one.filters, errors);
    let backends = at.child("backendRefs");
    for (i, backend) in one.backend_refs.iter().enumerate() {
        let at = backends.index(i);
        service_of(backend).rules(&at, errors);
        rules_of_http(&at.child("filters"), &backend.filters, errors);
    }
    if let Some(timeouts) = &one.timeouts {
        let of = |text: &Option<String>| text.as_deref().and_then(millis);
        let is_longer = match (of(&timeouts.request), of(&timeouts.backend_request)) {
            (Some(whole), Some(part)) => whole != 0 && part > whole,
            _ => false,
        };
        let message = "backendRequest timeout cannot be longer than request timeout";
        rule(!is_longer, &at.child("timeouts"), message, errors);
    }
}

fn rules_of_path(at: &Path<'_>, path: &HTTPPathMatch, errors: &mut Errors) {
    if !matches!(path.type_.as_deref(), Some("Exact" | "PathPrefix")) {
        return;
    }
    let value = path.value.as_deref().unwrap_or("/");
    let when = "when type one of ['Exact', 'PathPrefix']";
    let message = format!("value must be an absolute path and start with '/' {when}");
    rule(value.starts_with('/'), at, &message, errors);
    for part in ["//", "/./", "/../", "%2f", "%2F", "#"] {
        rule(!value.contains(part), at, &format!("must not contain '{part}' {when}"), errors);
    }
    for end in ["/..", "/."] {
        rule(!value.ends_with(end), at, &format!("must not end with '{end}' {when}"), errors);
    }
    let message = "must only contain valid characters (matching ^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$) \
                   for types ['Exact', 'PathPrefix']";
    rule(is_path(value), at, message, errors);
}

/// Whether only characters stand there that a path may have, others as `%XX`.
fn is_path(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        let is_good = match b {
            b'%' => [bytes.next(), bytes.next()].iter().all(|b| b.is_some_and(|b| b.is_ascii_hexdigit())),
            b => b.is_ascii_alphanumeric() || b"-/._~!$&'()*+,;=:@".contains(&b),
        };
        if !is_good {
            return false;
        }
    }
    !text.is_empty()
}
