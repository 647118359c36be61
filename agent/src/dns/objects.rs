//! The JSON of Services, EndpointSlices and Nodes → the few fields that names are made of.

use serde::Deserialize;

/// What this room reads of `metadata`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// The service of a slice is a label.
    pub labels: Labels,
}

/// Labels that count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Labels {
    /// The service that a slice belongs to.
    #[serde(rename = "kubernetes.io/service-name")]
    pub service_name: String,
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Which.
    pub metadata: Metadata,
    /// How it is reached.
    pub spec: ServiceSpec,
}

/// How a service is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceSpec {
    /// `ClusterIP`, `ExternalName`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The first address, or `None`.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: String,
    /// All addresses.
    #[serde(rename = "clusterIPs")]
    pub cluster_ips: Vec<String>,
    /// The name of an ExternalName.
    pub external_name: String,
    /// Ports.
    pub ports: Vec<ServicePort>,
}

/// One port of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ServicePort {
    /// Its name, empty when it is the only one.
    pub name: String,
    /// `TCP` when empty.
    pub protocol: String,
    /// Its number.
    pub port: u16,
}

/// What is read of every slice: whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SliceHead {
    /// Which.
    pub metadata: Metadata,
}

/// An EndpointSlice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EndpointSlice {
    /// Which.
    pub metadata: Metadata,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: String,
    /// Endpoints.
    pub endpoints: Option<Vec<Endpoint>>,
    /// Ports.
    pub ports: Option<Vec<SlicePort>>,
}

/// One endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// Its addresses; all are the same endpoint.
    pub addresses: Vec<String>,
    /// Whether it may get traffic.
    pub conditions: Conditions,
    /// Its host name.
    pub hostname: Option<String>,
}

/// Whether an endpoint may get traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Conditions {
    /// Unknown counts as ready.
    pub ready: Option<bool>,
}

/// One port of a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SlicePort {
    /// Its name, as in the service.
    pub name: Option<String>,
    /// `TCP` when absent.
    pub protocol: Option<String>,
    /// All ports when absent.
    pub port: Option<u16>,
}

/// A Node, of which addresses count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Its state.
    pub status: NodeStatus,
}

/// A node's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// Addresses.
    pub addresses: Vec<NodeAddress>,
}

/// An address of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct NodeAddress {
    /// An address or a name.
    pub address: String,
}
