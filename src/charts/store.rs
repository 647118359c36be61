//! Packed charts on this machine by the digest of their bytes, so that a version is fetched once.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use masthead_agent::images::digest::Digest;

use crate::charts::error::Error;
use crate::charts::repository::ARCHIVE_BYTES_MAX;

/// A folder of packed charts.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// In a folder, which is made when something is kept.
    pub fn new(folder: PathBuf) -> Store {
        Store { folder }
    }

    /// The file of a digest, whether it is there or not.
    pub fn file(&self, digest: &str) -> PathBuf {
        self.folder.join(format!("{}.tgz", digest.trim_start_matches("sha256:")))
    }

    /// The chart of a digest, when it is here and whole.
    ///
    /// # Errors
    /// The disk.
    pub fn get(&self, digest: &str) -> Result<Option<Bytes>, Error> {
        let path = self.file(digest);
        let body = match read(&path) {
            Ok(body) => body,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Io { what: format!("reading {}", path.display()), source }),
        };
        // What was cut short by a crash is fetched again.
        Ok((Digest::of(&body).to_string() == digest).then(|| body.into()))
    }

    /// Keeps a chart; gives its digest.
    ///
    /// # Errors
    /// The disk.
    pub fn put(&self, body: &[u8]) -> Result<String, Error> {
        let digest = Digest::of(body).to_string();
        let path = self.file(&digest);
        let what = || format!("keeping {}", path.display());
        let kept = || -> std::io::Result<()> {
            std::fs::create_dir_all(&self.folder)?;
            let fresh = tempfile::NamedTempFile::new_in(&self.folder)?;
            std::fs::write(fresh.path(), body)?;
            fresh.persist(&path).map_err(|e| e.error)?;
            Ok(())
        };
        kept().map_err(|source| Error::Io { what: what(), source })?;
        Ok(digest)
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if std::fs::metadata(path)?.len() > ARCHIVE_BYTES_MAX {
        return Err(ErrorKind::FileTooLarge.into());
    }
    std::fs::read(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_and_what_is_broken_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("charts"));
        let digest = store.put(b"chart").unwrap();
        assert_eq!(store.get(&digest).unwrap().as_deref(), Some(b"chart".as_slice()));
        std::fs::write(store.file(&digest), b"cha").unwrap();
        assert_eq!(store.get(&digest).unwrap(), None);
        assert_eq!(store.get(&format!("sha256:{}", "00".repeat(32))).unwrap(), None);
    }
}
