//! Gateways and routes as nodes need them: references checked, kinds of routes brought to one form.
//!
//! The control plane writes these (`masthead_plan::gateway`) and sends them to nodes as attachments of the kinds
//! [`GATEWAY`], [`HTTP_ROUTE`] and [`GRPC_ROUTE`]; agents build tables of them. What the control plane refuses is not in
//! them, or is there with the words why.

use serde::{Deserialize, Serialize};

use crate::gateway::filter::{HTTPCORSFilter, HTTPHeaderFilter, HTTPRequestRedirectFilter, HTTPURLRewriteFilter};

/// The kind of an attachment that holds a [`ResolvedGateway`].
pub const GATEWAY: &str = "Gateway";
/// The kind of an attachment that holds a [`ResolvedRoute`] made of an HTTPRoute.
pub const HTTP_ROUTE: &str = "HTTPRoute";
/// The kind of an attachment that holds a [`ResolvedRoute`] made of a GRPCRoute.
pub const GRPC_ROUTE: &str = "GRPCRoute";

/// A namespace and a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// A gateway: its listeners that are served.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResolvedGateway {
    /// The gateway's own namespace and name.
    pub metadata: Name,
    /// Those that are accepted and programmed; no two of all gateways have the same port and hostname.
    pub listeners: Vec<ResolvedListener>,
}

/// A listener.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResolvedListener {
    /// Unique in its gateway.
    pub name: String,
    /// The port of nodes.
    pub port: u16,
    /// TLS is spoken.
    pub tls: bool,
    /// The host, `*.` and the end of hosts, or empty for every host.
    pub hostname: String,
    /// Secrets with certificates; the first is used, others for names that it has not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Name>,
}

/// A route with the listeners that it is attached to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResolvedRoute {
    /// The route's own namespace and name.
    pub metadata: Name,
    /// When it was made, in Unix seconds: the older of two like routes counts.
    pub created: i64,
    /// Where it is attached.
    pub attached: Vec<Attached>,
    /// Its rules, in its own order.
    pub rules: Vec<ResolvedRule>,
}

/// A listener that a route is attached to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attached {
    /// Its gateway.
    pub gateway: Name,
    /// Its name.
    pub listener: String,
    /// Hosts, which both have: whole, with `*.`, or empty for every host.
    pub hostnames: Vec<String>,
}

/// A rule: a request that one of `matches` is true of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResolvedRule {
    /// At least one.
    pub matches: Vec<Match>,
    /// What is done with all of its requests.
    pub filters: Filters,
    /// Who gets them, each by its weight.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backends: Vec<ResolvedBackend>,
    /// Milliseconds for the whole request; 0 is for ever.
    #[serde(skip_serializing_if = "is_zero")]
    pub request_ms: u64,
    /// Milliseconds for one endpoint; 0 is as the node has it.
    #[serde(skip_serializing_if = "is_zero")]
    pub backend_request_ms: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What must be true of a request, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Match {
    /// How narrow it is; of several that are true the greatest counts.
    pub rank: Vec<u32>,
    /// The path.
    pub path: PathMatch,
    /// The method; empty for every one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// Headers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<ValueMatch>,
    /// Parameters of the query.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<ValueMatch>,
}

/// A path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PathMatch {
    /// The whole path.
    Exact(String),
    /// Its first elements, without a closing slash: empty is every path.
    Prefix(String),
    /// An expression that the whole path fits.
    Regex(String),
}

impl Default for PathMatch {
    fn default() -> Self {
        Self::Prefix(String::new())
    }
}

/// A header or a parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ValueMatch {
    /// Its name; of headers in lower case.
    pub name: String,
    /// Its whole value, or an expression that the whole value fits.
    pub value: String,
    /// Which of the two.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub regex: bool,
}

/// What is done with requests and answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filters {
    /// Headers of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<HTTPHeaderFilter>,
    /// Headers of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<HTTPHeaderFilter>,
    /// The client is sent elsewhere; nobody else gets the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect: Option<HTTPRequestRedirectFilter>,
    /// Another host or path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<HTTPURLRewriteFilter>,
    /// Who gets copies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<Mirror>,
    /// Which other sites' pages may ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<HTTPCORSFilter>,
}

/// A service that gets copies of some of the requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mirror {
    /// Who.
    pub service: ServicePort,
    /// So many of `denominator`.
    pub numerator: u32,
    /// At least 1.
    pub denominator: u32,
}

/// A port of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct ServicePort {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Number of the port.
    pub port: u16,
}

/// A service that gets a part of the requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResolvedBackend {
    /// Who; nobody when there is a fault.
    pub service: ServicePort,
    /// Why its part of the requests is answered by 500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Its part of the sum of all weights.
    pub weight: u32,
    /// What is done with its part, after what is done with all.
    pub filters: Filters,
}
