//! Writes and syncs of the store's files, as something that a test can make fail.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What makes bytes durable.
pub trait Disk: Send + Sync + 'static {
    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// The system's; then any part of it may be written.
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Returns when all that was written to `file` is durable.
    ///
    /// # Errors
    /// The system's; then nothing is known of what was written since the last time.
    fn sync(&self, file: &File) -> io::Result<()>;
}

/// The machine's own.
#[derive(Debug, Clone, Copy)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}
