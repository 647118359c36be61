//! What is of HTTP in a route, to faults: matches, filters, times, and what is not served here.

use crate::gateway::filter::HTTPPathModifier;
use crate::gateway::http_route::{
    HTTPBackendRef, HTTPPathMatch, HTTPRoute, HTTPRouteFilter, HTTPRouteMatch, HTTPRouteRule, HTTPRouteTimeouts,
};
use crate::validate::error::Errors;
use crate::validate::gateway::filter::{METHODS, form_of_http, rules_of_http};
use crate::validate::gateway::route::{self, HEADER_VALUE_MAX, Parts, Rule, backend, form_of_name, form_of_values};
use crate::validate::gateway::schema::{DURATION, millis, rule, text};
use crate::validate::path::Path;

const PATH_MAX: usize = 1024;
const PARAM_VALUE_MAX: usize = 1024;
/// Characters of a duration: four parts of five digits and two letters.
const DURATION_MAX: usize = 28;

/// A route, new or in the place of another.
pub fn validate(http: &HTTPRoute, errors: &mut Errors) {
    let HTTPRoute { metadata, spec, .. } = http;
    let (parents, hostnames, rules) = (&spec.parent_refs, &spec.hostnames, &spec.rules);
    route::validate(Parts { metadata, parents, hostnames, rules }, errors);
}

impl Rule for HTTPRouteRule {
    type Backend = HTTPBackendRef;

    fn matches(&self) -> usize {
        self.matches.len()
    }

    fn backends(&self) -> &[HTTPBackendRef] {
        &self.backend_refs
    }

    fn form(&self, at: &Path<'_>, errors: &mut Errors) {
        form_of_name(at, self.name.as_ref(), errors);
        let matches = at.child("matches");
        for (i, one) in self.matches.iter().enumerate() {
            form_of_match(&matches.index(i), one, errors);
        }
        form_of_http(&at.child("filters"), &self.filters, errors);
        if let Some(timeouts) = &self.timeouts {
            let at = at.child("timeouts");
            for (field, value) in [("request", &timeouts.request), ("backendRequest", &timeouts.backend_request)] {
                if let Some(value) = value {
                    text(&at.child(field), value, (0, DURATION_MAX), Some(&DURATION), errors);
                }
            }
        }
    }

    fn rules(&self, at: &Path<'_>, errors: &mut Errors) {
        rules_of_replacing(at, self, errors);
        let matches = at.child("matches");
        for (i, path) in self.matches.iter().enumerate().filter_map(|(i, one)| Some((i, one.path.as_ref()?))) {
            rules_of_path(&matches.index(i).child("path"), path, errors);
        }
        rules_of_http(&at.child("filters"), &self.filters, errors);
        if let Some(timeouts) = &self.timeouts {
            rule_of_timeouts(&at.child("timeouts"), timeouts, errors);
        }
    }

    fn not_served(&self, at: &Path<'_>, errors: &mut Errors) {
        if self.session_persistence.is_some() {
            errors.forbidden(&at.child("sessionPersistence"), "session persistence is not supported");
        }
        if self.retry.is_some() {
            let detail = "retries can't be chosen: what can be repeated without harm is given to another endpoint when \
                          one can't be reached";
            errors.forbidden(&at.child("retry"), detail);
        }
    }
}

backend!(HTTPBackendRef, form_of_http, rules_of_http);

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
    let headers = one.headers.iter().map(|header| (header.type_.as_ref(), &*header.name, &*header.value));
    form_of_values(&at.child("headers"), headers, HEADER_VALUE_MAX, errors);
    let params = one.query_params.iter().map(|param| (param.type_.as_ref(), &*param.name, &*param.value));
    form_of_values(&at.child("queryParams"), params, PARAM_VALUE_MAX, errors);
    if let Some(method) = &one.method {
        errors.one_of(&at.child("method"), method, &METHODS);
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

/// What replaces a prefix needs one, and what redirects has no backends.
fn rules_of_replacing(at: &Path<'_>, one: &HTTPRouteRule, errors: &mut Errors) {
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
}

fn rule_of_timeouts(at: &Path<'_>, timeouts: &HTTPRouteTimeouts, errors: &mut Errors) {
    let of = |text: &Option<String>| text.as_deref().and_then(millis);
    let is_longer = match (of(&timeouts.request), of(&timeouts.backend_request)) {
        (Some(whole), Some(part)) => whole != 0 && part > whole,
        _ => false,
    };
    rule(!is_longer, at, "backendRequest timeout cannot be longer than request timeout", errors);
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
