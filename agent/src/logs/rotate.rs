//! A log that has grown too large → the same log under another name, and a fresh one; for runtimes that leave it to us.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A log is turned at this size in bytes (the kubelet's `containerLogMaxSize`).
const MAX_BYTES: u64 = 10 << 20;
/// Files of one log, with the one that is written (the kubelet's `containerLogMaxFiles`).
const MAX_FILES: usize = 5;

/// Whether a log has to be turned.
pub fn is_due(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.len() >= MAX_BYTES)
}

/// Puts the log aside under a name with `stamp`, which sorts by time, and removes the oldest. The
/// runtime must then open the log anew.
///
/// # Errors
/// The disk.
pub fn turn(path: &Path, stamp: &str) -> io::Result<()> {
    let older = older(path)?;
    // Room for the one that is put aside and the one that is written.
    let surplus = (older.len() + 2).saturating_sub(MAX_FILES);
    for old in older.iter().take(surplus) {
        fs::remove_file(old)?;
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(".");
    aside.push(stamp);
    fs::rename(path, aside)
}

/// Logs that were put aside, the oldest first.
fn older(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let prefix = format!("{name}.");
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|other| other.starts_with(&prefix)) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("0.log");
        for turn_number in 0..8 {
            fs::write(&log, format!("{turn_number}")).unwrap();
            turn(&log, &format!("2026010{turn_number}")).unwrap();
        }
        fs::write(&log, "now").unwrap();
        let mut names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["0.log", "0.log.20260104", "0.log.20260105", "0.log.20260106", "0.log.20260107"]);
        assert!(!is_due(&log));
        fs::File::options().write(true).open(&log).unwrap().set_len(MAX_BYTES).unwrap();
        assert!(is_due(&log));
    }
}
