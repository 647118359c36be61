//! Filters of both kinds of routes → what nodes do, or why they can't.

use masthead_api::gateway::filter::{HTTPHeaderFilter, HTTPRequestMirrorFilter, LocalObjectReference};
use masthead_api::gateway::grpc_route::GRPCRouteFilter;
use masthead_api::gateway::http_route::HTTPRouteFilter;
use masthead_api::gateway::resolved::{Filters, Mirror};

use crate::cluster::view::Cluster;
use crate::gateway::backend;
use crate::gateway::grant::From;
use crate::gateway::status::Fault;

/// What became of the filters of a rule or a backend.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compiled {
    /// What nodes do.
    pub filters: Filters,
    /// Why requests must be refused.
    pub refused: Option<String>,
    /// Mirrors that name no service; the requests themselves are served.
    pub unresolved: Option<Fault>,
}

/// Headers that say how a message travels, and where to: a filter that changed them would break what others rely on.
const FIXED: [&str; 12] = [
    "host",
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Compiled {
    fn headers(&mut self, filter: Option<&HTTPHeaderFilter>) -> Option<HTTPHeaderFilter> {
        let filter = filter?;
        let named = filter.set.iter().chain(&filter.add).map(|header| &header.name).chain(&filter.remove);
        if let Some(name) = named.into_iter().find(|name| FIXED.contains(&name.to_ascii_lowercase().as_str())) {
            self.refuse(format!("the header {name} can't be changed by a filter"));
        }
        Some(filter.clone())
    }

    fn refuse(&mut self, why: String) {
        self.refused.get_or_insert(why);
    }

    fn extension(&mut self, reference: Option<&LocalObjectReference>) {
        let shown = reference.map(|r| format!("{} {:?} of group {:?}", r.kind, r.name, r.group)).unwrap_or_default();
        self.refuse(format!("filters of other groups are not supported: {shown}"));
    }

    fn mirror(&mut self, cluster: &Cluster, from: From<'_>, mirror: &HTTPRequestMirrorFilter) {
        match backend::resolve(cluster, from, mirror.backend_ref.to()) {
            Ok(service) => {
                let (numerator, denominator) = match (&mirror.percent, &mirror.fraction) {
                    (Some(percent), _) => (*percent, 100),
                    (None, Some(part)) => (part.numerator, part.denominator.unwrap_or(100)),
                    (None, None) => (1, 1),
                };
                let part = |number: i32| u32::try_from(number).unwrap_or_default();
                let (numerator, denominator) = (part(numerator), part(denominator).max(1));
                self.filters.mirrors.push(Mirror { service, numerator, denominator });
            }
            Err(fault) => {
                self.unresolved.get_or_insert(fault);
            }
        }
    }
}

/// Filters of HTTP.
pub fn http(cluster: &Cluster, from: From<'_>, filters: &[HTTPRouteFilter]) -> Compiled {
    let mut out = Compiled::default();
    for filter in filters {
        match filter.type_.as_str() {
            "RequestHeaderModifier" => out.filters.request = out.headers(filter.request_header_modifier.as_ref()),
            "ResponseHeaderModifier" => out.filters.response = out.headers(filter.response_header_modifier.as_ref()),
            "RequestRedirect" => out.filters.redirect.clone_from(&filter.request_redirect),
            "URLRewrite" => out.filters.rewrite.clone_from(&filter.url_rewrite),
            "RequestMirror" => filter.request_mirror.iter().for_each(|mirror| out.mirror(cluster, from, mirror)),
            "CORS" => out.filters.cors.clone_from(&filter.cors),
            "ExtensionRef" => out.extension(filter.extension_ref.as_ref()),
            other => out.refuse(format!("filters of type {other} are not supported")),
        }
    }
    out
}

/// Filters of gRPC.
pub fn grpc(cluster: &Cluster, from: From<'_>, filters: &[GRPCRouteFilter]) -> Compiled {
    let mut out = Compiled::default();
    for filter in filters {
        match filter.type_.as_str() {
            "RequestHeaderModifier" => out.filters.request = out.headers(filter.request_header_modifier.as_ref()),
            "ResponseHeaderModifier" => out.filters.response = out.headers(filter.response_header_modifier.as_ref()),
            "RequestMirror" => filter.request_mirror.iter().for_each(|mirror| out.mirror(cluster, from, mirror)),
            "ExtensionRef" => out.extension(filter.extension_ref.as_ref()),
            other => out.refuse(format!("filters of type {other} are not supported")),
        }
    }
    out
}
