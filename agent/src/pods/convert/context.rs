//! What a container is converted with besides its pod: what it refers to, and where it is placed.

use masthead_api::core::config::{ConfigMap, Secret};

/// What environments and volumes refer to.
pub trait References {
    /// A ConfigMap of the pod's namespace.
    fn config_map(&self, name: &str) -> Option<&ConfigMap>;
    /// A Secret of the pod's namespace.
    fn secret(&self, name: &str) -> Option<&Secret>;
}

/// What is known only once the pod is on its node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// The pod's addresses, the primary first.
    pub pod_ips: Vec<String>,
    /// The node's addresses, the primary first.
    pub host_ips: Vec<String>,
    /// The node's allocatable CPU in milli-cores: the limit of a container that has none.
    pub node_cpu_milli: i64,
    /// The node's allocatable memory in bytes: the limit of a container that has none.
    pub node_memory_bytes: i64,
    /// Variables that lead to services; the container's own of the same names win.
    pub links: Vec<(String, String)>,
}
