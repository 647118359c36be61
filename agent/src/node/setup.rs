//! The link's manifest → the same manifest, once the network has taken the node's ranges and host ports from it.

use std::sync::Arc;

use masthead_wire::manifest::NodeManifest;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::network::pod_ports::Reader;
use crate::network::routed::RoutedNetwork;

type Manifest = watch::Receiver<Option<Arc<NodeManifest>>>;

/// The fact that names the ranges of all nodes' pods, one of a family, divided by commas.
const CLUSTER_CIDR: &str = "cluster_cidr";

/// A fact that is a list, in its parts.
pub fn list(manifest: &NodeManifest, fact: &str) -> Vec<String> {
    let text = manifest.content.setup.facts.get(fact).map_or("", String::as_str);
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Gives each manifest on after its ranges have been set, so that no pod asks for an address before, and after its
/// pods' host ports are known, so that a pod that is attached has them or fails.
pub fn after_ranges(
    mut from: Manifest,
    network: Option<RoutedNetwork>,
    told: impl Fn(Vec<(&'static str, String)>) + Send + 'static,
    stop: CancellationToken,
) -> Manifest {
    let Some(network) = network else { return from };
    let (to, manifest) = watch::channel(None);
    tokio::spawn(async move {
        let mut set: Option<(Vec<String>, Vec<String>)> = None;
        let mut reader = Reader::default();
        loop {
            let next = from.borrow_and_update().clone();
            if let Some(next) = next {
                let mut problems = Vec::new();
                let ranges = (next.content.setup.pod_cidrs.clone(), list(&next, CLUSTER_CIDR));
                if !ranges.0.is_empty() && set.as_ref() != Some(&ranges) {
                    match network.set_ranges(ranges.0.clone(), ranges.1.clone()).await {
                        Ok(()) => set = Some(ranges),
                        Err(error) => {
                            tracing::error!(%error, ?ranges, "the network can't take the node's ranges");
                            problems.push(("FailedToSetPodCIDR", format!("no pod gets an address: {error}")));
                        }
                    }
                }
                if let Err(error) = network.set_pod_ports(reader.read(&next.content)).await {
                    tracing::error!(%error, "the network can't take the pods' host ports");
                    problems.push(("FailedToOpenHostPorts", format!("host ports of pods do not work: {error}")));
                }
                told(problems);
                to.send_replace(Some(next));
            }
            tokio::select! {
                changed = from.changed() => if changed.is_err() { return },
                () = stop.cancelled() => return,
            }
        }
    });
    manifest
}
