//! Nodes and their pod ranges → ways of the machine to them, so that its own programs reach pods and services.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use masthead_agent::fleet::apply;
use masthead_agent::fleet::plan::{Places, Prefix};
use masthead_api::core::node::Node;
use masthead_api::kind::Resource;
use masthead_plan::cluster::view::Cluster;
use masthead_plan::network::cidr::Cidr;
use tokio::sync::watch;

use crate::control::view::View;

/// Where each node of the fleet is: its addresses, one of a family.
pub type Members = BTreeMap<String, Vec<IpAddr>>;

/// The ways the machine needs: each node's pods by the node, the cluster's services by the first node.
pub fn plan(cluster: &Cluster, members: &Members, services: &[Prefix]) -> BTreeMap<Prefix, IpAddr> {
    let by = |prefix: Prefix, member: &[IpAddr]| {
        let via = member.iter().find(|ip| ip.is_ipv4() == prefix.0.is_ipv4())?;
        Some((prefix, *via))
    };
    let nodes = cluster.of_kind(Node::KIND).filter_map(|object| object.typed::<Node>().ok());
    let mut ways = BTreeMap::new();
    for node in nodes {
        if let Some(member) = members.get(&node.metadata.name) {
            let prefixes = node.spec.pod_cidrs.iter().filter_map(|cidr| prefix(cidr));
            ways.extend(prefixes.filter_map(|prefix| by(prefix, member)));
        }
    }
    if let Some(first) = members.values().next() {
        ways.extend(services.iter().filter_map(|prefix| by(*prefix, first)));
    }
    ways
}

/// A range, `10.88.1.0/24`.
pub fn prefix(cidr: &str) -> Option<Prefix> {
    let cidr: Cidr = cidr.parse().ok()?;
    Some((cidr.base(), cidr.bits()))
}

/// Keeps the machine's ways as they should be, for as long as the fleet runs.
pub async fn follow(places: Places, view: Arc<View>, mut members: watch::Receiver<Members>, services: Vec<Prefix>) {
    let mut revisions = view.subscribe();
    let mut made: BTreeMap<Prefix, IpAddr> = BTreeMap::new();
    loop {
        let wanted = plan(&view.read(), &members.borrow_and_update(), &services);
        for prefix in made.keys().filter(|prefix| !wanted.contains_key(prefix)) {
            if let Err(error) = apply::mislead(&places, *prefix).await {
                tracing::warn!(%error, "a way of the machine to pods stays");
            }
        }
        let mut now = BTreeMap::new();
        for (prefix, via) in wanted {
            if made.get(&prefix) != Some(&via)
                && let Err(error) = apply::lead(&places, prefix, via).await
            {
                tracing::warn!(%error, "the machine has no way to a node's pods");
                continue;
            }
            now.insert(prefix, via);
        }
        made = now;
        tokio::select! {
            changed = revisions.changed() => if changed.is_err() { return },
            changed = members.changed() => if changed.is_err() { return },
        }
    }
}
