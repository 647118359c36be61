//! What the server that agents dial shares with its handles.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use masthead_wire::pki::authority::Authority;
use masthead_wire::pki::token::TokenStore;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::members::Nodes;
use super::report::{Report, What};
use super::streams::Pending;

pub(super) struct Shared {
    pub authority: Arc<Authority>,
    pub tokens: Arc<dyn TokenStore>,
    pub lease_s: u32,
    pub node_lifetime: Duration,
    pub cluster: BTreeMap<String, String>,
    pub nodes: Mutex<Nodes>,
    pub streams: Pending,
    pub reports: mpsc::Sender<Report>,
    pub unclaimed: Mutex<Option<mpsc::Receiver<Report>>>,
    pub stop: CancellationToken,
}

impl Shared {
    pub fn nodes(&self) -> MutexGuard<'_, Nodes> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports what is only good to know; left out when the reports are full.
    pub fn notice(&self, node: &str, what: What) {
        let node = node.to_owned();
        let _ = self.reports.try_send(Report { node, what });
    }
}
