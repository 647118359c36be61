//! What of a pod must outlive the agent on the node's disk: its last status, the messages its containers leave.
//!
//! Each is one file that is written in place: making and removing files is what starting a pod costs the disk.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use masthead_api::core::pod_status::PodStatus;
use serde::Deserialize;

use crate::pods::site::safe;

const STATUS: &str = "status.json";

/// Keeps a pod's last status, which a restarted agent goes on from.
///
/// One write puts it there, so an agent that is killed leaves the old one or the new one, maybe with an old one's tail.
///
/// # Errors
/// The disk.
pub fn save_status(pod_dir: &Path, json: &[u8]) -> io::Result<()> {
    let path = pod_dir.join(STATUS);
    let open = || File::options().create(true).truncate(false).write(true).open(&path);
    let file = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(pod_dir)?;
            open()?
        }
        opened => opened?,
    };
    file.write_all_at(json, 0)?;
    file.set_len(json.len() as u64)
}

/// A pod's last status; nothing when there is none that can be read.
pub fn load_status(pod_dir: &Path) -> Option<PodStatus> {
    let bytes = fs::read(pod_dir.join(STATUS)).ok()?;
    // What comes after it is the tail of a longer one before.
    PodStatus::deserialize(&mut serde_json::Deserializer::from_slice(&bytes)).ok()
}

/// Where a container's termination message is on the node; makes it empty and writable for every user.
///
/// # Errors
/// The disk.
pub fn termination_message(pod_dir: &Path, container: &str, attempt: u32) -> io::Result<PathBuf> {
    let path = pod_dir.join(format!("{}.{attempt}.message", safe(container)));
    let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o666).open(&path)?;
    // The agent's own mask may be stricter.
    file.set_permissions(Permissions::from_mode(0o666))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(dir: &Path) -> Option<String> {
        load_status(dir).map(|status| status.phase)
    }

    #[test]
    fn a_status_is_replaced_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let pod = dir.path().join("uid");
        assert_eq!(phase(&pod), None);
        save_status(&pod, br#"{"phase":"Pending","message":"much longer than the next one"}"#).unwrap();
        assert_eq!(phase(&pod).as_deref(), Some("Pending"));
        save_status(&pod, br#"{"phase":"Running"}"#).unwrap();
        assert_eq!(fs::read(pod.join(STATUS)).unwrap(), br#"{"phase":"Running"}"#);
        assert_eq!(phase(&pod).as_deref(), Some("Running"));
    }

    #[test]
    fn a_write_that_was_cut_short_is_the_new_status_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let check = |bytes: &[u8], expect: Option<&str>| {
            fs::write(dir.path().join(STATUS), bytes).unwrap();
            assert_eq!(phase(dir.path()).as_deref(), expect, "{}", String::from_utf8_lossy(bytes));
        };
        check(br#"{"phase":"Running"}age":"the old one's tail"}"#, Some("Running"));
        check(br#"{"phase":"Runn"#, None);
        check(b"", None);
    }

    #[test]
    fn a_message_is_a_plain_file_that_everybody_may_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = termination_message(dir.path(), "main", 3).unwrap();
        assert_eq!(path, dir.path().join("main.3.message"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        fs::write(&path, "old").unwrap();
        assert_eq!(fs::metadata(termination_message(dir.path(), "main", 3).unwrap()).unwrap().len(), 0);
    }
}
