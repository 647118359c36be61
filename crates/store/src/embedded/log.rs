//! The end of the log: appends frames durably, and mends itself after a failed write.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::embedded::disk::Disk;
use crate::embedded::frame::{self, FILE_HEADER, Kind};
use crate::embedded::layout;
use crate::kv::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    /// The file ends after its last durable frame.
    Good,
    /// There may be a part of a frame after it.
    Tail,
    /// A sync failed: what the system remembers of this file is not to be trusted.
    Suspect,
}

/// The part of the log that is being written.
pub struct Log {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: File,
    durable_bytes: u64,
    next_seq: u64,
    health: Health,
}

impl Log {
    /// Begins a part with the frame `seq`.
    ///
    /// # Errors
    /// The system's.
    pub fn create(dir: &Path, disk: Arc<dyn Disk>, seq: u64) -> io::Result<Self> {
        let path = layout::log(dir, seq);
        let unfinished = layout::unfinished(&path);
        let made = (|| {
            let file = layout::create(&unfinished)?;
            disk.write_at(&file, &frame::file_header(Kind::Log, seq), 0)?;
            disk.sync(&file)?;
            fs::rename(&unfinished, &path)?;
            layout::sync_dir(dir)?;
            Ok(file)
        })();
        let file = made.inspect_err(|_: &io::Error| drop(fs::remove_file(&unfinished)))?;
        let dir = dir.to_owned();
        let durable_bytes = FILE_HEADER as u64;
        Ok(Self { dir, disk, path, file, durable_bytes, next_seq: seq, health: Health::Good })
    }

    /// Goes on with the part that begins with `first`, after `durable_bytes`; what follows is cut.
    ///
    /// # Errors
    /// The system's.
    pub fn resume(dir: &Path, disk: Arc<dyn Disk>, first: u64, next_seq: u64, durable_bytes: u64) -> io::Result<Self> {
        let path = layout::log(dir, first);
        let file = layout::open(&path)?;
        let health = if file.metadata()?.len() == durable_bytes { Health::Good } else { Health::Tail };
        let dir = dir.to_owned();
        let mut log = Self { dir, disk, path, file, durable_bytes, next_seq, health };
        log.mend()?;
        Ok(log)
    }

    /// The number of the next frame.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Bytes of this part.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.durable_bytes
    }

    /// Undoes what a failed write left behind. Cheap when there is nothing.
    fn mend(&mut self) -> io::Result<()> {
        if self.health == Health::Good {
            return Ok(());
        }
        self.file.set_len(self.durable_bytes)?;
        self.disk.sync(&self.file)?;
        if self.health == Health::Suspect {
            *self = Self::create(&self.dir, Arc::clone(&self.disk), self.next_seq)?;
        }
        self.health = Health::Good;
        Ok(())
    }

    /// Makes the payload that follows [`frame::begin`] in `buffer` durable.
    ///
    /// # Errors
    /// `NoSpace`, `Storage`: the frame is not part of the log; a later one may well be.
    pub fn append(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.mend().map_err(|source| self.error("mend", source))?;
        if frame::seal(buffer, self.next_seq).is_none() {
            let bytes = buffer.len();
            return Err(Error::TooLarge { bytes, max: u32::MAX as usize, limit: "frame" });
        }
        let written = self.disk.write_at(&self.file, buffer, self.durable_bytes);
        let (health, outcome) = match written {
            Err(error) => (Health::Tail, Err(error)),
            Ok(()) => (Health::Suspect, self.disk.sync(&self.file)),
        };
        if let Err(source) = outcome {
            self.health = health;
            // At once, so that the space is given back; if it fails, the next write tries again.
            if let Err(error) = self.mend() {
                tracing::warn!(file = %self.path.display(), %error, "store log is not mended yet");
            }
            return Err(self.error("write", source));
        }
        self.durable_bytes += buffer.len() as u64;
        self.next_seq += 1;
        Ok(())
    }

    /// Begins a new part.
    ///
    /// # Errors
    /// The system's; then this part goes on.
    pub fn rotate(&mut self) -> io::Result<()> {
        *self = Self::create(&self.dir, Arc::clone(&self.disk), self.next_seq)?;
        Ok(())
    }

    fn error(&self, what: &str, source: io::Error) -> Error {
        let file = self.path.display();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::NoSpace(format!("{what} {file}: {source}"))
            }
            _ => Error::Storage { what: format!("{what} {file}"), source: Arc::new(source) },
        }
    }
}
