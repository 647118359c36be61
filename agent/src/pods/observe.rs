//! What a runtime lists → what there is of each pod: sandboxes and containers, the newest first.

use std::collections::{BTreeMap, HashMap};

use futures::stream::{StreamExt, TryStreamExt};

use crate::pods::convert::labels;
use crate::runtime::contract::Runtime;
use crate::runtime::error::Result;
use crate::runtime::v1;

/// Calls under way at a time while a whole node is listed.
const CALLS: usize = 16;

/// What there is of one pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Namespace, as its sandbox was labelled.
    pub namespace: String,
    /// Name, as its sandbox was labelled.
    pub name: String,
    /// The newest first.
    pub sandboxes: Vec<Sandbox>,
    /// By container name; the newest first.
    pub containers: BTreeMap<String, Vec<Seen>>,
}

/// A sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// Its id.
    pub id: String,
    /// Counts the sandboxes of the pod.
    pub attempt: u32,
    /// Whether containers can run in it.
    pub ready: bool,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    /// Its addresses, the primary one first.
    pub ips: Vec<String>,
}

/// Where a container is in its life; later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Made, never started.
    #[default]
    Created,
    /// Runs.
    Running,
    /// Ended.
    Exited,
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its id.
    pub id: String,
    /// Its sandbox.
    pub sandbox_id: String,
    /// How often its like was restarted before.
    pub attempt: u32,
    /// Where it is in its life.
    pub phase: Phase,
    /// Milliseconds since 1970; 0 before.
    pub created_ms: i64,
    /// Milliseconds since 1970; 0 before.
    pub started_ms: i64,
    /// Milliseconds since 1970; 0 before.
    pub finished_ms: i64,
    /// 128 + n after signal n.
    pub exit_code: i32,
    /// `Completed`, `Error`, `OOMKilled`, `StartError`, …
    pub reason: String,
    /// The runtime's words, then the container's own termination message.
    pub message: String,
    /// The image as the manifest named it.
    pub image: String,
    /// The image as a status names it, by digest.
    pub image_ref: String,
    /// Digest of the manifest that it was made from.
    pub spec_hash: String,
    /// Its log.
    pub log_path: String,
    /// Where its termination message is on the node; empty: nowhere.
    pub message_path: String,
}

impl Observed {
    /// The newest sandbox when it is ready.
    pub fn sandbox(&self) -> Option<&Sandbox> {
        self.sandboxes.first().filter(|sandbox| sandbox.ready)
    }

    /// The newest container of a name.
    pub fn newest(&self, name: &str) -> Option<&Seen> {
        self.containers.get(name).and_then(|list| list.first())
    }

    /// The newest container of a name when it lives in the ready sandbox.
    pub fn current(&self, name: &str) -> Option<&Seen> {
        let sandbox = self.sandbox()?;
        self.newest(name).filter(|seen| seen.sandbox_id == sandbox.id)
    }

    /// Every container.
    pub fn all(&self) -> impl Iterator<Item = (&String, &Seen)> {
        self.containers.iter().flat_map(|(name, list)| list.iter().map(move |seen| (name, seen)))
    }

    /// Whether anything runs, or may be started by nobody's leave.
    pub fn is_alive(&self) -> bool {
        self.all().any(|(_, seen)| seen.phase == Phase::Running)
    }

    /// Takes news of a container; what is older than what is known changes nothing. Says whether it was news.
    pub fn note(&mut self, name: &str, seen: Seen) -> bool {
        let list = self.containers.entry(name.to_owned()).or_default();
        match list.iter_mut().find(|known| known.id == seen.id) {
            Some(known) if known.phase > seen.phase || *known == seen => return false,
            Some(known) => *known = seen,
            None => {
                list.push(seen);
                list.sort_by_key(|seen| std::cmp::Reverse((seen.attempt, seen.created_ms)));
            }
        }
        true
    }

    /// Takes news of a sandbox; says whether it was news.
    pub fn note_sandbox(&mut self, sandbox: Sandbox) -> bool {
        match self.sandboxes.iter_mut().find(|known| known.id == sandbox.id) {
            // A sandbox that has stopped never comes back, so this is late news.
            Some(known) if !known.ready && sandbox.ready || *known == sandbox => return false,
            Some(known) => *known = sandbox,
            None => {
                self.sandboxes.push(sandbox);
                self.sandboxes.sort_by_key(|sandbox| std::cmp::Reverse((sandbox.attempt, sandbox.created_ms)));
            }
        }
        true
    }

    /// Forgets a container.
    pub fn forget(&mut self, id: &str) {
        for list in self.containers.values_mut() {
            list.retain(|seen| seen.id != id);
        }
        self.containers.retain(|_, list| !list.is_empty());
    }

    /// Forgets a sandbox with its containers.
    pub fn forget_sandbox(&mut self, id: &str) {
        self.sandboxes.retain(|sandbox| sandbox.id != id);
        for list in self.containers.values_mut() {
            list.retain(|seen| seen.sandbox_id != id);
        }
        self.containers.retain(|_, list| !list.is_empty());
    }
}

