//! Nodes and their pod ranges → ways of the machine to them, so that its own programs reach pods and services.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use masthead_agent::fleet::apply;
use masthead_agent::fleet::plan::{Places, Prefix};
use masthead_api::core::node::Node;
use masthead_api::kind::Resource;
use masthead_plan::cluster::view::Cluster;
use tokio::sync::watch;

use crate::control::view::View;

/// Where each node of the fleet is.
pub type Members = BTreeMap<String, Ipv4Addr>;

/// The ways the machine needs: each node's pods by the node, the cluster's services by the first node.
pub fn plan(cluster: &Cluster, members: &Members, services: Option<Prefix>) -> BTreeMap<Prefix, Ipv4Addr> {
    let nodes = cluster.of_kind(Node::KIND).filter_map(|object| object.typed::<Node>().ok());
    let mut ways = BTreeMap::new();
    for node in nodes {
        if let Some(via) = members.get(&node.metadata.name) {
            ways.extend(node.spec.pod_cidrs.iter().filter_map(|cidr| prefix(cidr)).map(|prefix| (prefix, *via)));
        }
    }
    if let (Some(services), Some(via)) = (services, members.values().next()) {
        ways.insert(services, *via);
    }
    ways
}

/// An IPv4 range, `10.88.1.0/24`.
pub fn prefix(cidr: &str) -> Option<Prefix> {
    let (base, bits) = cidr.split_once('/')?;
    Some((base.parse().ok()?, bits.parse().ok().filter(|bits| *bits <= 32)?))
}

/// Keeps the machine's ways as they should be, for as long as the fleet runs.
pub async fn follow(places: Places, view: Arc<View>, mut members: watch::Receiver<Members>, services: Option<Prefix>) {
    let mut revisions = view.subscribe();
    let mut made: BTreeMap<Prefix, Ipv4Addr> = BTreeMap::new();
    loop {
        let wanted = plan(&view.read(), &members.borrow_and_update(), services);
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
