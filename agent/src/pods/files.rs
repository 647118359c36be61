//! The small files of a pod on the node's disk: hosts file, termination messages, the last status.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use masthead_api::core::pod_status::PodStatus;

use crate::pods::site::safe;

/// Bytes of a termination message that are read (the kubelet's `MaxContainerTerminationMessageLength`).
const MESSAGE_BYTES_MAX: u64 = 4096;
const STATUS: &str = "status.json";

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

/// Where a container's termination message is on the node; makes it empty and writable for every user.
///
/// # Errors
/// The disk.
pub fn termination_message(pod_dir: &Path, container: &str, attempt: u32) -> io::Result<PathBuf> {
    let dir = pod_dir.join("containers").join(safe(container));
    fs::create_dir_all(&dir)?;
    let path = dir.join(format!("{attempt}.message"));
    fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o666).open(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    Ok(path)
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

/// Keeps a pod's last status, which a restarted agent goes on from.
///
/// # Errors
/// The disk.
pub fn save_status(pod_dir: &Path, json: &[u8]) -> io::Result<()> {
    let draft = pod_dir.join(".status.draft");
    let written = fs::write(&draft, json);
    if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        fs::create_dir_all(pod_dir)?;
        fs::write(&draft, json)?;
    } else {
        written?;
    }
    fs::rename(draft, pod_dir.join(STATUS))
}

/// A pod's last status; nothing when there is none that can be read.
pub fn load_status(pod_dir: &Path) -> Option<PodStatus> {
    serde_json::from_slice(&fs::read(pod_dir.join(STATUS)).ok()?).ok()
}
