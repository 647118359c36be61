//! The watch of the store → one shared view of the cluster that deciders and the API read.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use masthead_plan::cluster::event::{Changed, Event};
use masthead_plan::cluster::view::Cluster;
use masthead_plan::network::ranges::Network;
use masthead_plan::sync::installed::Installed;
use masthead_plan::sync::scope::{Open, Seen, Touched};
use masthead_store::objects::{OWN_ROOT, Stored, record_key};
use tokio::sync::watch;

use crate::control::record;
use crate::sync::record::{self as commit, CommitRecord};

/// The cluster as the store had it at one revision; readers hold it only for as long as they read.
pub struct View {
    cluster: RwLock<Cluster>,
    beside: RwLock<Beside>,
    revision: watch::Sender<u64>,
}

/// What is known beside the cluster.
#[derive(Default)]
struct Beside {
    /// Keys that hold nothing readable, and why.
    faults: BTreeMap<String, String>,
    commits: BTreeMap<String, Arc<CommitRecord>>,
    /// What changes of the cluster mean for plans.
    touched: Touched,
}

impl Default for View {
    fn default() -> View {
        View { cluster: RwLock::default(), beside: RwLock::default(), revision: watch::Sender::new(0) }
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

    /// The newest state to plan on, and the moment of it for [`View::touched_since`].
    pub fn to_plan_on(&self) -> (Cluster, Seen) {
        let cluster = self.read();
        let seen = self.beside().touched.seen();
        (cluster.clone(), seen)
    }

    /// What may not be as asked any more since a state was planned on; `None` when that is not remembered.
    pub fn touched_since(&self, seen: Seen) -> Option<Open> {
        self.beside().touched.since(seen)
    }

    /// Keys of the store that hold no readable object, and why.
    pub fn faults(&self) -> BTreeMap<String, String> {
        self.beside().faults.clone()
    }

    /// What became of each commit that was taken up, by its id.
    pub fn commit(&self, id: &str) -> Option<Arc<CommitRecord>> {
        self.beside().commits.get(id).cloned()
    }

    /// All commits that were taken up, the newest last.
    pub fn commits(&self) -> Vec<Arc<CommitRecord>> {
        let mut all: Vec<_> = self.beside().commits.values().cloned().collect();
        all.sort_by_key(|record| record.sequence);
        all
    }

    fn beside(&self) -> RwLockReadGuard<'_, Beside> {
        self.beside.read().unwrap_or_else(PoisonError::into_inner)
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

    /// Takes in what one batch of the watch found, at `revision`.
    pub fn take(&self, stored: Vec<Stored>, revision: u64) -> Vec<Changed> {
        let touched = {
            let mut cluster = self.cluster.write().unwrap_or_else(PoisonError::into_inner);
            let mut beside = self.beside.write().unwrap_or_else(PoisonError::into_inner);
            fill(&mut cluster, &mut beside, stored, revision)
        };
        self.revision.send_modify(|now| *now = revision.max(*now));
        touched
    }

    /// Takes in what a load found, at `revision`, in place of everything before: nobody sees a part of it.
    pub fn replace(&self, stored: Vec<Stored>, revision: u64) -> Vec<Changed> {
        let (mut cluster, mut beside) = (Cluster::default(), Beside::default());
        cluster.set_network(self.read().network().clone());
        let touched = fill(&mut cluster, &mut beside, stored, revision);
        {
            let mut before = self.cluster.write().unwrap_or_else(PoisonError::into_inner);
            let mut known = self.beside.write().unwrap_or_else(PoisonError::into_inner);
            beside.touched = std::mem::take(&mut known.touched);
            beside.touched.forget();
            (*known, *before) = (beside, cluster);
        }
        self.revision.send_modify(|now| *now = revision.max(*now));
        touched
    }
}

/// Takes in what is stored; what it says of the objects is returned.
fn fill(cluster: &mut Cluster, beside: &mut Beside, stored: Vec<Stored>, revision: u64) -> Vec<Changed> {
    let mut touched = Vec::new();
    for one in stored {
        if !beside.faults.is_empty() {
            beside.faults.remove(&name_of(&one));
        }
        match one {
            Stored::Object(object) => touched.extend(beside.apply(cluster, Event::Put(object))),
            Stored::Gone(key) => touched.extend(beside.apply(cluster, Event::Gone(key, revision))),
            Stored::Record(key, body) => match body.map(|body| record::read(&body)).transpose() {
                Ok(record) => {
                    beside.touched.record(&key);
                    cluster.set_applied(key, record);
                }
                Err(why) => beside.fault(record_key(&key), &why),
            },
            Stored::Own(name, body) => beside.own(cluster, &name, body.as_deref()),
            Stored::Fault { key, why } => beside.fault(key, &why),
        }
    }
    cluster.advance(revision);
    touched
}

/// The store's name of something stored.
fn name_of(one: &Stored) -> String {
    match one {
        Stored::Object(object) => object.key().store_key(),
        Stored::Gone(key) => key.store_key(),
        Stored::Record(key, _) => record_key(key),
        Stored::Own(name, _) => format!("{OWN_ROOT}{name}"),
        Stored::Fault { key, .. } => key.clone(),
    }
}

impl Beside {
    /// Takes in an event of an object.
    fn apply(&mut self, cluster: &mut Cluster, event: Event) -> Option<Changed> {
        let changed = cluster.apply(event)?;
        self.touched.object(cluster, &changed);
        Some(changed)
    }

