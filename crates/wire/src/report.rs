//! What an agent tells the control plane, as plain types.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::limits::{MAX_PROBLEM_BYTES, MAX_PROBLEMS};
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

/// The node's tables are as a manifest says, or were tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Which manifest.
    pub generation: Generation,
    /// Why a table is not as it says, though it was tried; empty: all are.
    pub why: String,
}

/// Something that an object asks for and the node can't do.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Problem {
    /// Kind of the object: `Service`, `Ingress`, `Node`.
    pub kind: String,
    /// Its namespace; empty for one that is in none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// One word, as Kubernetes' Events have it (`FailedToStartServiceHealthcheck`).
    pub reason: String,
    /// The sentence, without the node's name.
    pub message: String,
    /// Which part of the agent says it: the source of the Event (`kube-proxy`, `ingress-controller`).
    pub component: String,
}

/// All that can't be done on a node, as far as it fits into a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// Sorted, without doubles, [`crate::limits::MAX_PROBLEMS`] at most.
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub left_out: u64,
}

impl Problems {
    /// Sorts, and cuts what is too long.
    pub fn new(all: impl IntoIterator<Item = Problem>) -> Self {
        let mut problems: Vec<Problem> = all.into_iter().collect();
        for problem in &mut problems {
            cut(&mut problem.message);
        }
        problems.sort();
        problems.dedup();
        let left_out = problems.len().saturating_sub(MAX_PROBLEMS) as u64;
        problems.truncate(MAX_PROBLEMS);
        Self { problems, left_out }
    }
}

/// To the bound of Kubernetes' Events.
fn cut(message: &mut String) {
    if message.len() > MAX_PROBLEM_BYTES {
        let mut end = MAX_PROBLEM_BYTES;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
    }
}
