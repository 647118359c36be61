//! A node and the pods bound to it → what filters and scores read of it.

use std::sync::Arc;

use masthead_api::core::container::ContainerPort;
use masthead_api::core::node::Node;
use masthead_api::core::pod::Pod;

use crate::cluster::view::Cluster;
use crate::schedule::request::{self, Amounts};
use crate::workload::pods::is_finished;

/// A node as the scheduler sees it.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    /// The node.
    pub node: Arc<Node>,
    /// What of it pods may use.
    pub allocatable: Amounts,
    /// What the pods on it ask for.
    pub requested: Amounts,
    /// What the pods on it count as in scores.
    pub nonzero: Amounts,
    /// The pods on it that have not finished.
    pub pods: Vec<Arc<Pod>>,
    /// Pods that wait for others to leave this node: they come first here, but for pods above them.
    pub nominated: Vec<Arc<Pod>>,
}

impl NodeInfo {
    /// The node with the pods that are bound to it in the view.
    pub fn of(cluster: &Cluster, node: Arc<Node>) -> NodeInfo {
        let allocatable = node
            .status
            .allocatable
            .iter()
            .map(|(resource, q)| (resource.clone(), request::amount(resource, q)))
            .collect();
        let pods: Vec<Arc<Pod>> = cluster
            .pods_on(&node.metadata.name)
            .filter_map(|object| object.typed::<Pod>().ok())
            .filter(|pod| !is_finished(pod))
            .collect();
        let empty = NodeInfo {
            node,
            allocatable,
            requested: Amounts::new(),
            nonzero: Amounts::new(),
            pods: Vec::new(),
            nominated: Vec::new(),
        };
        empty.with_pods(pods)
    }

    /// The same node with other pods on it.
    #[must_use]
    pub fn with_pods(&self, pods: Vec<Arc<Pod>>) -> NodeInfo {
        let mut info = NodeInfo {
            node: self.node.clone(),
            allocatable: self.allocatable.clone(),
            requested: Amounts::new(),
            nonzero: Amounts::new(),
            pods: Vec::with_capacity(pods.len()),
            nominated: self.nominated.clone(),
        };
        pods.into_iter().for_each(|pod| info.add(pod));
        info
    }

    /// Counts a pod in, as if it were bound already.
    pub fn add(&mut self, pod: Arc<Pod>) {
        request::add(&mut self.requested, &request::of(&pod));
        request::add(&mut self.nonzero, &request::nonzero_bound(&pod));
        self.pods.push(pod);
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        &self.node.metadata.name
    }

    /// A label of the node.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.node.metadata.labels.get(key).map(String::as_str)
    }

    /// Amount of a resource that pods may use.
    pub fn allocatable(&self, resource: &str) -> i64 {
        self.allocatable.get(resource).copied().unwrap_or(0)
    }

    /// Amount of a resource that the pods on it ask for.
    pub fn requested(&self, resource: &str) -> i64 {
        self.requested.get(resource).copied().unwrap_or(0)
    }

    /// The ports of the node that its pods hold.
    pub fn host_ports(&self) -> impl Iterator<Item = &ContainerPort> {
        self.pods.iter().flat_map(|pod| host_ports(pod))
    }
}

/// The ports of its node that a pod wants.
pub fn host_ports(pod: &Pod) -> impl Iterator<Item = &ContainerPort> {
    let sidecars = pod.spec.init_containers.iter().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    pod.spec.containers.iter().chain(sidecars).flat_map(|c| &c.ports).filter(|port| port.host_port > 0)
}

/// What a pod is worth against others; what was not admitted counts as 0.
pub fn priority(pod: &Pod) -> i32 {
    pod.spec.priority.unwrap_or(0)
}

/// All nodes of the view, by name, with those of the `waiting` pods that are nominated for them.
pub fn all<'p>(cluster: &Cluster, waiting: impl Iterator<Item = &'p Arc<Pod>>) -> Vec<NodeInfo> {
    let mut nodes: Vec<NodeInfo> = cluster.list_all::<Node>().map(|node| NodeInfo::of(cluster, node)).collect();
    for pod in waiting.filter(|pod| !pod.status.nominated_node_name.is_empty()) {
        if let Ok(at) = nodes.binary_search_by(|node| node.name().cmp(&pod.status.nominated_node_name)) {
            nodes[at].nominated.push(pod.clone());
        }
    }
    nodes
}
