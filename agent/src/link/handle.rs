//! What the rest of the agent holds of the link: the manifest to act on, and where to report.

use bytes::Bytes;
use masthead_wire::manifest::NodeManifest;
use masthead_wire::report::{NodeFacts, PodGone, PodStatus};
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::persist::Journal;
use super::problems::Problems;
use super::state::{LinkState, Options, Shared, Streams};
use super::tables::Tables;
use super::{persist, plan, run};

/// Why the link can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stored manifest can't be read for a reason that may pass.
    #[error(transparent)]
    Persist(#[from] persist::Error),
    /// There is nobody to dial.
    #[error("no control plane is named: give its HOST:PORT")]
    NoServer,
}

/// The link, cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

/// Starts the link. It joins when the node has no certificate, connects, and keeps a session up
/// until [`Handle::stop`]; the task ends early only when [`LinkState::Failed`].
pub fn start(options: Options, streams: Arc<dyn Streams>) -> Result<(Handle, JoinHandle<()>), Error> {
    if options.servers.is_empty() {
        return Err(Error::NoServer);
    }
    let held = match persist::load(&options.state_dir) {
        Ok(held) => held.map(Arc::new),
        Err(error @ persist::Error::Damaged { .. }) => {
            // Nothing is known then, which is not the same as "run nothing".
            tracing::error!(%error, "waiting for the control plane's manifest");
            None
        }
        Err(error) => return Err(error.into()),
    };
    let tables = Tables::default();
    if let Some(held) = &held {
        tables.held(held.generation);
    }
    let shared = Arc::new(Shared {
        instance: format!("{:032x}", rand::random::<u128>()),
        streams,
        manifest: watch::Sender::new(held.clone()),
        state: watch::Sender::new(LinkState::Connecting),
        facts: watch::Sender::new(options.facts.clone()),
        plan: Mutex::new(plan::State::new(held)),
        outbox: Mutex::default(),
        journal: Arc::new(Mutex::new(Journal::new(&options.state_dir))),
        tables,
        problems: Problems::default(),
        wake: Notify::new(),
        stop: CancellationToken::new(),
        options,
    });
    let task = tokio::spawn(run::run(shared.clone()));
    Ok((Handle(shared), task))
}

impl Handle {
    /// What the node must run: the last one from the disk at first, then each new one. `None`
    /// means that nothing is known yet: touch no container then.
    pub fn manifest(&self) -> watch::Receiver<Option<Arc<NodeManifest>>> {
        self.0.manifest.subscribe()
    }

    /// How the link is.
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.0.state.subscribe()
    }

    /// Reports a pod's status; the newest of a pod wins. The link fills `sequence` in. False when
    /// more pods are reported than a node can have.
    pub fn report_status(&self, status: PodStatus) -> bool {
        let taken = self.0.outbox().status(status);
        self.0.wake.notify_one();
        taken
    }

    /// Reports that a deleted pod's last container is gone and cleaned.
    pub fn report_gone(&self, gone: PodGone) {
        self.0.outbox().gone(gone);
        self.0.wake.notify_one();
    }

    /// Reports Kubernetes Events, each a JSON object.
    pub fn report_events(&self, events: impl IntoIterator<Item = Bytes>) {
        self.0.outbox().events(events);
        self.0.wake.notify_one();
    }

    /// Sets the node's conditions: Kubernetes' NodeConditions as a JSON list.
    pub fn set_conditions(&self, conditions: Bytes) {
        self.0.outbox().conditions(conditions);
        self.0.wake.notify_one();
    }

    /// Where parts of the agent say how far their tables are: the control plane waits for it before it ends pods that
    /// serve.
    pub fn tables(&self) -> Tables {
        self.0.tables.clone()
    }

    /// Where parts of the agent say what they can't do.
    pub fn problems(&self) -> Problems {
        self.0.problems.clone()
    }

    /// Sets what the node is. A change begins a new session, which tells it.
    pub fn set_facts(&self, facts: NodeFacts) {
        self.0.facts.send_if_modified(|old| {
            let changed = *old != facts;
            *old = facts;
            changed
        });
    }

    /// Ends the link. The manifest stays on the disk.
    pub fn stop(&self) {
        self.0.stop.cancel();
    }
}
