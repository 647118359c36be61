//! The JSON of Ingresses, IngressClasses, Services, EndpointSlices and Secrets → the few fields that routing is made of.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What is read of `metadata`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// RFC 3339, so that the texts sort as the times do.
    pub creation_timestamp: String,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// An Ingress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Ingress {
    /// Which.
    pub metadata: Metadata,
    /// What it asks for.
    pub spec: IngressSpec,
}

/// What an Ingress asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressSpec {
    /// Whose it is.
    pub ingress_class_name: Option<String>,
    /// Gets what no rule matches.
    pub default_backend: Option<Backend>,
    /// Certificates.
    pub tls: Vec<Tls>,
    /// Rules.
    pub rules: Vec<Rule>,
}

/// A certificate of hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Tls {
    /// Its hosts; none is all of the Ingress'.
    pub hosts: Vec<String>,
    /// Where it is.
    pub secret_name: String,
}

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// Its host; empty is every host.
    pub host: String,
    /// Its paths.
    pub http: Option<Http>,
}

/// Paths of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Http {
    /// Paths.
    pub paths: Vec<Path>,
}

/// A path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Path {
    /// The path; empty is all.
    pub path: String,
    /// `Exact`, `Prefix` or `ImplementationSpecific`.
    pub path_type: String,
    /// Who gets it.
    pub backend: Backend,
}

/// Who gets requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Backend {
    /// A port of a service.
    pub service: Option<ServiceBackend>,
    /// Any other object, of which none is supported.
    pub resource: Option<serde_json::Value>,
}

/// A port of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(default)]
pub struct ServiceBackend {
    /// The service.
    pub name: String,
    /// The port.
    pub port: BackendPort,
}

/// A port by name or number.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(default)]
pub struct BackendPort {
    /// By name.
    pub name: String,
    /// By number.
    pub number: u16,
}

/// An IngressClass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IngressClass {
    /// Which.
    pub metadata: Metadata,
    /// Whose.
    pub spec: ClassSpec,
}

/// Whose a class is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ClassSpec {
    /// The controller.
    pub controller: String,
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Which.
    pub metadata: Metadata,
    /// Its ports.
    pub spec: ServiceSpec,
}

/// What is read of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceSpec {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Ports.
    pub ports: Vec<ServicePort>,
    /// Families of its addresses, the preferred one first.
    pub ip_families: Vec<String>,
    /// `ClientIP` where a client stays with its endpoint.
    pub session_affinity: String,
}

/// A port of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServicePort {
    /// Its name, empty when it is the only one.
    pub name: String,
    /// Its number.
    pub port: u16,
    /// What is spoken on it.
    pub app_protocol: Option<String>,
}

/// An EndpointSlice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EndpointSlice {
    /// Which; the service is a label.
    pub metadata: Metadata,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: String,
    /// Endpoints.
    pub endpoints: Option<Vec<Endpoint>>,
    /// Ports.
    pub ports: Option<Vec<SlicePort>>,
}

/// An endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// Its addresses.
    pub addresses: Vec<String>,
    /// Its state.
    pub conditions: Conditions,
}

/// The state of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Conditions {
    /// It may get traffic; unknown counts as yes.
    pub ready: Option<bool>,
    /// It still answers; unknown is as ready.
    pub serving: Option<bool>,
    /// It is on its way out.
    pub terminating: Option<bool>,
}

/// A port of a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SlicePort {
    /// As in the service.
    pub name: Option<String>,
    /// Its number.
    pub port: Option<u16>,
}

/// A Secret. It has no Debug: it holds keys.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Secret {
    /// Its values in base64.
    pub data: BTreeMap<String, String>,
}
