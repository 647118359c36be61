//! What the agent knows of a pod beside its manifest and the runtime: what is under way, what failed, what probes say.

use std::collections::BTreeMap;

use masthead_api::core::pod_status::{ContainerStatus, PodStatus};

use crate::pods::backoff::Backoff;
use crate::pods::observe::{Observed, Phase};
use crate::pods::usage::Usage;

/// A failure, in a waiting container's words, and when to try again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// `ErrImagePull`, `CreateContainerConfigError`, …
    pub reason: String,
    /// For the pod's owner.
    pub message: String,
    /// Not before; milliseconds since 1970.
    pub retry_ms: i64,
}

/// How far something is that is done once for a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Not begun.
    #[default]
    Idle,
    /// Under way.
    Busy,
    /// Done.
    Done,
    /// It failed.
    Failed(Failure),
}

/// Why a running container has to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doom {
    /// The container's id.
    pub id: String,
    /// The event's message.
    pub message: String,
    /// Seconds that replace the pod's own grace.
    pub grace_s: Option<i64>,
}

/// What is under way for a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// Its image is pulled, it is made and started.
    Starting,
    /// It is stopped.
    Stopping,
}

/// What is known of one container of the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerLocal {
    /// How often it was begun by an earlier agent's word, where the runtime's records of it are gone: the number of its
    /// next start.
    pub begun: u32,
    /// What is under way.
    pub busy: Option<Busy>,
    /// Why its last start failed.
    pub failure: Option<Failure>,
    /// Its crashes.
    pub crash: Backoff,
    /// Its image pulls.
    pub pull: Backoff,
    /// The text of the last failed pull.
    pub pull_error: String,
    /// The running container that the following three are about.
    pub probed: String,
    /// Whether it is started as its startup probe and its hook say.
    pub started: bool,
    /// Whether it is ready as its readiness probe says.
    pub ready: bool,
    /// Its end, once decided.
    pub doom: Option<Doom>,
}

/// How often a container was begun by its last status: as the kubelet, which finds the number in the names of its logs
/// when a node comes back with an empty runtime.
pub fn begun(status: &ContainerStatus) -> u32 {
    // A status without an id counts the starts before the one that has not happened yet.
    let is_last = u32::from(!status.container_id.is_empty());
    u32::try_from(status.restart_count).unwrap_or(0).saturating_add(is_last)
}

/// A pod has to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Seconds between the stop signal and the kill.
    pub grace_s: i64,
    /// When it began; milliseconds since 1970.
    pub since_ms: i64,
    /// Whether its traces go too; else it stays as failed.
    pub removed: bool,
    /// The status' reason when it does not come from the containers, such as `DeadlineExceeded`.
    pub reason: String,
    /// The status' message.
    pub message: String,
}

/// What the agent knows of a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Local {
    /// When the agent first saw the pod; milliseconds since 1970.
    pub start_ms: i64,
    /// Its end, once decided.
    pub ending: Option<Ending>,
    /// Its volumes.
    pub volumes: Stage,
    /// Its next sandbox.
    pub sandbox: Stage,
    /// The stop of its sandbox.
    pub sandbox_stop: Stage,
    /// The removal of all its traces.
    pub cleanup: Stage,
    /// Dead containers that are being removed.
    pub removing: Vec<String>,
    /// By container name.
    pub containers: BTreeMap<String, ContainerLocal>,
    /// Addresses of the node, the primary one first.
    pub host_ips: Vec<String>,
    /// The disk space it had when it was last measured.
    pub usage: Usage,
    /// The measurement of its disk space.
    pub measuring: Stage,
    /// When it is measured next; milliseconds since 1970.
    pub measure_ms: i64,
    /// How it ended, where that was told before: it is not run again, whatever is left of it here.
    pub over: Option<Box<PodStatus>>,
}

impl Local {
    /// What is known of a container.
    pub fn container(&self, name: &str) -> ContainerLocal {
        self.containers.get(name).cloned().unwrap_or_default()
    }

    /// Goes on from the last status that an earlier agent told: back-offs, readiness, starts of which the runtime has no record.
    pub fn resume(&mut self, before: &PodStatus, observed: &Observed) {
        for status in before.init_container_statuses.iter().chain(&before.container_statuses) {
            let local = self.container_mut(&status.name);
            let Some(seen) = observed.newest(&status.name) else {
                local.begun = begun(status);
                continue;
            };
            let is_same = status.container_id.ends_with(&seen.id) && !seen.id.is_empty();
            local.crash = Backoff::resumed(seen.attempt, seen.created_ms);
            if is_same && seen.phase == Phase::Running {
                (local.probed, local.started, local.ready) =
                    (seen.id.clone(), status.started == Some(true), status.ready);
            }
        }
    }

    /// What is known of a container, to be changed.
    pub fn container_mut(&mut self, name: &str) -> &mut ContainerLocal {
        self.containers.entry(name.to_owned()).or_default()
    }
}
