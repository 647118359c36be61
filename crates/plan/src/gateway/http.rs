//! Rules of an HTTPRoute → rules as nodes follow them, with what is refused and what is not there.

use masthead_api::gateway::http_route::{HTTPBackendRef, HTTPRoute, HTTPRouteMatch, HTTPRouteRule};
use masthead_api::gateway::resolved::{HTTP_ROUTE, Match, PathMatch, ResolvedBackend, ResolvedRule, ValueMatch};
use masthead_api::validate::gateway::schema::millis;

use crate::cluster::view::Cluster;
use crate::gateway::backend;
use crate::gateway::expression;
use crate::gateway::filter::{self, Compiled};
use crate::gateway::grant::From;
use crate::gateway::status::Fault;

/// The longest time that is counted, and what `0s` means: no request lives so long.
const TIMEOUT_MS_MAX: u64 = 365 * 24 * 3_600_000;

/// The rules of a route.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// As nodes follow them, all of them.
    pub rules: Vec<ResolvedRule>,
    /// Rules by their place whose requests are all refused, and why.
    pub refused: Vec<(usize, String)>,
    /// The first reference that leads nowhere.
    pub unresolved: Option<Fault>,
}

impl Rules {
    /// Adds a rule: its filters, its matches and its backends, each with what is wrong.
    pub fn push(&mut self, parts: Parts) {
        let Parts { mut rule, compiled, mut refused, backends } = parts;
        refused = refused.or(compiled.refused);
        self.unresolved = self.unresolved.take().or(compiled.unresolved);
        rule.filters = compiled.filters;
        for (backend, fault) in backends {
            self.unresolved = self.unresolved.take().or(fault);
            rule.backends.push(backend);
        }
        if let Some(why) = &refused {
            // Its requests must not fall to a wider rule: whoever wrote a filter counts on it.
            rule.filters = Default::default();
            rule.backends = vec![ResolvedBackend { fault: Some(why.clone()), weight: 1, ..Default::default() }];
            self.refused.push((self.rules.len(), why.clone()));
        }
        self.rules.push(rule);
    }
}

/// What a rule is made of.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Matches and times.
    pub rule: ResolvedRule,
    /// Filters.
    pub compiled: Compiled,
    /// Why all requests must be refused.
    pub refused: Option<String>,
    /// Backends, each with what is not there.
    pub backends: Vec<(ResolvedBackend, Option<Fault>)>,
}

/// Why an expression among the values can't be used.
pub fn expressions<'a>(all: impl Iterator<Item = (bool, &'a str)>) -> Option<String> {
    all.filter(|(is_expression, _)| *is_expression).find_map(|(_, value)| expression::fault(value))
}

/// The rules of a route of HTTP.
pub fn rules(cluster: &Cluster, route: &HTTPRoute) -> Rules {
    let from = From { kind: HTTP_ROUTE, namespace: &route.metadata.namespace };
    let mut out = Rules::default();
    for one in &route.spec.rules {
        let matches: Vec<Match> = one.matches.iter().map(matched).collect();
        let time = |text: Option<&String>| match text.and_then(|text| millis(text)) {
            None => 0,
            Some(0) => TIMEOUT_MS_MAX,
            Some(time_ms) => time_ms.min(TIMEOUT_MS_MAX),
        };
        let timeouts = one.timeouts.as_ref();
        let rule = ResolvedRule {
            request_ms: time(timeouts.and_then(|timeouts| timeouts.request.as_ref())),
            backend_request_ms: time(timeouts.and_then(|timeouts| timeouts.backend_request.as_ref())),
            matches,
            ..ResolvedRule::default()
        };
        out.push(Parts {
            rule,
            compiled: filter::http(cluster, from, &one.filters),
            refused: refused(one),
            backends: one.backend_refs.iter().map(|to| backend_of(cluster, from, to)).collect(),
        });
    }
    out
}