    /// Takes in a key that is no object.
    fn own(&mut self, cluster: &mut Cluster, name: &str, body: Option<&[u8]>) {
        let taken = if name == commit::REPOSITORY {
            let applied = body.map(commit::read_applied).transpose();
            applied.map(|applied| cluster.set_applied_commit(applied.as_ref().map(|a| a.commit.as_str())))
        } else if let Some(key) = name.strip_prefix(commit::INSTALLED).and_then(commit::release_of) {
            let installed = body.map(serde_json::from_slice::<Installed>).transpose();
            installed.map(|installed| cluster.set_installed(key, installed.map(Arc::new)))
        } else if let Some(id) = name.strip_prefix(commit::COMMITS) {
            body.map(serde_json::from_slice::<CommitRecord>).transpose().map(|record| match record {
                Some(record) => drop(self.commits.insert(id.to_owned(), Arc::new(record))),
                None => drop(self.commits.remove(id)),
            })
        } else {
            Ok(())
        };
        if let Err(why) = taken {
            self.fault(format!("{OWN_ROOT}{name}"), &why);
        }
    }

    fn fault(&mut self, key: String, why: &dyn std::fmt::Display) {
        let why = why.to_string();
        tracing::warn!(key, why, "a stored key holds no readable object; it is left alone");
        self.faults.insert(key, why);
    }
}

#[cfg(test)]
mod tests {
    use masthead_api::object::Object;
    use masthead_store::kv::Revision;
    use masthead_store::objects::read;
    use serde_json::json;

    use super::*;

    fn stored(key: &str, body: &str) -> Stored {
        let body = body.to_owned().into();
        read(key.as_bytes(), Some(&body), Revision(1)).unwrap()
    }

    fn map(name: &str) -> String {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "n", "uid": name}})
            .to_string()
    }

    #[test]
    fn what_can_be_read_again_or_is_gone_is_no_fault() {
        let view = View::default();
        let (good, own) = ("/masthead/core/configmaps/n/a", "/masthead/masthead.dev/repository");
        let applied = "/masthead/masthead.dev/applied/core/configmaps/n/a";
        let faults = |view: &View| view.faults().into_keys().collect::<Vec<_>>();
        view.take(vec![stored(good, "{"), stored(own, "{"), stored(applied, "{")], 1);
        assert_eq!(faults(&view), [good, applied, own]);
        view.take(vec![stored(good, &map("a"))], 2);
        assert_eq!(faults(&view), [applied, own]);
        view.take(vec![read(applied.as_bytes(), None, Revision(3)).unwrap()], 3);
        assert_eq!(faults(&view), [own]);
        view.take(vec![stored(own, r#"{"commit": "c", "branch": "main"}"#)], 4);
        assert!(faults(&view).is_empty());
        assert_eq!(view.read().applied_commit(), Some("c"));
    }

    #[test]
    fn a_load_takes_the_place_of_all_that_was_known() {
        let view = View::default();
        let record = CommitRecord {
            sequence: 1,
            commit: Default::default(),
            outcome: commit::Outcome::Healthy,
            summary: String::new(),
            detail: String::new(),
            started_s: 0,
            finished_s: None,
            took_ms: None,
            changed: Vec::new(),
            changed_more: 0,
            inherited: Vec::new(),
            hooks: Vec::new(),
        };
        let kept =
            |id: &str| stored(&format!("{OWN_ROOT}{}{id}", commit::COMMITS), &serde_json::to_string(&record).unwrap());
        let (a, b) = ("/masthead/core/configmaps/n/a", "/masthead/core/configmaps/n/b");
        view.take(vec![stored(a, &map("a")), stored("/masthead/core/configmaps/n/x", "{"), kept("one")], 1);
        view.replace(vec![stored(b, &map("b")), kept("two")], 2);
        let names: Vec<String> = view.read().objects().map(|object: &Arc<Object>| object.key().name.clone()).collect();
        assert_eq!(names, ["b"]);
        assert!(view.faults().is_empty() && view.commit("one").is_none() && view.commit("two").is_some());
        assert_eq!(view.revision(), 2);
    }
}
