//! A pod's directories and hosts file on the node's disk, and what a container left as its last words.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
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

/// A termination message: the end of it, when it is longer than its limit; empty when there is none.
pub fn read_message(path: &Path) -> String {
    let read = || -> io::Result<Vec<u8>> {
        // A container may have put anything in its place; only a plain file is read.
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let mut file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let past = file.metadata()?.len().saturating_sub(MESSAGE_BYTES_MAX);
        file.seek(SeekFrom::Start(past))?;
        let mut bytes = Vec::new();
        file.take(MESSAGE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_message_the_end_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("message");
        assert_eq!(read_message(&path), "");
        for (written, expect) in [(0, 0), (10, 10), (4096, 4096), (5000, 4096)] {
            let text: String = (0..written).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
            fs::write(&path, &text).unwrap();
            assert_eq!(read_message(&path), text[text.len() - expect..], "{written}");
        }
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read_message(&link), "", "a link may lead anywhere");
    }
}
