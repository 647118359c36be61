//! What an agent says about its node when it connects, parsed once.

use std::collections::BTreeMap;
use std::net::IpAddr;

use masthead_api::core::node::{NodeAddress, NodeSystemInfo, Taint};
use masthead_api::quantity::Quantity;

/// A node as its agent describes it; the name comes from the agent's certificate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Labels the agent asks for; those of the `kubernetes.io/` domain are set from the other facts.
    pub labels: BTreeMap<String, String>,
    /// Taints of a node that is new (the kubelet's `--register-with-taints`); later they are the cluster's to change.
    pub taints: Vec<Taint>,
    /// What the machine has: `cpu`, `memory` (bytes), `pods`, `ephemeral-storage`.
    pub capacity: BTreeMap<String, Quantity>,
    /// What of it pods may use.
    pub allocatable: BTreeMap<String, Quantity>,
    /// Addresses: `InternalIP`, `Hostname`.
    pub addresses: Vec<NodeAddress>,
    /// Addresses of the pods that it held when the store knew none of them: it gets the block they are of.
    pub pod_ips: Vec<IpAddr>,
    /// Ids and versions.
    pub info: NodeSystemInfo,
}
