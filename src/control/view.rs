//! The watch of the store → one shared view of the cluster that deciders and the API read.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use masthead_plan::cluster::event::{Changed, Event};
use masthead_plan::cluster::view::Cluster;
use masthead_plan::network::ranges::Network;
use masthead_plan::sync::installed::Installed;
use masthead_store::objects::Stored;
use tokio::sync::watch;

use crate::control::record;
use crate::sync::record::{self as commit, CommitRecord};

/// The cluster as the store had it at one revision; readers hold it only for as long as they read.
pub struct View {
    cluster: RwLock<Cluster>,
    faults: RwLock<BTreeMap<String, String>>,
    commits: RwLock<BTreeMap<String, Arc<CommitRecord>>>,
    revision: watch::Sender<u64>,
}

impl Default for View {
    fn default() -> View {
        View {
            cluster: RwLock::default(),
            faults: RwLock::default(),
            commits: RwLock::default(),
            revision: watch::Sender::new(0),
        }
    }
}

impl View {
    /// Sets the ranges that the cluster was started with; before the first load.
    pub fn set_network(&self, network: Arc<Network>) {
        self.cluster.write().unwrap_or_else(PoisonError::into_inner).set_network(network);
    }

    /// The newest state. Do not hold it over an await.
    pub fn read(&self) -> RwLockReadGuard<'_, Cluster> {
        // A panic while writing leaves a whole state: each event is one insert or remove.
        self.cluster.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keys of the store that hold no readable object, and why.
    pub fn faults(&self) -> BTreeMap<String, String> {
        self.faults.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What became of each commit that was taken up, by its id.
    pub fn commit(&self, id: &str) -> Option<Arc<CommitRecord>> {
        self.commits.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// All commits that were taken up, the newest last.
    pub fn commits(&self) -> Vec<Arc<CommitRecord>> {
        let mut all: Vec<_> = self.commits.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        all.sort_by_key(|record| record.sequence);
        all
    }

    /// Takes in a key that is no object.
    fn own(&self, cluster: &mut Cluster, name: &str, body: Option<&[u8]>) {
        if name == commit::REPOSITORY {
            match body.map(commit::read_applied).transpose() {
                Ok(applied) => cluster.set_applied_commit(applied.as_ref().map(|a| a.commit.as_str())),
                Err(why) => self.fault(name.to_owned(), why.to_string()),
            }
        } else if let Some(key) = name.strip_prefix(commit::INSTALLED).and_then(commit::release_of) {
            match body.map(serde_json::from_slice::<Installed>).transpose() {
                Ok(installed) => cluster.set_installed(key, installed.map(Arc::new)),
                Err(why) => self.fault(name.to_owned(), why.to_string()),
            }
        } else if let Some(id) = name.strip_prefix(commit::COMMITS) {
            let mut commits = self.commits.write().unwrap_or_else(PoisonError::into_inner);
            match body.map(serde_json::from_slice::<CommitRecord>).transpose() {
                Ok(Some(record)) => drop(commits.insert(id.to_owned(), Arc::new(record))),
                Ok(None) => drop(commits.remove(id)),
                Err(why) => self.fault(name.to_owned(), why.to_string()),
            }
        }
    }

    /// The revision that the view stands at.
    pub fn revision(&self) -> u64 {
        *self.revision.borrow()
    }

    /// A receiver that wakes at each new revision.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Waits until the view has seen `revision`.
    pub async fn at_least(&self, revision: u64) {
        let mut seen = self.revision.subscribe();
        // The sender lives in self, so waiting cannot fail.
        let _ = seen.wait_for(|now| *now >= revision).await;
    }

    /// Takes in what a load or one batch of the watch found, at `revision`.
    pub fn take(&self, stored: Vec<Stored>, revision: u64) -> Vec<Changed> {
        let mut touched = Vec::new();
        {
            let mut cluster = self.cluster.write().unwrap_or_else(PoisonError::into_inner);
            for one in stored {
                match one {
                    Stored::Object(object) => touched.extend(cluster.apply(Event::Put(object))),
                    Stored::Gone(key) => touched.extend(cluster.apply(Event::Gone(key, revision))),
                    Stored::Record(key, body) => match body.map(|body| record::read(&body)).transpose() {
                        Ok(record) => cluster.set_applied(key, record),
                        Err(why) => self.fault(key.to_string(), why.to_string()),
                    },
                    Stored::Own(name, body) => self.own(&mut cluster, &name, body.as_deref()),
                    Stored::Fault { key, why } => self.fault(key, why.to_string()),
                }
            }
            cluster.advance(revision);
        }
        self.revision.send_modify(|now| *now = revision.max(*now));
        touched
    }

    /// Forgets everything, before a load that replaces it.
    pub fn replace(&self, stored: Vec<Stored>, revision: u64) -> Vec<Changed> {
        {
            let mut cluster = self.cluster.write().unwrap_or_else(PoisonError::into_inner);
            let network = cluster.network().clone();
            *cluster = Cluster::default();
            cluster.set_network(network);
        }
        self.take(stored, revision)
    }

    fn fault(&self, key: String, why: String) {
        tracing::warn!(key, why, "a stored key holds no readable object; it is left alone");
        self.faults.write().unwrap_or_else(PoisonError::into_inner).insert(key, why);
    }
}
