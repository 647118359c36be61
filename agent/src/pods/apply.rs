//! One step → its effect on the node, and a signal that tells its end.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use masthead_api::core::pod::Pod;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::pods::convert::{labels, sandbox};
use crate::pods::events::Note;
use crate::pods::local::Failure;
use crate::pods::observe::{self, Sandbox};
use crate::pods::references::Attached;
use crate::pods::signal::Signal;
use crate::pods::site::Shared;
use crate::pods::slots::Slot;
use crate::pods::usage::{self, Usage};
use crate::pods::volumes::apply as volumes;
use crate::pods::{files, volumes as volume_room};
use crate::runtime::contract::SandboxRequest;
use crate::runtime::{disk, v1};

/// How long a failed volume or sandbox waits for its next try, in milliseconds.
const RETRY_MS: i64 = 5_000;

/// What a step works with.
#[derive(Clone)]
pub struct Cx {
    /// What all pods share.
    pub shared: Arc<Shared>,
    /// The pod as it was when the step began.
    pub pod: Arc<Pod>,
    /// What it refers to.
    pub attached: Arc<Attached>,
    /// Where its volumes are.
    pub places: Arc<BTreeMap<String, PathBuf>>,
    /// The pod's addresses.
    pub ips: Vec<String>,
    /// To the worker.
    pub tx: mpsc::Sender<Signal>,
    /// Cancelled when the pod ends.
    pub ending: CancellationToken,
}

impl Cx {
    /// Tells an event.
    pub async fn note(&self, note: Note) {
        self.send(Signal::Note(note)).await;
    }

    /// Tells an event where waiting is not possible; one too many is dropped.
    pub fn later(&self, note: Note) {
        let _ = self.tx.try_send(Signal::Note(note));
    }

    /// Tells the worker. One that is gone needs no telling.
    pub async fn send(&self, signal: Signal) {
        let _ = self.tx.send(signal).await;
    }

    /// A failure that is tried again after a while.
    pub fn failure(&self, reason: &str, message: String) -> Failure {
        Failure { reason: reason.to_owned(), message, retry_ms: self.shared.clock.now_ms() + RETRY_MS }
    }
}

/// Looks how much disk space the pod's volumes, and its containers' layers and logs, take.
pub async fn measure(cx: Cx) {
    let mut usage = Usage::default();
    let mut dirs: Vec<(bool, String, PathBuf)> = usage::counted(&cx.pod)
        .filter_map(|volume| Some((true, volume.name.clone(), cx.places.get(&volume.name)?.clone())))
        .collect();
    if usage::has_container_bounds(&cx.pod) {
        let logs = PathBuf::from(cx.shared.site_of(&cx.pod).log_directory);
        dirs.extend(cx.pod.spec.containers.iter().map(|c| (false, c.name.clone(), logs.join(&c.name))));
        let label_selector = HashMap::from([(labels::POD_UID.to_owned(), cx.pod.metadata.uid.clone())]);
        let filter = v1::ContainerStatsFilter { label_selector, ..v1::ContainerStatsFilter::default() };
        for stats in cx.shared.runtime.list_container_stats(filter).await.unwrap_or_default() {
            let name = stats.attributes.and_then(|attributes| attributes.metadata).map(|named| named.name);
            let bytes = stats.writable_layer.and_then(|layer| layer.used_bytes).map(|bytes| bytes.value);
            if let (Some(name), Some(bytes)) = (name, bytes) {
                *usage.containers.entry(name).or_default() += bytes;
            }
        }
    }
    let walked = tokio::task::spawn_blocking(move || {
        dirs.into_iter().map(|(is_volume, name, dir)| (is_volume, name, disk::used_bytes(&dir))).collect::<Vec<_>>()
    });
    for (is_volume, name, bytes) in walked.await.unwrap_or_default() {
        let counts = if is_volume { &mut usage.volumes } else { &mut usage.containers };
        *counts.entry(name).or_default() += bytes;
    }
    cx.send(Signal::Measured(usage)).await;
}

/// Makes the volumes ready.
pub async fn prepare_volumes(cx: Cx) {
    if cx.pod.spec.volumes.is_empty() {
        cx.send(Signal::Volumes(Ok(BTreeMap::new()))).await;
        return;
    }
    let placed = cx.shared.placed(&cx.ips);
    let dir = cx.shared.pod_dir(&cx.pod);
    let (pod, attached) = (cx.pod.clone(), cx.attached.clone());
    let done = tokio::task::spawn_blocking(move || volumes::prepare(&pod, &dir, &placed, &*attached)).await;
    let result = match done {
        Ok(Ok(places)) => Ok(places),
        Ok(Err(failures)) => {
            let message = failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            for failed in failures {
                cx.note(Note::warning("FailedMount", failed.to_string())).await;
            }
            Err(cx.failure("FailedMount", message))
        }
        Err(error) => Err(cx.failure("FailedMount", error.to_string())),
    };
    cx.send(Signal::Volumes(result)).await;
}

