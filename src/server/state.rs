//! What the handlers of the API share.

use std::sync::{Arc, OnceLock};

use masthead_store::objects::Objects;

use crate::control::view::View;
use crate::daemon::data::Daemon;
use crate::daemon::tokens::Tokens;
use crate::fleet::handle::Handle as Fleet;
use crate::git::mirror::handle::Handle as Mirror;
use crate::nodes::dispatcher::Handle as Nodes;
use crate::sync::handle::Handle as Sync;

/// What the handlers share; cheap to clone.
#[derive(Clone)]
pub struct State {
    /// The cluster; reads are served from it.
    pub view: Arc<View>,
    /// The store, for writes and watches.
    pub store: Objects,
    /// The agents, for logs, exec, attach and port-forward.
    pub nodes: Nodes,
    /// The sync of the tracked branch.
    pub sync: Sync,
    /// Where this daemon answers.
    pub daemon: Daemon,
    /// A watched repository, to be looked at now.
    pub poke: Option<Mirror>,
    /// Join tokens.
    pub tokens: Arc<Tokens>,
    /// SHA-256 of the cluster's CA, which join tokens pin.
    pub ca_digest: [u8; 32],
    /// The nodes on this machine, when there are several.
    pub fleet: Arc<OnceLock<Fleet>>,
    /// When this process began, in Unix seconds.
    pub started_s: i64,
}
