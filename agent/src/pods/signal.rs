//! What a pod's worker is woken by, and the end of each step that it began.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use masthead_api::core::pod::Pod;
use masthead_wire::manifest::Generation;

use crate::pods::events::Note;
use crate::pods::local::Failure;
use crate::pods::observe::{Observed, Sandbox, Seen};
use crate::pods::references::Attached;
use crate::pods::slots::Slot;
use crate::pods::usage::Usage;

/// What the manifest says of a pod.
#[derive(Clone, Debug)]
pub struct Order {
    /// The pod.
    pub pod: Arc<Pod>,
    /// What it refers to.
    pub attached: Arc<Attached>,
    /// Which manifest says so.
    pub generation: Generation,
}

/// Which probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeKind {
    /// Until it succeeds, the others wait.
    Startup,
    /// A failure ends the container.
    Liveness,
    /// A failure takes it out of service.
    Readiness,
}

/// Why a container did not start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartFailure {
    /// The waiting reason.
    pub reason: String,
    /// The waiting message.
    pub message: String,
    /// A pull was tried and failed.
    pub is_pull: bool,
    /// There is no image to make it from.
    pub is_image: bool,
}

/// News for a worker.
#[derive(Debug)]
pub enum Signal {
    /// The manifest says something else.
    Order(Order),
    /// The manifest does not name the pod any more.
    Dropped,
    /// A container is not what it was.
    Container(String, Seen),
    /// A container was removed.
    ContainerGone(String),
    /// A sandbox is not what it was.
    Sandbox(Sandbox),
    /// Everything was listed anew.
    Listed(Observed),
    /// A probe has a new verdict.
    Probe {
        /// The container's name.
        container: String,
        /// Its id.
        id: String,
        /// Which probe.
        kind: ProbeKind,
        /// Its verdict.
        ok: bool,
    },
    /// Something to tell.
    Note(Note),
    /// The disk space that the pod uses.
    Measured(Usage),
    /// The volumes are ready, or not.
    Volumes(Result<BTreeMap<String, PathBuf>, Failure>),
    /// The sandbox is made, or not; the turn it was made in is for what comes next.
    SandboxMade(Result<Sandbox, Failure>, Option<Slot>),
    /// A container runs and its hook, if any, is done.
    Started {
        /// Its name.
        name: String,
        /// What there is of it.
        seen: Option<Seen>,
        /// How it went.
        result: Result<(), StartFailure>,
    },
    /// The hook after the start failed.
    HookFailed {
        /// The container's name.
        name: String,
        /// Its id.
        id: String,
    },
    /// A container was stopped, or could not be.
    Stopped {
        /// Its name.
        name: String,
        /// What there is of it.
        seen: Option<Seen>,
    },
    /// A dead container or an old sandbox was removed, or could not be.
    Removed {
        /// Its id.
        id: String,
        /// Whether it is gone.
        ok: bool,
    },
    /// The sandbox is stopped, or could not be.
    SandboxStopped(Result<(), Failure>),
    /// The last trace is gone, or could not be removed.
    Cleaned(Result<(), Failure>),
}