fn refused(rule: &HTTPRouteRule) -> Option<String> {
    expressions(rule.matches.iter().flat_map(|one| {
        let is_expression = |type_: &Option<String>| type_.as_deref() == Some("RegularExpression");
        let path = one.path.iter().map(move |path| (is_expression(&path.type_), path.value.as_deref().unwrap_or("/")));
        let headers = one.headers.iter().map(move |header| (is_expression(&header.type_), header.value.as_str()));
        let params = one.query_params.iter().map(move |param| (is_expression(&param.type_), param.value.as_str()));
        path.chain(headers).chain(params)
    }))
}

fn backend_of(cluster: &Cluster, from: From<'_>, backend: &HTTPBackendRef) -> (ResolvedBackend, Option<Fault>) {
    let compiled = filter::http(cluster, from, &backend.filters);
    one_backend(backend::resolve(cluster, from, backend.to()), backend.weight, compiled)
}

/// A backend of its reference, weight and filters.
pub fn one_backend(
    service: Result<masthead_api::gateway::resolved::ServicePort, Fault>,
    weight: Option<i32>,
    compiled: Compiled,
) -> (ResolvedBackend, Option<Fault>) {
    let weight = u32::try_from(weight.unwrap_or(1)).unwrap_or_default();
    let filters = compiled.filters;
    match (service, compiled.refused) {
        (Err(fault), _) => {
            let words = Some(fault.message.clone());
            (ResolvedBackend { fault: words, weight, ..ResolvedBackend::default() }, Some(fault))
        }
        (Ok(service), None) => (ResolvedBackend { service, weight, filters, fault: None }, compiled.unresolved),
        (Ok(_), Some(why)) => {
            let fault = Fault::new("InvalidKind", why.clone());
            (ResolvedBackend { fault: Some(why), weight, ..ResolvedBackend::default() }, Some(fault))
        }
    }
}

/// How narrow a path is: a whole one before an expression before a beginning, long before short.
const EXACT: u32 = 2;
const EXPRESSION: u32 = 1;
const PREFIX: u32 = 0;

fn matched(one: &HTTPRouteMatch) -> Match {
    let path = one.path.as_ref();
    let value = path.and_then(|path| path.value.as_deref()).unwrap_or("/");
    let (class, path) = match path.and_then(|path| path.type_.as_deref()) {
        Some("Exact") => (EXACT, PathMatch::Exact(value.to_owned())),
        Some("RegularExpression") => (EXPRESSION, PathMatch::Regex(value.to_owned())),
        _ => (PREFIX, PathMatch::Prefix(value.trim_end_matches('/').to_owned())),
    };
    let is_expression = |type_: &Option<String>| type_.as_deref() == Some("RegularExpression");
    let headers: Vec<ValueMatch> = one
        .headers
        .iter()
        .map(|header| ValueMatch {
            name: header.name.to_ascii_lowercase(),
            value: header.value.clone(),
            regex: is_expression(&header.type_),
        })
        .collect();
    let query: Vec<ValueMatch> = one
        .query_params
        .iter()
        .map(|param| ValueMatch {
            name: param.name.clone(),
            value: param.value.clone(),
            regex: is_expression(&param.type_),
        })
        .collect();
    let method = one.method.clone().unwrap_or_default();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let headers = first_of_each(headers);
    let query = first_of_each(query);
    // A closing slash says nothing: `/a/` and `/a` begin the same paths.
    let length = if class == PREFIX { value.trim_end_matches('/').len() } else { value.len() };
    let rank = vec![class, count(length), u32::from(!method.is_empty()), count(headers.len()), count(query.len())];
    Match { rank, path, method, headers, query }
}

/// Of several values of one name the first counts: headers are told apart without case.
pub fn first_of_each(all: Vec<ValueMatch>) -> Vec<ValueMatch> {
    let mut out: Vec<ValueMatch> = Vec::with_capacity(all.len());
    for one in all {
        if !out.iter().any(|known| known.name == one.name) {
            out.push(one);
        }
    }
    out
}
