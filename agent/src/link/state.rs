//! What the link is, as the tasks that keep it up and its handles share it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use masthead_wire::manifest::NodeManifest;
use masthead_wire::pki::token::Token;
use masthead_wire::report::NodeFacts;
use masthead_wire::stream::{AgentIo, StreamRequest};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::link::outbox::Outbox;
use crate::link::persist::Journal;
use crate::link::plan;
use crate::link::problems::Problems;
use crate::link::tables::Tables;

/// How the link is set up.
#[derive(Debug)]
pub struct Options {
    /// Control planes as `HOST:PORT`, tried in turn.
    pub servers: Vec<String>,
    /// Where the link keeps its files: `pki/` and the last manifest.
    pub state_dir: PathBuf,
    /// The node's name.
    pub node: String,
    /// Needed once: a node that has joined has a certificate.
    pub token: Option<Token>,
    /// What the node is.
    pub facts: NodeFacts,
}

/// Serves the streams (logs, exec, attach, port-forward) that the control plane asks for.
pub trait Streams: Send + Sync + 'static {
    /// Takes a stream over; must not block. Dropping `io` without an exit tells the user of a failure.
    fn open(&self, request: StreamRequest, io: AgentIo);
}

/// How the link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// No session yet.
    Connecting,
    /// A session is up.
    Connected(Welcome),
    /// No session; the next attempt follows by itself.
    Down {
        /// Why the last one ended.
        why: String,
    },
    /// No further attempt is made: only a person can help.
    Failed {
        /// Why.
        why: String,
    },
}

/// What the control plane said when the session began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Welcome {
    /// A node that is silent for this long is taken for lost.
    pub lease_s: u32,
    /// The control plane's term.
    pub term: u64,
    /// Facts of the cluster: domain, DNS address, version.
    pub cluster: BTreeMap<String, String>,
}

pub(super) struct Shared {
    pub options: Options,
    pub instance: String,
    pub streams: Arc<dyn Streams>,
    pub manifest: watch::Sender<Option<Arc<NodeManifest>>>,
    pub state: watch::Sender<LinkState>,
    pub facts: watch::Sender<NodeFacts>,
    pub plan: Mutex<plan::State>,
    pub outbox: Mutex<Outbox>,
    pub journal: Arc<Mutex<Journal>>,
    pub tables: Tables,
    pub problems: Problems,
    pub wake: Notify,
    pub stop: CancellationToken,
}

impl Shared {
    pub fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn plan(&self) -> MutexGuard<'_, plan::State> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
