//! Rules of a GRPCRoute → the same rules as of HTTP: a call is a POST to `/service/method`.

use masthead_api::gateway::grpc_route::{GRPCBackendRef, GRPCMethodMatch, GRPCRoute, GRPCRouteMatch, GRPCRouteRule};
use masthead_api::gateway::resolved::{GRPC_ROUTE, Match, PathMatch, ResolvedRule, ValueMatch};

use crate::cluster::view::Cluster;
use crate::gateway::backend;
use crate::gateway::filter;
use crate::gateway::grant::From;
use crate::gateway::http::{Parts, Rules, expressions, first_of_each, one_backend};

/// What a part of a path is when nothing is said of it.
const ANY: &str = "[^/]+";

/// The rules of a route of gRPC.
pub fn rules(cluster: &Cluster, route: &GRPCRoute) -> Rules {
    let from = From { kind: GRPC_ROUTE, namespace: &route.metadata.namespace };
    let mut out = Rules::default();
    for one in &route.spec.rules {
        let mut matches: Vec<Match> = one.matches.iter().map(matched).collect();
        if matches.is_empty() {
            matches.push(matched(&GRPCRouteMatch::default()));
        }
        let backend = |to_one: &GRPCBackendRef| {
            let compiled = filter::grpc(cluster, from, &to_one.filters);
            one_backend(backend::resolve(cluster, from, to_one.to()), to_one.weight, compiled)
        };
        out.push(Parts {
            rule: ResolvedRule { matches, ..ResolvedRule::default() },
            compiled: filter::grpc(cluster, from, &one.filters),
            refused: refused(one),
            backends: one.backend_refs.iter().map(backend).collect(),
        });
    }
    out
}

fn is_expression(type_: Option<&String>) -> bool {
    type_.is_some_and(|type_| type_ == "RegularExpression")
}

fn refused(rule: &GRPCRouteRule) -> Option<String> {
    expressions(rule.matches.iter().flat_map(|one| {
        let method = one.method.iter().flat_map(|method| {
            let is_expression = is_expression(method.type_.as_ref());
            let parts = [&method.service, &method.method].into_iter().flatten();
            parts.map(move |part| (is_expression, part.as_str()))
        });
        let headers = one.headers.iter();
        method.chain(headers.map(|header| (is_expression(header.type_.as_ref()), header.value.as_str())))
    }))
}

fn matched(one: &GRPCRouteMatch) -> Match {
    let headers = one
        .headers
        .iter()
        .map(|header| ValueMatch {
            name: header.name.to_ascii_lowercase(),
            value: header.value.clone(),
            regex: is_expression(header.type_.as_ref()),
        })
        .collect();
    let headers = first_of_each(headers);
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let part = |of: fn(&GRPCMethodMatch) -> &Option<String>| {
        one.method.as_ref().and_then(|method| of(method).as_deref()).unwrap_or_default()
    };
    let (service, method) = (part(|method| &method.service), part(|method| &method.method));
    let rank = vec![count(service.len()), count(method.len()), count(headers.len())];
    let is_expression = is_expression(one.method.as_ref().and_then(|method| method.type_.as_ref()));
    Match { rank, path: path(service, method, is_expression), headers, ..Match::default() }
}

fn path(service: &str, method: &str, is_expression: bool) -> PathMatch {
    if is_expression {
        let or_any = |part: &str| if part.is_empty() { ANY.to_owned() } else { format!("(?:{part})") };
        return PathMatch::Regex(format!("/{}/{}", or_any(service), or_any(method)));
    }
    match (service, method) {
        ("", "") => PathMatch::Prefix(String::new()),
        (service, "") => PathMatch::Prefix(format!("/{service}")),
        // The names of methods are words: nothing in them means something in an expression.
        ("", method) => PathMatch::Regex(format!("/{ANY}/{method}")),
        (service, method) => PathMatch::Exact(format!("/{service}/{method}")),
    }
}
