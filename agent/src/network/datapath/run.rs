//! The loop of the data path: takes each manifest, and brings the kernel to what it says.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use masthead_wire::attachments::Difference;
use masthead_wire::manifest::{Generation, NodeManifest};
use masthead_wire::object::AttachmentKey;
use masthead_wire::report::Problem;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::network::cidr::{self, Cidr};
use crate::network::datapath::nodes::{NODE, Nodes};
use crate::network::datapath::policies::Policies;
use crate::network::datapath::services::Services;
use crate::network::datapath::state::{Options, State};
use crate::network::error::Result;
use crate::network::names::Names;
use crate::network::records;
use crate::network::rules::watch::{Large, Watch};
use crate::network::services::model::Here;
use crate::network::wait::{due, heard};

/// First wait after the kernel refused something; doubles up to [`BACKOFF_MAX`].
const BACKOFF: Duration = Duration::from_millis(250);
/// Longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// How long after a change of nftables the tables are looked at, for a change seldom comes alone.
const QUIET: Duration = Duration::from_millis(200);
/// Objects that change at once before nobody listens to the kernel's word of them.
const MUCH: usize = 100;
/// How often routes and tables are looked at when nothing is heard: a link that went down took its routes along.
const LOOK: Duration = Duration::from_secs(30);

/// The state of the data path.
pub struct Engine {
    options: Options,
    services: Services,
    policies: Policies,
    nodes: Option<Nodes>,
    state: watch::Sender<State>,
    held: Option<Arc<NodeManifest>>,
}

impl Engine {
    /// Opens the way to the kernel, and changes nothing.
    pub fn start(options: Options, state: watch::Sender<State>) -> Result<Self> {
        let names = Names::of(&records::home(&options.data_dir));
        let nodes = options.is_routed.then(|| Nodes::new(&names, &options.data_dir, &options.node)).transpose()?;
        let (services, policies) = (Services::new(&names)?, Policies::new(&names)?);
        Ok(Self { services, policies, nodes, options, state, held: None })
    }

    /// Follows the manifest until it ends.
    pub async fn run(mut self, mut manifest: watch::Receiver<Option<Arc<NodeManifest>>>, stop: CancellationToken) {
        let watch = Watch::open();
        if let Err(error) = &watch {
            tracing::warn!(%error, "tables that somebody removes are seen to be gone a little later");
        }
        let mut watch = watch.ok();
        let mut backoff = BACKOFF;
        let (mut again, mut look_at) = (None, Instant::now() + LOOK);
        let mut is_told = true;
        loop {
            if is_told || again.is_some_and(|at| at <= Instant::now()) {
                is_told = false;
                again = None;
                let next = manifest.borrow_and_update().clone();
                let is_heard = watch.is_some();
                let mut large = None;
                if next.as_ref().is_some_and(|next| self.is_much(next)) {
                    watch = None;
                    large = Some(Large::begin().await);
                }
                if let Some((generation, Err(error))) = match next {
                    Some(next) => Some((next.generation, self.follow(&next).await)),
                    None => None,
                } {
                    tracing::warn!(%error, "the node's tables are not as they should be; tried again soon");
                    self.say(None, Some((generation, error.to_string())));
                    again = Some(Instant::now() + backoff);
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                } else {
                    backoff = BACKOFF;
                }
                drop(large);
                if is_heard && watch.is_none() {
                    watch = Watch::open().ok();
                    look_at = look_at.min(Instant::now() + QUIET);
                }
            }
            tokio::select! {
                changed = manifest.changed() => match changed {
                    Ok(()) => is_told = true,
                    Err(_) => return,
                },
                () = stop.cancelled() => return,
                () = due(again) => {}
                heard = heard(watch.as_mut()) => match heard {
                    Ok(()) => look_at = look_at.min(Instant::now() + QUIET),
                    Err(error) => {
                        tracing::warn!(%error, "tables that somebody removes are seen to be gone a little later");
                        watch = None;
                    }
                },
                () = tokio::time::sleep_until(look_at) => {
                    look_at = Instant::now() + LOOK;
                    if let Err(error) = self.look().await {
                        tracing::warn!(%error, "the node's tables are not as they should be");
                        again = again.or_else(|| Some(Instant::now() + backoff));
                    }
                }
            }
        }
    }

