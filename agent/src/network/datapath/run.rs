//! The loop of the data path: takes each manifest, and brings the kernel to what it says.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use masthead_wire::attachments::Difference;
use masthead_wire::manifest::NodeManifest;
use masthead_wire::object::AttachmentKey;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::network::cidr::{self, Cidr};
use crate::network::datapath::handle::{Options, State};
use crate::network::datapath::services::Services;
use crate::network::error::Result;
use crate::network::names::Names;
use crate::network::records;
use crate::network::services::model::Here;

/// First wait after the kernel refused something; doubles up to [`BACKOFF_MAX`].
const BACKOFF: Duration = Duration::from_millis(250);
/// Longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// The state of the data path.
pub struct Engine {
    options: Options,
    services: Services,
    state: watch::Sender<State>,
    held: Option<Arc<NodeManifest>>,
}

impl Engine {
    /// Opens the way to the kernel, and changes nothing.
    pub fn start(options: Options, state: watch::Sender<State>) -> Result<Self> {
        let names = Names::of(&records::home(&options.data_dir));
        Ok(Self { services: Services::new(&names)?, options, state, held: None })
    }

    /// Follows the manifest until it ends.
    pub async fn run(mut self, mut manifest: watch::Receiver<Option<Arc<NodeManifest>>>, stop: CancellationToken) {
        let mut backoff = BACKOFF;
        loop {
            let next = manifest.borrow_and_update().clone();
            let mut again = None;
            if let Some(next) = next {
                match self.follow(&next).await {
                    Ok(()) => backoff = BACKOFF,
                    Err(error) => {
                        tracing::warn!(%error, "the tables of services are not as they should be; tried again soon");
                        self.state.send_modify(|state| state.faults.push(error.to_string()));
                        again = Some(Instant::now() + backoff);
                        backoff = (backoff * 2).min(BACKOFF_MAX);
                    }
                }
            }
            tokio::select! {
                changed = manifest.changed() => if changed.is_err() { return },
                () = stop.cancelled() => return,
                () = due(again) => {}
            }
        }
    }

    /// Brings the kernel to a manifest.
    async fn follow(&mut self, next: &Arc<NodeManifest>) -> Result<()> {
        let here = here(&self.options, next)?;
        let differences: Option<Vec<Difference>> =
            self.held.as_ref().map(|held| next.content.attachments.since(&held.content.attachments));
        self.services.take(&here, next, differences.as_deref())?;
        // From here on the parts know what is to be done, whether or not it is done the first time.
        self.held = Some(next.clone());
        self.services.apply().await?;
        let (services, endpoints) = self.services.counts();
        let faults = self.services.faults();
        self.state.send_replace(State { applied: Some(next.generation), services, endpoints, faults });
        Ok(())
    }
}

/// Waits for a moment, for ever when there is none.
async fn due(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A fact that is a list, in its parts.
fn list(manifest: &NodeManifest, fact: &str) -> Vec<String> {
    let text = manifest.content.setup.facts.get(fact).map_or("", String::as_str);
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn ranges(manifest: &NodeManifest, fact: &str) -> Result<Vec<Cidr>> {
    cidr::node_cidrs(&list(manifest, fact))
}

/// This node, as a manifest tells it.
pub fn here(options: &Options, manifest: &NodeManifest) -> Result<Here> {
    let key = AttachmentKey { kind: "Node".to_owned(), namespace: String::new(), name: options.node.clone() };
    let own = manifest.content.attachments.get(&key).map(|node| zone(&node.bytes));
    Ok(Here {
        name: options.node.clone(),
        zone: own.unwrap_or_default(),
        own: cidr::node_cidrs(&manifest.content.setup.pod_cidrs)?,
        cluster: ranges(manifest, "cluster_cidr")?,
        services: ranges(manifest, "service_cidr")?,
        served: list(manifest, "dns_ip").iter().filter_map(|ip| ip.parse::<IpAddr>().ok()).collect(),
        loopback: options.is_routed,
    })
}

/// The zone that a node's labels name; empty for none.
fn zone(node: &[u8]) -> String {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Node {
        metadata: Meta,
    }
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Meta {
        labels: std::collections::BTreeMap<String, String>,
    }
    let read: serde_json::Result<Node> = serde_json::from_slice(node);
    let label = |node: Node| node.metadata.labels.get("topology.kubernetes.io/zone").cloned();
    match read {
        Ok(node) => label(node).unwrap_or_default(),
        Err(error) => {
            tracing::warn!(%error, "this node's own object does not read; it counts as in no zone");
            String::new()
        }
    }
}
