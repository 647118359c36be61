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
    memory(state_dir, &run(state_dir))?;
    fs::create_dir_all(containers(state_dir))?;
    // One of its own: a shim leaves the mounts of all other pods behind with it, so that what a
    // start costs does not grow with them.
    memory(&run(state_dir), &sandboxes(state_dir))?;
    fs::create_dir_all(writable(state_dir))
}

fn memory(parent: &Path, path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    if fs::metadata(path)?.dev() == fs::metadata(parent)?.dev() {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let options = format!("mode=0700,size={RUN_BYTES}");
        mount(Some("masthead"), path, Some("tmpfs"), flags, Some(options.as_str()))?;
    }
    Ok(())
}

/// Unmounts it.
pub fn unmount_run(state_dir: &Path) {
    unmount(&run(state_dir));
}
