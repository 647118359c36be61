//! The nodes → the addresses that clients outside dial.

use std::collections::BTreeSet;
use std::net::IpAddr;

use masthead_api::core::node::Node;

use crate::cluster::view::Cluster;

/// The label of nodes that take no traffic from outside.
const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// Whether clients outside may be sent to a node.
pub fn takes_traffic(node: &Node) -> bool {
    node.metadata.deletion_timestamp.is_none()
        && !node.metadata.labels.contains_key(EXCLUDED)
        && node.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

/// The addresses of a node that clients outside dial: the external ones, else the internal ones.
pub fn addresses(node: &Node) -> Vec<IpAddr> {
    let of = |kind: &str| -> Vec<IpAddr> {
        let all = node.status.addresses.iter().filter(|address| address.type_ == kind);
        all.filter_map(|address| address.address.parse().ok()).collect()
    };
    let external = of("ExternalIP");
    if external.is_empty() { of("InternalIP") } else { external }
}

/// The addresses of all nodes that take traffic, of which `wanted` are asked for; IPv4 first, then by number.
pub fn node_addresses(cluster: &Cluster, wanted: impl Fn(&Node) -> bool) -> BTreeSet<IpAddr> {
    cluster
        .list::<Node>("")
        .filter(|node| takes_traffic(node) && wanted(node))
        .flat_map(|node| addresses(&node))
        .collect()
}
