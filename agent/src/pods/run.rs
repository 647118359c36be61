//! The node's manifest and the runtime's news → a worker for each pod, told of what concerns it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use masthead_api::core::pod::Pod;
use masthead_api::kind::Resource;
use masthead_wire::manifest::NodeManifest;
use masthead_wire::object::{Digest, PodEntry};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::pods::convert::labels;
use crate::pods::metrics::metrics;
use crate::pods::observe::{self, Observed};
use crate::pods::references;
use crate::pods::signal::{Order, Signal};
use crate::pods::site::Shared;
use crate::pods::worker::Worker;
use crate::runtime::error::Error;
use crate::runtime::v1;
use crate::runtime::v1::ContainerEventType;

/// The wait before a runtime that could not be asked is asked again.
const RETRY: Duration = Duration::from_secs(1);

type Manifest = watch::Receiver<Option<Arc<NodeManifest>>>;

struct Known {
    tx: mpsc::Sender<Signal>,
    digest: Option<Digest>,
    has_references: bool,
    version: Vec<Digest>,
    is_dropped: bool,
    pod: Arc<Pod>,
}

struct Manager {
    shared: Arc<Shared>,
    known: HashMap<String, Known>,
    /// Pods whose last trace is gone and that the manifest still names.
    gone: HashSet<String>,
    workers: JoinSet<String>,
}

/// Runs the node's pods until `stop`; then the workers end and the containers go on.
pub async fn run(shared: Arc<Shared>, mut manifest: Manifest, stop: CancellationToken) {
    let work = async {
        // Nothing is touched before it is known what should run.
        if manifest.wait_for(Option::is_some).await.is_err() {
            return;
        }
        let manager = Manager { shared, known: HashMap::new(), gone: HashSet::new(), workers: JoinSet::new() };
        manager.run(manifest).await;
    };
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}

