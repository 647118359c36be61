//! The names and modes of the store's files.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file that keeps a second process out.
pub const LOCK: &str = "LOCK";
const LOG: &str = "wal-";
const SNAPSHOT: &str = "snapshot-";
const UNFINISHED: &str = ".new";

/// The part of the log that begins with the frame `seq`.
#[must_use]
pub fn log(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("{LOG}{seq:016x}"))
}

/// The snapshot of all frames before `seq`.
#[must_use]
pub fn snapshot(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("{SNAPSHOT}{seq:016x}"))
}

/// What `path` is called until it is complete.
#[must_use]
pub fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    name.into()
}

/// What a directory holds of ours, each in rising order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The first frame of each part of the log.
    pub logs: Vec<u64>,
    /// The number of each snapshot.
    pub snapshots: Vec<u64>,
    /// What was never completed.
    pub unfinished: Vec<PathBuf>,
}

/// Lists our files; all others are left alone.
///
/// # Errors
/// The system's.
pub fn list(dir: &Path) -> io::Result<Files> {
    let mut files = Files::default();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let seq = |prefix| u64::from_str_radix(name.strip_prefix(prefix)?, 16).ok();
        if let Some(seq) = seq(LOG) {
            files.logs.push(seq);
        } else if let Some(seq) = seq(SNAPSHOT) {
            files.snapshots.push(seq);
        } else if name.ends_with(UNFINISHED) && (name.starts_with(LOG) || name.starts_with(SNAPSHOT)) {
            files.unfinished.push(path);
        }
    }
    files.logs.sort_unstable();
    files.snapshots.sort_unstable();
    Ok(files)
}

/// Makes the directory if it is missing, and makes it private.
///
/// # Errors
/// The system's.
pub fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(0o700))
}

/// Creates or empties a private file.
///
/// # Errors
/// The system's.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Opens a file without emptying it; it is created, private, if it is missing.
///
/// # Errors
/// The system's.
pub fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Makes the names in `dir` durable.
///
/// # Errors
/// The system's.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