const fn ms(nanoseconds: i64) -> i64 {
    nanoseconds / 1_000_000
}

/// A container's status in our words, with the name of the container. `message_target` is the
/// place in the container that its termination message is mounted at.
pub fn seen(status: &v1::ContainerStatus, sandbox_id: &str) -> Option<(String, Seen)> {
    let metadata = status.metadata.as_ref()?;
    let annotation = status.annotations.get(labels::RESTART_COUNT).and_then(|count| count.parse().ok());
    let target = status.annotations.get(labels::MESSAGE_PATH);
    let mount = status.mounts.iter().find(|mount| target.is_some_and(|target| *target == mount.container_path));
    let phase = match status.state() {
        v1::ContainerState::ContainerCreated => Phase::Created,
        v1::ContainerState::ContainerRunning => Phase::Running,
        // Nothing more is known of it: it does not run, or it would be known.
        v1::ContainerState::ContainerExited | v1::ContainerState::ContainerUnknown => Phase::Exited,
    };
    let image = status.image.clone().unwrap_or_default();
    let named = if image.user_specified_image.is_empty() { image.image } else { image.user_specified_image };
    let seen = Seen {
        id: status.id.clone(),
        sandbox_id: sandbox_id.to_owned(),
        attempt: annotation.unwrap_or(metadata.attempt),
        phase,
        created_ms: ms(status.created_at),
        started_ms: ms(status.started_at),
        finished_ms: ms(status.finished_at),
        exit_code: status.exit_code,
        reason: match status.state() {
            v1::ContainerState::ContainerUnknown => "ContainerStatusUnknown".to_owned(),
            _ => status.reason.clone(),
        },
        message: status.message.clone(),
        image: named,
        image_ref: status.image_ref.clone(),
        spec_hash: status.labels.get(labels::SPEC_HASH).cloned().unwrap_or_default(),
        log_path: status.log_path.clone(),
        message_path: mount.map(|mount| mount.host_path.clone()).unwrap_or_default(),
    };
    Some((metadata.name.clone(), seen))
}

/// A sandbox's status in our words.
pub fn sandbox(status: &v1::PodSandboxStatus) -> Sandbox {
    let network = status.network.clone().unwrap_or_default();
    let primary = Some(network.ip).filter(|ip| !ip.is_empty());
    Sandbox {
        id: status.id.clone(),
        attempt: status.metadata.as_ref().map_or(0, |metadata| metadata.attempt),
        ready: status.state() == v1::PodSandboxState::SandboxReady,
        created_ms: ms(status.created_at),
        ips: primary.into_iter().chain(network.additional_ips.into_iter().map(|ip| ip.ip)).collect(),
    }
}

/// Everything of `node` in a runtime, by pod uid.
///
/// # Errors
/// The runtime can't be asked.
pub async fn node(runtime: &dyn Runtime, node: &str) -> Result<HashMap<String, Observed>> {
    let label_selector = HashMap::from([(labels::NODE.to_owned(), node.to_owned())]);
    let filter = v1::PodSandboxFilter { label_selector: label_selector.clone(), ..Default::default() };
    let sandboxes = runtime.list_pod_sandboxes(filter).await?;
    let filter = v1::ContainerFilter { label_selector, ..Default::default() };
    let containers = runtime.list_containers(filter).await?;
    let mut pods: HashMap<String, Observed> = HashMap::new();
    let statuses = futures::stream::iter(sandboxes)
        .map(|listed| async move { gone_is_none(runtime.pod_sandbox_status(&listed.id).await) })
        .buffer_unordered(CALLS);
    let mut statuses = std::pin::pin!(statuses);
    while let Some(status) = statuses.try_next().await? {
        let Some((status, metadata)) = status.and_then(|s| s.metadata.clone().map(|m| (s, m))) else { continue };
        let pod = pods.entry(metadata.uid).or_default();
        (pod.namespace, pod.name) = (metadata.namespace, metadata.name);
        pod.note_sandbox(sandbox(&status));
    }
    let statuses = futures::stream::iter(containers)
        .map(|listed| async move {
            let status = gone_is_none(runtime.container_status(&listed.id).await)?;
            Ok::<_, crate::runtime::error::Error>((listed, status))
        })
        .buffer_unordered(CALLS);
    let mut statuses = std::pin::pin!(statuses);
    while let Some((listed, status)) = statuses.try_next().await? {
        let (Some(uid), Some(status)) = (listed.labels.get(labels::POD_UID), status) else { continue };
        if let Some((name, seen)) = seen(&status, &listed.pod_sandbox_id) {
            pods.entry(uid.clone()).or_default().note(&name, seen);
        }
    }
    Ok(pods)
}

/// What was removed since it was listed is not there.
fn gone_is_none<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