impl Manager {
    async fn run(mut self, mut manifest: Manifest) {
        let mut first = true;
        loop {
            // Listening comes first, so that nothing is lost between the list and the news.
            let mut events = self.shared.runtime.container_events();
            let listed = match observe::node(&*self.shared.runtime, &self.shared.node).await {
                Ok(listed) => listed,
                Err(error) => {
                    tracing::warn!(%error, "the runtime can't be listed");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            if first {
                first = false;
                self.adopt(listed, &manifest);
                self.sweep(&manifest).await;
            } else {
                self.relisted(listed).await;
            }
            self.follow(&mut manifest).await;
            loop {
                tokio::select! {
                    event = events.next() => match event {
                        Some(Ok(event)) => self.news(event).await,
                        Some(Err(error)) => {
                            self.lost(&error);
                            break;
                        }
                        None => break,
                    },
                    changed = manifest.changed() => match changed {
                        Ok(()) => self.follow(&mut manifest).await,
                        Err(_) => return,
                    },
                    Some(ended) = self.workers.join_next() => self.ended(ended),
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn lost(&self, error: &Error) {
        tracing::warn!(%error, "the runtime's news broke off; everything is listed anew");
    }

    fn count(&self) {
        metrics().iter().for_each(|metrics| metrics.pods.set(i64::try_from(self.known.len()).unwrap_or(i64::MAX)));
    }

    fn ended(&mut self, ended: Result<String, tokio::task::JoinError>) {
        match ended {
            Ok(uid) => {
                if self.known.remove(&uid).is_some_and(|known| !known.is_dropped) {
                    self.gone.insert(uid);
                }
            }
            Err(error) if error.is_cancelled() => {}
            Err(error) => tracing::error!(%error, "a pod's worker broke"),
        }
        self.count();
    }

    /// What runs already, at the start: pods of the manifest go on, all others end.
    fn adopt(&mut self, listed: HashMap<String, Observed>, manifest: &Manifest) {
        let manifest = manifest.borrow().clone();
        let Some(manifest) = manifest else { return };
        for (uid, observed) in listed {
            match manifest.content.pods.get(uid.as_str()) {
                Some(entry) => self.spawn(&manifest, entry, observed),
                None => self.spawn_stranger(uid, observed),
            }
        }
    }

    /// What earlier pods have left on the disk and in the network, of which the runtime knows nothing any more.
    async fn sweep(&mut self, manifest: &Manifest) {
        let named = manifest.borrow().clone();
        let is_named = |uid: &str| named.as_ref().is_some_and(|m| m.content.pods.contains_key(uid));
        let dirs = self.shared.dirs.clone();
        let (pods, logs) =
            tokio::task::spawn_blocking(move || (entries(&dirs.pods), entries(&dirs.logs))).await.unwrap_or_default();
        let attached = self.shared.network.attached().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the network can't say whom it serves");
            Vec::new()
        });
        for uid in pods.into_iter().chain(attached) {
            if !is_named(&uid) && !self.known.contains_key(&uid) {
                self.spawn_stranger(uid, Observed::default());
            }
        }
        for dir in logs {
            let uid = dir.rsplit('_').next().unwrap_or_default();
            if !is_named(uid) && !self.known.contains_key(uid) {
                let path = self.shared.dirs.logs.join(&dir);
                let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(path)).await;
            }
        }
    }

    async fn relisted(&mut self, mut listed: HashMap<String, Observed>) {
        for (uid, known) in &self.known {
            let observed = listed.remove(uid).unwrap_or_default();
            let _ = known.tx.send(Signal::Listed(observed)).await;
        }
    }

    fn spawn_stranger(&mut self, uid: String, observed: Observed) {
        tracing::info!(pod = observed.name, uid, "a pod that the manifest does not name is ended");
        let mut pod = Pod::default();
        pod.metadata.uid.clone_from(&uid);
        pod.metadata.name.clone_from(&observed.name);
        pod.metadata.namespace.clone_from(&observed.namespace);
        let pod = Arc::new(pod);
        let order = Order { pod: pod.clone(), attached: Arc::default(), generation: Default::default() };
        let (mut worker, tx) = Worker::new(self.shared.clone(), order, observed);
        worker.drop_at_start();
        let known = Known { tx, digest: None, has_references: false, version: Vec::new(), is_dropped: true, pod };
        self.known.insert(uid.clone(), known);
        self.workers.spawn(async move {
            worker.run().await;
            uid
        });
    }

    fn spawn(&mut self, manifest: &NodeManifest, entry: &PodEntry, observed: Observed) {
        let Some(order) = order(manifest, entry) else { return };
        let uid = entry.uid.to_string();
        let known = Known {
            tx: mpsc::channel(1).0,
            digest: Some(entry.digest),
            has_references: !references::names(&order.pod).is_empty(),
            version: order.attached.version.clone(),
            is_dropped: false,
            pod: order.pod.clone(),
        };
        let (worker, tx) = Worker::new(self.shared.clone(), order, observed);
        self.known.insert(uid.clone(), Known { tx, ..known });
        self.workers.spawn(async move {
            worker.run().await;
            uid
        });
    }

    /// Brings the workers to what the manifest says now.
    async fn follow(&mut self, manifest: &mut Manifest) {
        let Some(manifest) = manifest.borrow_and_update().clone() else { return };
        let pods = &manifest.content.pods;
        self.gone.retain(|uid| pods.contains_key(uid.as_str()));
        for entry in pods.values() {
            match self.known.get_mut(&*entry.uid) {
                None if self.gone.contains(&*entry.uid) => {}
                None => self.spawn(&manifest, entry, Observed::default()),
                Some(known) => {
                    if let Some(order) = changed(known, &manifest, entry) {
                        let _ = known.tx.send(Signal::Order(order)).await;
                    }
                }
            }
        }
        for (uid, known) in &mut self.known {
            if !known.is_dropped && !pods.contains_key(uid.as_str()) {
                known.is_dropped = true;
                let _ = known.tx.send(Signal::Dropped).await;
            }
        }
        self.count();
    }

    /// Tells a worker what the runtime says of its containers.
    async fn news(&mut self, event: v1::ContainerEventResponse) {
        let sandbox = event.pod_sandbox_status.as_ref();
        let uid = sandbox.and_then(|status| status.metadata.as_ref()).map(|metadata| metadata.uid.clone());
        let by_label =
            || event.containers_statuses.iter().find_map(|status| status.labels.get(labels::POD_UID).cloned());
        let Some(known) = uid.or_else(by_label).and_then(|uid| self.known.get(&uid)) else { return };
        if event.container_event_type() == ContainerEventType::ContainerDeletedEvent {
            let _ = known.tx.send(Signal::ContainerGone(event.container_id)).await;
            return;
        }
        let sandbox_id = sandbox.map(|status| status.id.clone()).unwrap_or_default();
        if let Some(status) = sandbox {
            let _ = known.tx.send(Signal::Sandbox(observe::sandbox(status))).await;
        }
        for status in &event.containers_statuses {
            if let Some((name, seen)) = observe::seen(status, &sandbox_id) {
                let _ = known.tx.send(Signal::Container(name, seen)).await;
            }
        }
    }
}

/// Names in a directory; none when it is not there.
fn entries(dir: &Path) -> Vec<String> {
    let found = std::fs::read_dir(dir).into_iter().flatten().flatten();
    found.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// What the manifest says of a pod; nothing when it can't be read.
fn order(manifest: &NodeManifest, entry: &PodEntry) -> Option<Order> {
    match Pod::from_json(&entry.bytes) {
        Ok(pod) => {
            let attached = Arc::new(references::attached(&pod, &manifest.content));
            Some(Order { pod: Arc::new(pod), attached, generation: manifest.generation })
        }
        Err(error) => {
            // The text of the parser is left out: it may quote a value.
            tracing::error!(pod = entry.name, uid = %entry.uid, line = error.line(), column = error.column(), "a pod can't be read");
            None
        }
    }
}

/// The new order when the pod or what it refers to is not what it was.
fn changed(known: &mut Known, manifest: &NodeManifest, entry: &PodEntry) -> Option<Order> {
    let is_same = known.digest == Some(entry.digest) && !known.is_dropped;
    if is_same && !known.has_references {
        return None;
    }
    if is_same {
        let attached = references::attached(&known.pod, &manifest.content);
        if attached.version == known.version {
            return None;
        }
        known.version.clone_from(&attached.version);
        return Some(Order { pod: known.pod.clone(), attached: Arc::new(attached), generation: manifest.generation });
    }
    let order = order(manifest, entry)?;
    known.digest = Some(entry.digest);
    known.is_dropped = false;
    known.has_references = !references::names(&order.pod).is_empty();
    known.version.clone_from(&order.attached.version);
    known.pod = order.pod.clone();
    Some(order)
}

/// Uids of pods and their names, for those who ask by name.
pub fn by_name(pods: &BTreeMap<Arc<str>, Arc<PodEntry>>, namespace: &str, name: &str) -> Option<Arc<str>> {
    pods.values().find(|entry| entry.namespace == namespace && entry.name == name).map(|entry| entry.uid.clone())
}
