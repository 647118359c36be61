//! A file of a tree as it is listed, the bounds of a listing, and what is wrong with an entry.

use std::sync::Arc;

use crate::git::commit::BlobId;
use crate::git::text;

/// Bounds of one snapshot; each is named in the error it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files listed.
    pub files: usize,
    /// Bytes of one file that is read.
    pub file_bytes: u64,
    /// Bytes of all files read at once.
    pub total_bytes: u64,
    /// Folders inside folders.
    pub depth: usize,
    /// Problems told; the rest is counted.
    pub problems: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { files: 200_000, file_bytes: 8 << 20, total_bytes: 1 << 30, depth: 64, problems: 1000 }
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A plain file.
    Regular,
    /// A plain file marked executable.
    Executable,
    /// A link inside the tree to a file whose blob the entry names.
    Link,
}

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path from the root of the repository.
    pub path: Arc<str>,
    /// The blob with its bytes; for a link, of the file it leads to.
    pub blob: BlobId,
    /// What it is.
    pub mode: Mode,
    pub(in crate::git) manifest: bool,
}

impl Entry {
    /// Whether the name ends in `.yaml`, `.yml` or `.json` and no part of the path below the watched folder begins
    /// with a dot (so `.github/workflows/ci.yaml` is none).
    pub fn is_manifest(&self) -> bool {
        self.manifest
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth telling; the commit can be used.
    Note,
    /// The commit is refused.
    Fault,
}

/// What is wrong with one entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Note or fault.
    pub severity: Severity,
    /// The path, sanitised.
    pub path: String,
    /// What is wrong; reads after the path.
    pub what: String,
    /// What to do about it.
    pub hint: &'static str,
}

impl Problem {
    pub(in crate::git) fn new(severity: Severity, path: &[u8], what: impl Into<String>, hint: &'static str) -> Self {
        Self { severity, path: text::line_of_bytes(path), what: what.into(), hint }
    }

    pub(in crate::git) fn fault(path: &[u8], what: impl Into<String>, hint: &'static str) -> Self {
        Self::new(Severity::Fault, path, what, hint)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} ({})", self.path, self.what, self.hint)
    }
}