/// Makes a sandbox, with its place in the network and the pod's small files.
pub async fn run_sandbox(cx: Cx, attempt: u32) {
    let slot = Slot::take(&cx.shared).await;
    let result = match make_sandbox(&cx, attempt).await {
        Ok(sandbox) => Ok(sandbox),
        Err(why) => {
            let message = format!("Failed to create pod sandbox: {why}");
            cx.note(Note::warning("FailedCreatePodSandBox", message.clone())).await;
            Err(cx.failure("FailedCreatePodSandBox", message))
        }
    };
    let slot = slot.filter(|_| result.is_ok());
    cx.send(Signal::SandboxMade(result, slot)).await;
}

async fn make_sandbox(cx: &Cx, attempt: u32) -> Result<Sandbox, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let (shared, pod) = (&cx.shared, &cx.pod);
    let site = shared.site_of(pod);
    let config = sandbox::config(pod, &site, attempt).map_err(|error| text(&error))?;
    let mut request = SandboxRequest {
        config,
        runtime_handler: pod.spec.runtime_class_name.clone().unwrap_or_default(),
        ..SandboxRequest::default()
    };
    if !pod.spec.host_network {
        let place = shared.network.attach(&pod.metadata.uid).await.map_err(|error| text(&error))?;
        request.netns_path = Some(place.netns).filter(|path| !path.as_os_str().is_empty());
        request.ips = place.ips.iter().map(ToString::to_string).collect();
    }
    let given = request.ips.clone();
    // With addresses known before, the pod's files are written while the sandbox is made.
    let write = |ips: &[String]| {
        let hosts = sandbox::hosts_file(pod, ips, &site);
        let (dir, logs) = (shared.pod_dir(pod), PathBuf::from(&site.log_directory));
        tokio::task::spawn_blocking(move || files::prepare(&dir, &logs, &hosts))
    };
    let written = write(&given);
    let made = shared.runtime.run_pod_sandbox(request).await;
    // Waited for in any case: a pod whose sandbox could not be made may be removed next, files and all.
    written.await.map_err(|error| text(&error))?.map_err(|error| text(&error))?;
    let id = made.map_err(|error| text(&error))?;
    let status = shared.runtime.pod_sandbox_status(&id).await.map_err(|error| text(&error))?;
    let made = observe::sandbox(&status);
    if made.ips != given {
        write(&made.ips).await.map_err(|error| text(&error))?.map_err(|error| text(&error))?;
    }
    Ok(made)
}

/// Removes a dead container.
pub async fn remove_container(cx: Cx, id: String) {
    let result = cx.shared.runtime.remove_container(&id).await;
    if let Err(error) = &result {
        tracing::warn!(%id, %error, "a dead container can't be removed");
    }
    cx.shared.in_use.release(&id);
    cx.send(Signal::Removed { ok: result.is_ok(), id }).await;
}

/// Removes a sandbox that was replaced.
pub async fn remove_sandbox(cx: Cx, id: String) {
    let stopped = cx.shared.runtime.stop_pod_sandbox(&id).await;
    let result = match stopped {
        Ok(()) => cx.shared.runtime.remove_pod_sandbox(&id).await,
        Err(error) => Err(error),
    };
    if let Err(error) = &result {
        tracing::warn!(%id, %error, "an old sandbox can't be removed");
    }
    cx.send(Signal::Removed { ok: result.is_ok(), id }).await;
}

/// Stops the sandboxes of a pod that is done, and gives its address back.
pub async fn stop_sandboxes(cx: Cx, ids: Vec<String>) {
    let result = stop_all(&cx, &ids).await.map_err(|why| {
        tracing::warn!(pod = cx.pod.metadata.name, why, "a sandbox can't be stopped");
        cx.failure("FailedKillPod", why)
    });
    cx.send(Signal::SandboxStopped(result)).await;
}

async fn stop_all(cx: &Cx, ids: &[String]) -> Result<(), String> {
    for id in ids {
        cx.shared.runtime.stop_pod_sandbox(id).await.map_err(|error| error.to_string())?;
    }
    if cx.pod.spec.host_network {
        return Ok(());
    }
    cx.shared.network.detach(&cx.pod.metadata.uid).await.map_err(|error| error.to_string())
}

/// Removes every trace of a pod: sandboxes, containers, address, volumes, files, logs.
pub async fn cleanup(cx: Cx, sandboxes: Vec<String>, containers: Vec<String>) {
    let result = remove_all(&cx, &sandboxes, &containers).await.map_err(|why| {
        tracing::warn!(pod = cx.pod.metadata.name, why, "a pod can't be cleaned up");
        cx.failure("FailedKillPod", why)
    });
    cx.send(Signal::Cleaned(result)).await;
}

async fn remove_all(cx: &Cx, sandboxes: &[String], containers: &[String]) -> Result<(), String> {
    let (shared, meta) = (&cx.shared, &cx.pod.metadata);
    stop_all(cx, sandboxes).await?;
    for id in sandboxes {
        shared.runtime.remove_pod_sandbox(id).await.map_err(|error| error.to_string())?;
    }
    for id in containers {
        // Those of a sandbox that is gone by itself.
        shared.runtime.remove_container(id).await.map_err(|error| error.to_string())?;
        shared.in_use.release(id);
    }
    let dir = shared.pod_dir(&cx.pod);
    let logs = shared.dirs.logs_of(&meta.namespace, &meta.name, &meta.uid);
    let removed = tokio::task::spawn_blocking(move || {
        volume_room::apply::remove(&dir)?;
        match std::fs::remove_dir_all(logs) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    });
    removed.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}
