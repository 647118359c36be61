//! How the embedded runtime is set up.

use std::ffi::OsString;
use std::path::PathBuf;

/// Settings.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it keeps containers, on a file system that can hold overlayfs' upper directories.
    /// Below it, `run` is a memory file system of its own.
    pub state_dir: PathBuf,
    /// The program that calls [`crate::shim::main`]; normally our own, `/proc/self/exe`.
    pub shim_program: PathBuf,
    /// Arguments before the shim's own, normally `shim`.
    pub shim_args: Vec<OsString>,
    /// The cgroup all pods are below that name none themselves, such as `/masthead`.
    pub cgroup_root: String,
    /// A container's log is rotated at this size in bytes; 0: never.
    pub log_max_bytes: u64,
    /// Log files kept for a container, with the one being written.
    pub log_max_files: u32,
}

impl Options {
    /// The kubelet's defaults: 5 log files of 10 MiB.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            shim_program: PathBuf::from("/proc/self/exe"),
            shim_args: vec![OsString::from("shim")],
            cgroup_root: "/masthead".to_owned(),
            log_max_bytes: 10 << 20,
            log_max_files: 5,
        }
    }
}
