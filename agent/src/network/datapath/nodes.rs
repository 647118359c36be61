//! Nodes as the manifest has them → routes to their pods.

use std::net::IpAddr;

use masthead_wire::manifest::NodeManifest;
use nlink::netlink::{Connection, Route};
use serde::Deserialize;

use crate::network::cidr::{self, Cidr};
use crate::network::error::{IoContext, Result};
use crate::network::names::Names;
use crate::network::records::{self, Records};
use crate::network::routes::apply;
use crate::network::routes::observe::Underlay;
use crate::network::routes::plan::{self, Peer};

/// The kind of a node's attachment.
pub const NODE: &str = "Node";

/// The ways to other nodes.
pub struct Nodes {
    host: Connection<Route>,
    names: Names,
    records: Records,
    node: String,
    own: Vec<Cidr>,
    peers: Vec<Peer>,
    vni: u32,
    faults: Vec<String>,
    is_stale: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct View {
    metadata: MetaView,
    spec: SpecView,
    status: StatusView,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MetaView {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SpecView {
    #[serde(rename = "podCIDRs")]
    pod_cidrs: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatusView {
    addresses: Vec<AddressView>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AddressView {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

impl Nodes {
    /// Nothing is known yet, and the kernel is left as it is.
    pub fn new(names: &Names, data_dir: &std::path::Path, node: &str) -> Result<Self> {
        Ok(Self {
            host: Connection::<Route>::new().doing(|| "open netlink".to_owned())?,
            names: names.clone(),
            records: Records::open(&records::home(data_dir))?,
            node: node.to_owned(),
            own: Vec::new(),
            peers: Vec::new(),
            vni: 1,
            faults: Vec::new(),
            is_stale: false,
        })
    }

    /// Whether there are other nodes.
    pub fn is_alone(&self) -> bool {
        self.peers.is_empty()
    }

    /// What is not done, and why.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Takes all nodes in; they are few, and they seldom change.
    pub fn take(&mut self, manifest: &NodeManifest) -> Result<()> {
        self.own = cidr::node_cidrs(&manifest.content.setup.pod_cidrs)?;
        let fact = |name: &str| manifest.content.setup.facts.get(name).map_or("", String::as_str);
        self.vni = plan::vni(&[fact("cluster_domain"), fact("cluster_cidr"), fact("service_cidr")]);
        self.is_stale = true;
        self.faults.clear();
        self.peers.clear();
        for attachment in manifest.content.attachments.of_kind(NODE) {
            if attachment.key.name == self.node {
                continue;
            }
            match peer(&attachment.bytes) {
                Ok(peer) => self.peers.push(peer),
                Err(fault) => self.faults.push(format!("node {}: {fault}", attachment.key.name)),
            }
        }
        self.peers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(())
    }

    /// The same as [`Self::apply`], when a node changed since it was last done.
    ///
    /// # Errors
    /// The kernel, or the record.
    pub async fn apply_if_stale(&mut self) -> Result<()> {
        if self.is_stale { self.apply().await } else { Ok(()) }
    }

    /// Brings the kernel's routes to what they should be, as links are now.
    ///
    /// # Errors
    /// The kernel, or the record.
    pub async fn apply(&mut self) -> Result<()> {
        let underlay = Underlay::read(&self.host).await?;
        let (wanted, faults) = plan::plan(&self.node, &self.own, &self.peers, self.vni, &|ip| underlay.reach(ip));
        for fault in faults.iter().filter(|fault| !self.faults.contains(fault)) {
            tracing::warn!(fault, "pods of another node are not reached");
        }
        self.faults = faults;
        apply::bring(&self.host, &self.names, &self.records, &wanted).await?;
        self.is_stale = false;
        Ok(())
    }
}

fn peer(bytes: &[u8]) -> std::result::Result<Peer, String> {
    let view: View = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let cidrs = cidr::node_cidrs(&view.spec.pod_cidrs).map_err(|error| error.to_string())?;
    let own = view.status.addresses.iter().filter(|address| address.kind == "InternalIP");
    let ips: Vec<IpAddr> = own.filter_map(|address| address.address.parse().ok()).collect();
    Ok(Peer { name: view.metadata.name, cidrs, ips })
}
