//! The link's manifest → the same manifest, once the network has taken the node's ranges from it.

use std::sync::Arc;

use masthead_wire::manifest::NodeManifest;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::network::routed::RoutedNetwork;

type Manifest = watch::Receiver<Option<Arc<NodeManifest>>>;

/// Gives each manifest on after its ranges have been set, so that no pod asks for an address before.
pub fn after_ranges(mut from: Manifest, network: Option<RoutedNetwork>, stop: CancellationToken) -> Manifest {
    let Some(network) = network else { return from };
    let (to, manifest) = watch::channel(None);
    tokio::spawn(async move {
        let mut set: Option<Vec<String>> = None;
        loop {
            let next = from.borrow_and_update().clone();
            if let Some(next) = next {
                let ranges = &next.content.setup.pod_cidrs;
                if !ranges.is_empty() && set.as_ref() != Some(ranges) {
                    match network.set_cidrs(ranges.clone()).await {
                        Ok(()) => set = Some(ranges.clone()),
                        Err(error) => tracing::error!(%error, ?ranges, "the network can't take the node's ranges"),
                    }
                }
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