    /// Whether a manifest changes so much that nobody should listen.
    fn is_much(&self, next: &NodeManifest) -> bool {
        let Some(held) = &self.held else { return true };
        next.content.setup != held.content.setup
            || next.content.attachments.since(&held.content.attachments).len() > MUCH
    }

    /// Brings the kernel to a manifest. Each part is done as far as it can be, whatever becomes of the others.
    async fn follow(&mut self, next: &Arc<NodeManifest>) -> Result<()> {
        let here = here(&self.options, next)?;
        let differences: Option<Vec<Difference>> =
            self.held.as_ref().map(|held| next.content.attachments.since(&held.content.attachments));
        let is_new = self.held.as_ref().is_none_or(|held| held.content.setup != next.content.setup);
        self.services.take(&here, next, differences.as_deref())?;
        self.policies.take(next, differences.as_deref());
        let of_node = |d: &Difference| d.key().is_some_and(|key| key.kind == NODE);
        let moved = is_new || differences.as_ref().is_none_or(|all| all.iter().any(of_node));
        // From here on the parts know what is to be done, whether or not it is done the first time.
        self.held = Some(next.clone());
        let mut done = vec![self.services.apply().await, self.policies.apply().await];
        if let Some(nodes) = &mut self.nodes {
            if moved {
                nodes.take(next)?;
            }
            done.push(nodes.apply_if_stale().await);
        }
        done.into_iter().collect::<Result<()>>()?;
        self.say(Some(next.generation), None);
        if self.services.has_new_ports() {
            // Nobody waits for it, and it takes longer the more sockets the node has.
            self.services.look_at_ports();
            self.say(Some(next.generation), None);
        }
        Ok(())
    }

    /// Says how far it is, when that is news.
    fn say(&self, applied: Option<Generation>, refused: Option<(Generation, String)>) {
        let (services, endpoints) = self.services.counts();
        let mut problems = self.services.problems();
        problems.extend(self.policies.problems());
        let own = |reason: &str, message: &str| Problem {
            kind: NODE.to_owned(),
            namespace: String::new(),
            name: self.options.node.clone(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            component: "kube-proxy".to_owned(),
        };
        let ways = self.nodes.iter().flat_map(|nodes| nodes.faults());
        problems.extend(ways.map(|text| own("FailedToRoute", text)));
        problems.extend(refused.iter().map(|(_, why)| own("FailedToSyncTables", why)));
        self.state.send_if_modified(|state| {
            let next = State { applied: applied.or(state.applied), services, endpoints, refused, problems };
            let is_new = *state != next;
            *state = next;
            is_new
        });
    }

    /// Makes right again what others took away.
    async fn look(&mut self) -> Result<()> {
        if !self.services.is_intact().await? {
            tracing::warn!("somebody removed the table of services");
            self.services.doubt();
            self.services.apply().await?;
        }
        if !self.policies.is_intact().await? {
            tracing::warn!("somebody removed the table of policies");
            self.policies.doubt();
            self.policies.apply().await?;
        }
        if let Some(nodes) = self.nodes.as_mut().filter(|nodes| !nodes.is_alone()) {
            nodes.apply().await?;
        }
        self.services.look_at_ports();
        let refused = self.state.borrow().refused.clone();
        self.say(None, refused);
        Ok(())
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
    let key = AttachmentKey { kind: NODE.to_owned(), namespace: String::new(), name: options.node.clone() };
    let own = manifest.content.attachments.get(&key).map(|node| zone(&node.bytes));
    Ok(Here {
        name: options.node.clone(),
        zone: own.unwrap_or_default(),
        // With a runtime that brings its own network, whose pods are whose is not known.
        own: if options.is_routed { cidr::node_cidrs(&manifest.content.setup.pod_cidrs)? } else { Vec::new() },
        cluster: ranges(manifest, "cluster_cidr")?,
        services: ranges(manifest, "service_cidr")?,
        served: list(manifest, "dns_ip").iter().filter_map(|ip| ip.parse::<IpAddr>().ok()).collect(),
        loopback: options.is_routed,
        overlay: options.is_routed.then(|| Names::of(&records::home(&options.data_dir)).overlay_link()),
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
