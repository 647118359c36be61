//! What an agent says about its node when it connects, parsed once.

use std::collections::BTreeMap;

use masthead_api::core::node::{NodeAddress, NodeSystemInfo};
use masthead_api::quantity::Quantity;

/// A node as its agent describes it; the name comes from the agent's certificate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Labels the agent asks for; those of the `kubernetes.io/` domain are set from the other facts.
    pub labels: BTreeMap<String, String>,
    /// What the machine has: `cpu`, `memory` (bytes), `pods`, `ephemeral-storage`.
    pub capacity: BTreeMap<String, Quantity>,
    /// What of it pods may use.
    pub allocatable: BTreeMap<String, Quantity>,
    /// Addresses: `InternalIP`, `Hostname`.
    pub addresses: Vec<NodeAddress>,
    /// Ids and versions.
    pub info: NodeSystemInfo,
}
