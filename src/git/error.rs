//! What can go wrong with a git repository, as one error type with its source kept.

use crate::git::text;

/// A fault of a git repository, or of a request about one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// libgit2 refused; `what` says what was being done.
    #[error("{what}: {}", text::line(source.message()))]
    Git {
        /// What was being done, with the path or id.
        what: String,
        /// The library's error.
        source: git2::Error,
    },
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// A commit, branch or folder that was asked for does not exist.
    #[error("{0} not found")]
    NotFound(String),
    /// Text that should name something in git and can't.
    #[error("{what} {text:?}: {why}")]
    BadName {
        /// What the text should have been: a commit id, a branch, a path.
        what: &'static str,
        /// The text, sanitised.
        text: String,
        /// Why it is refused.
        why: &'static str,
    },
    /// The branch moved between reading and writing.
    #[error("branch {branch} is at {found}, expected {expected}: somebody else wrote first")]
    Moved {
        /// The branch.
        branch: String,
        /// The tip the writer had read.
        expected: String,
        /// The tip that is there.
        found: String,
    },
    /// A revert that does not apply on top of the branch.
    #[error("reverting {commit} conflicts with later commits in: {}", paths.join(", "))]
    RevertConflicts {
        /// The commit to be reverted.
        commit: String,
        /// Paths with conflicts, sanitised and sorted.
        paths: Vec<String>,
    },
    /// A write that would make a commit without any change.
    #[error("{0} changes nothing")]
    NothingChanged(String),
    /// A bound was reached.
    #[error("{what} exceeds the limit of {limit} ({name})")]
    Limit {
        /// What was too large.
        what: String,
        /// The bound.
        limit: u64,
        /// The bound's name, a constant of this crate.
        name: &'static str,
    },
    /// Bytes that don't follow the hook protocol.
    #[error("hook protocol: {0}")]
    Protocol(String),
}

impl Error {
    /// Whether the object database itself looks damaged: a missing or unreadable object.
    pub fn is_corrupt(&self) -> bool {
        use git2::{ErrorClass, ErrorCode};
        match self {
            Self::Git { source, .. } => {
                matches!(source.class(), ErrorClass::Odb | ErrorClass::Object | ErrorClass::Zlib | ErrorClass::Indexer)
                    && source.code() != ErrorCode::InvalidSpec
            }
            _ => false,
        }
    }
}

/// Adds what was being done to a foreign error.
pub trait Context<T> {
    /// Names the action; called only on an error.
    fn what(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Context<T> for Result<T, git2::Error> {
    fn what(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Git { what: what(), source })
    }
}

impl<T> Context<T> for std::io::Result<T> {
    fn what(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Io { what: what(), source })
    }
}
