//! What a shim is told to run, as the JSON file `task.json` in the container's directory.

use std::path::PathBuf;

use libcontainer::oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};

/// Names of the files in a container's directory.
pub mod files {
    /// What to run.
    pub const TASK: &str = "task.json";
    /// How it ended.
    pub const EXIT: &str = "exit.json";
    /// The shim's socket.
    pub const SOCKET: &str = "shim.sock";
    /// Held by the living shim.
    pub const LOCK: &str = "lock";
    /// Held by a shim until it listens.
    pub const STARTING: &str = "starting";
    /// There once a start was tried; a container is started once at most.
    pub const BEGUN: &str = "begun";
    /// Pid and start time of the container's first process.
    pub const PID: &str = "pid";
    /// What the shim itself has to say.
    pub const SHIM_LOG: &str = "shim.log";
    /// libcontainer's state.
    pub const STATE: &str = "state";
    /// The pod's directory.
    pub const POD: &str = "pod";
    /// The mount point of the root file system.
    pub const ROOTFS: &str = "rootfs";
    /// Who its first process is: user, group, then supplementary groups, as numbers.
    pub const USER: &str = "user";
    /// The pty master's way out of the container.
    pub const CONSOLE: &str = "console.sock";
}

/// Everything a shim needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The container's id.
    pub id: String,
    /// The OCI spec, its user not yet looked up.
    pub spec: Spec,
    /// Who runs it.
    pub user: UserRequest,
    /// The directory of its pod; the spec knows it as `pod` in the container's own.
    pub pod: PathBuf,
    /// Its root file system.
    pub rootfs: Overlay,
    /// Its log.
    pub log: Option<LogOptions>,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether its stdin stays open.
    pub stdin: bool,
    /// Whether stdin closes after the first client has gone.
    pub stdin_once: bool,
    /// The cgroup, as `cgroupsPath` in the spec.
    pub cgroup: String,
}

/// The part of a task that the shim itself needs; the rest is never parsed in it, which keeps
/// its memory small.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Brief {
    /// The container's id.
    pub id: String,
    /// Its log.
    pub log: Option<LogOptions>,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether its stdin stays open.
    pub stdin: bool,
    /// Whether stdin closes after the first client has gone.
    pub stdin_once: bool,
    /// The cgroup, as `cgroupsPath` in the spec.
    pub cgroup: String,
}

/// Who runs the container; looked up in its own /etc/passwd and /etc/group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRequest {
    /// Empty (root), a name or a number.
    pub user: String,
    /// Empty (the user's own, else 0), a name or a number.
    pub group: String,
    /// More groups.
    pub supplemental: Vec<u32>,
    /// Whether groups of /etc/group that list the user are left out.
    pub strict: bool,
}

/// Directories to stack into a root file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// The topmost first.
    pub lower: Vec<PathBuf>,
    /// Where it is written.
    pub upper: PathBuf,
    /// overlayfs' own.
    pub work: PathBuf,
    /// Whether it is mounted in the host's mount namespace, which is needed for mounts that
    /// propagate back; else nobody but the container ever sees it.
    pub on_host: bool,
}

/// Where output goes and how much of it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogOptions {
    /// The file.
    pub path: PathBuf,
    /// Rotate at this size; 0: never.
    pub max_bytes: u64,
    /// Files kept, with the one being written.
    pub max_files: u32,
}
