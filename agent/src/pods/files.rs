//! A pod's directories and hosts file on the node's disk, and what a container left as its last words.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a termination message that are read (the kubelet's `MaxContainerTerminationMessageLength`).
const MESSAGE_BYTES_MAX: u64 = 4096;

/// A pod's hosts file.
pub fn hosts_path(pod_dir: &Path) -> PathBuf {
    pod_dir.join("etc-hosts")
}

/// Makes the directories of a pod and its hosts file.
///
/// # Errors
/// The disk.
pub fn prepare(pod_dir: &Path, log_dir: &Path, hosts: &str) -> io::Result<()> {
    fs::create_dir_all(pod_dir)?;
    fs::set_permissions(pod_dir, fs::Permissions::from_mode(0o750))?;
    fs::create_dir_all(log_dir)?;
    let path = hosts_path(pod_dir);
    fs::write(&path, hosts)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

/// A termination message, cut to its limit; empty when there is none.
pub fn read_message(path: &Path) -> String {
    let mut bytes = Vec::new();
    // A container may have put anything in its place; only a plain file is read.
    let read = fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
        .open(path)
        .and_then(|file| file.take(MESSAGE_BYTES_MAX).read_to_end(&mut bytes));
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}
