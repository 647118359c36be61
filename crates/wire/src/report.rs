//! What an agent tells the control plane, as plain types.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::manifest::{Generation, Holding};

/// An address of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeAddress {
    /// `InternalIP`, `ExternalIP`, `Hostname`.
    pub kind: String,
    /// The address.
    pub address: String,
}

/// What a node is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Labels that the agent gives its node.
    pub labels: BTreeMap<String, String>,
    /// Kubernetes quantities by resource.
    pub capacity: BTreeMap<String, String>,
    /// Kubernetes quantities by resource.
    pub allocatable: BTreeMap<String, String>,
    /// Addresses.
    pub addresses: Vec<NodeAddress>,
    /// Fields of Kubernetes' `nodeInfo`: `kernelVersion`, `osImage`, `containerRuntimeVersion`, `bootID`.
    pub node_info: BTreeMap<String, String>,
    /// Taints of a node that registers for the first time, `key[=value]:effect`.
    pub taints: Vec<String>,
}

/// First message of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// Version of the contract.
    pub protocol: u32,
    /// Changes with each start of the agent.
    pub instance: String,
    /// What the node is.
    pub facts: NodeFacts,
    /// Which manifest the node holds.
    pub held: Option<Generation>,
    /// What that manifest says.
    pub holding: Holding,
}

/// The newest status of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodStatus {
    /// Uid.
    pub uid: Arc<str>,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Kubernetes' `PodStatus` as JSON.
    pub status: Bytes,
    /// The manifest that the agent acted on.
    pub observed: Generation,
    /// Counts within an instance of the agent; the link fills it in.
    pub sequence: u64,
}

/// The last container of a deleted pod is gone and cleaned: its object may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodGone {
    /// Uid.
    pub uid: Arc<str>,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// The node is alive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// Which manifest the node holds.
    pub held: Option<Generation>,
    /// Kubernetes' NodeConditions as a JSON list; empty: unchanged.
    pub conditions: Bytes,
}
