//! Where what is kept in a state directory: what only this boot needs in memory, written layers on disk.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use crate::runtime::embedded::namespaces::unmount;

/// The most that records, specs and sockets may take, in bytes; about 60 KiB a container.
const RUN_BYTES: u64 = 512 << 20;

/// Records, specs, sockets, mount points: a memory file system that outlives the agent but not
/// the node's boot, as do the containers. A dozen small files a container cost more than the
/// rest of its start on a disk's file system under churn.
pub fn run(state_dir: &Path) -> PathBuf {
    state_dir.join("run")
}

/// The containers' directories.
pub fn containers(state_dir: &Path) -> PathBuf {
    run(state_dir).join("containers")
}

/// The sandboxes' directories.
pub fn sandboxes(state_dir: &Path) -> PathBuf {
    run(state_dir).join("sandboxes")
}

/// The containers' writable layers, on disk.
pub fn writable(state_dir: &Path) -> PathBuf {
    state_dir.join("writable")
}

/// Mounts the memory file system unless it is there.
pub fn mount_run(state_dir: &Path) -> io::Result<()> {
    let run = run(state_dir);
    fs::create_dir_all(&run)?;
    if fs::metadata(&run)?.dev() == fs::metadata(state_dir)?.dev() {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let options = format!("mode=0700,size={RUN_BYTES}");
        mount(Some("masthead"), &run, Some("tmpfs"), flags, Some(options.as_str()))?;
    }
    fs::create_dir_all(containers(state_dir))?;
    fs::create_dir_all(sandboxes(state_dir))?;
    fs::create_dir_all(writable(state_dir))
}

/// Unmounts it.
pub fn unmount_run(state_dir: &Path) {
    unmount(&run(state_dir));
}
