//! Why a store could not be opened.

use std::io;
use std::path::{Path, PathBuf};

/// Why a store could not be opened. None of these changes anything on the disk.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has it open.
    #[error("store {0} is in use by another process")]
    Locked(PathBuf),
    /// A newer program wrote it.
    #[error("store file {file} has format {found}, this program reads up to {supported}: use a newer one")]
    NewerFormat {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// What this program reads.
        supported: u32,
    },
    /// A file is damaged in a way that no interrupted write explains.
    #[error("store file {file} is corrupt at offset {offset}: {what}")]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// Where, in bytes.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// A file can't be read or written.
    #[error("store cannot {what} {path}: {source}")]
    Io {
        /// What it tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err` on an operation on `path`.
    pub fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    /// Damage in `file` at `offset`.
    pub fn corrupt(file: &Path, offset: usize, what: impl Into<String>) -> Self {
        Self::Corrupt { file: file.to_owned(), offset: offset as u64, what: what.into() }
    }
}
