//! Writes what a keyspace holds to a file, while it goes on changing, and removes what that replaces.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::embedded::disk::Disk;
use crate::embedded::frame::{self, FILE_HEADER, Kind};
use crate::embedded::{layout, record};
use crate::kv::{Lease, Revision};
use crate::mvcc::command::Commit;
use crate::mvcc::engine::Engine;

/// Keys or commits that are read under one lock.
const PAGE: usize = 512;
/// Bytes after which a frame is written.
const FRAME_BYTES: usize = 256 << 10;

/// What a snapshot is to hold, fixed when the log's next part begins.
#[derive(Debug)]
pub struct Plan {
    /// The first frame that it does not hold.
    pub seq: u64,
    /// The oldest revision, which is pinned.
    pub base: Revision,
    /// Whether something before it was forgotten.
    pub base_compacted: bool,
    /// What reads are refused before.
    pub compacted: Revision,
    /// The newest revision.
    pub newest: Revision,
    /// The leases.
    pub leases: Vec<Lease>,
    /// The last name the store gave to a lease.
    pub last_named: i64,
}

impl Plan {
    /// A snapshot of what `engine` has published, whose log goes on at `seq`. Pins it.
    #[must_use]
    pub fn of(engine: &Engine, seq: u64) -> Self {
        let mut space = engine.write();
        let base = space.pin();
        Self {
            seq,
            base,
            base_compacted: base > Revision::FIRST,
            compacted: space.compacted(),
            newest: space.published(),
            leases: space.leases.iter().collect(),
            last_named: space.leases.last_named,
        }
    }

    /// Writes the snapshot, makes it the newest, and removes what it replaces; returns its size.
    ///
    /// # Errors
    /// The system's; then the older snapshot and the logs after it stay.
    pub fn write(&self, engine: &Engine, dir: &Path, disk: &dyn Disk, stop: &AtomicBool) -> io::Result<u64> {
        let path = layout::snapshot(dir, self.seq);
        let unfinished = layout::unfinished(&path);
        let written = (|| {
            let bytes = self.write_file(engine, &unfinished, disk, stop)?;
            fs::rename(&unfinished, &path)?;
            layout::sync_dir(dir)?;
            Ok(bytes)
        })();
        let bytes = written.inspect_err(|_: &io::Error| drop(fs::remove_file(&unfinished)))?;
        remove_older(dir, self.seq)?;
        Ok(bytes)
    }

    fn write_file(&self, engine: &Engine, path: &Path, disk: &dyn Disk, stop: &AtomicBool) -> io::Result<u64> {
        let mut out = Frames::create(path, disk, self.seq)?;
        record::put_base(&mut out.buffer, self.base, self.base_compacted, self.last_named);
        for lease in &self.leases {
            record::put_grant(&mut out.buffer, *lease, self.last_named);
        }
        let mut after = None;
        loop {
            go_on(stop)?;
            let page = engine.read().page(after.as_ref(), self.base, PAGE);
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for kv in &page {
                record::put_key(&mut out.buffer, kv);
                out.flush_if_full()?;
            }
        }
        let mut next = self.base;
        while next <= self.newest {
            go_on(stop)?;
            let page: Vec<Arc<Commit>> = engine.read().commits(next).take(PAGE).cloned().collect();
            let Some(last) = page.last() else { break };
            next = last.revision.next();
            for commit in page.iter().take_while(|commit| commit.revision <= self.newest) {
                record::put_commit(&mut out.buffer, commit, commit.revision == self.base);
                out.flush_if_full()?;
            }
        }
        record::put_compact(&mut out.buffer, self.compacted);
        record::put_end(&mut out.buffer, self.newest);
        out.finish()
    }
}

fn go_on(stop: &AtomicBool) -> io::Result<()> {
    if stop.load(Ordering::Relaxed) {
        return Err(io::Error::new(io::ErrorKind::Interrupted, "the store is being closed"));
    }
    Ok(())
}

/// Removes the snapshots and the parts of the log that the snapshot `seq` replaces.
///
/// # Errors
/// The system's.
pub fn remove_older(dir: &Path, seq: u64) -> io::Result<()> {
    let files = layout::list(dir)?;
    let logs = files.logs.iter().map(|first| (*first, layout::log(dir, *first)));
    let snapshots = files.snapshots.iter().map(|number| (*number, layout::snapshot(dir, *number)));
    for (_, path) in logs.chain(snapshots).filter(|(number, _)| *number < seq) {
        fs::remove_file(path)?;
    }
    Ok(())
}

struct Frames<'a> {
    disk: &'a dyn Disk,
    file: File,
    offset: u64,
    number: u64,
    buffer: Vec<u8>,
}

impl<'a> Frames<'a> {
    fn create(path: &Path, disk: &'a dyn Disk, seq: u64) -> io::Result<Self> {
        let file = layout::create(path)?;
        disk.write_at(&file, &frame::file_header(Kind::Snapshot, seq), 0)?;
        let mut buffer = Vec::with_capacity(2 * FRAME_BYTES);
        frame::begin(&mut buffer);
        Ok(Self { disk, file, offset: FILE_HEADER as u64, number: 0, buffer })
    }

    fn flush_if_full(&mut self) -> io::Result<()> {
        if self.buffer.len() < FRAME_BYTES { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> io::Result<()> {
        frame::seal(&mut self.buffer, self.number)
            .ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, "frame over 4 GiB"))?;
        self.disk.write_at(&self.file, &self.buffer, self.offset)?;
        self.offset += self.buffer.len() as u64;
        self.number += 1;
        frame::begin(&mut self.buffer);
        Ok(())
    }

    fn finish(mut self) -> io::Result<u64> {
        self.flush()?;
        self.disk.sync(&self.file)?;
        Ok(self.offset)
    }
}
