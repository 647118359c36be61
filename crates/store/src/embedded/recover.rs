//! Turns the files of a directory into the keyspace they describe and the log that goes on.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::embedded::disk::Disk;
use crate::embedded::error::Error;
use crate::embedded::frame::{self, BadHeader, FILE_HEADER, Kind, Step};
use crate::embedded::layout::{self, Files};
use crate::embedded::log::Log;
use crate::embedded::record::{Reader, Record};
use crate::embedded::snapshot;
use crate::kv::{Limits, Revision};
use crate::mvcc::keyspace::{Keyspace, Retention};
use crate::mvcc::leases::Held;

/// The number of the first frame of a store.
const FIRST_SEQ: u64 = 1;

/// What the files describe.
pub struct Recovered {
    /// The keyspace.
    pub space: Keyspace,
    /// The log, ready to be appended to.
    pub log: Log,
    /// The size of the newest snapshot.
    pub snapshot_bytes: u64,
}

/// Reads all that is in `dir`, which the caller has locked.
///
/// A torn last frame, which was never promised to anybody, is cut off.
///
/// # Errors
/// `Corrupt`, `NewerFormat`: nothing is changed. `Io`.
pub fn recover(dir: &Path, disk: Arc<dyn Disk>, limits: Limits, retention: Retention) -> Result<Recovered, Error> {
    let Files { logs, snapshots, unfinished } = layout::list(dir).map_err(Error::io("list", dir))?;
    let mut space = Keyspace::new(limits, retention);
    let mut snapshot_bytes = 0;
    let mut seq = FIRST_SEQ;
    if let Some(newest) = snapshots.last() {
        snapshot_bytes = read_snapshot(dir, *newest, &mut space)?;
        seq = *newest;
    }
    let first = seq;
    let parts: Vec<u64> = logs.into_iter().filter(|part| *part >= first).collect();
    let mut end = None;
    for (index, part) in parts.iter().enumerate() {
        if *part != seq {
            break;
        }
        let last = index + 1 == parts.len();
        let durable;
        (seq, durable) = read_log(dir, *part, last, &mut space)?;
        end = last.then_some((*part, durable));
    }
    let log = match end {
        Some((part, durable)) => Log::resume(dir, disk, part, seq, durable),
        None if parts.is_empty() && snapshots.is_empty() => Log::create(dir, disk, seq),
        None => {
            return Err(Error::corrupt(&layout::log(dir, seq), 0, "the file is missing"));
        }
    };
    let log = log.map_err(Error::io("go on with the log in", dir))?;
    for path in unfinished {
        fs::remove_file(&path).map_err(Error::io("remove", &path))?;
    }
    snapshot::remove_older(dir, first).map_err(Error::io("remove old files of", dir))?;
    Ok(Recovered { space, log, snapshot_bytes })
}

fn read_file(path: &Path, kind: Kind, seq: u64) -> Result<Vec<u8>, Error> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    match frame::check_file_header(&bytes, kind, seq) {
        Ok(()) => Ok(bytes),
        Err(BadHeader::Newer(found)) => {
            Err(Error::NewerFormat { file: path.to_owned(), found, supported: frame::FORMAT })
        }
        Err(BadHeader::Short) => Err(Error::corrupt(path, bytes.len(), "the file ends within its head")),
        Err(BadHeader::Wrong(what)) => Err(Error::corrupt(path, 0, what)),
    }
}

fn read_snapshot(dir: &Path, seq: u64, space: &mut Keyspace) -> Result<u64, Error> {
    let path = layout::snapshot(dir, seq);
    let bytes = read_file(&path, Kind::Snapshot, seq)?;
    let (mut at, mut number, mut ended) = (FILE_HEADER, 0, None);
    loop {
        match frame::read(&bytes, at, number) {
            Step::Frame { payload, next } => {
                let mut reader = Reader::new(payload);
                while let Some(record) = reader.next_record() {
                    ended = match record {
                        Some(Record::End(revision)) => Some(revision),
                        record => {
                            apply(space, record).map(|()| None).map_err(|what| Error::corrupt(&path, at, what))?
                        }
                    };
                }
                space.publish();
                (at, number) = (next, number + 1);
            }
            Step::End if ended == Some(space.published()) => return Ok(bytes.len() as u64),
            Step::End | Step::Torn => {
                return Err(Error::corrupt(&path, at, "the snapshot is not complete"));
            }
            Step::Corrupt(what) => return Err(Error::corrupt(&path, at, what)),
        }
    }
}

/// Returns the number of the frame after the last, and where the last one ends.
fn read_log(dir: &Path, part: u64, last: bool, space: &mut Keyspace) -> Result<(u64, u64), Error> {
    let path = layout::log(dir, part);
    let bytes = read_file(&path, Kind::Log, part)?;
    let (mut at, mut seq) = (FILE_HEADER, part);
    loop {
        match frame::read(&bytes, at, seq) {
            Step::Frame { payload, next } => {
                let mut reader = Reader::new(payload);
                while let Some(record) = reader.next_record() {
                    apply(space, record).map_err(|what| Error::corrupt(&path, at, what))?;
                }
                space.publish();
                (at, seq) = (next, seq + 1);
            }
            Step::End => return Ok((seq, at as u64)),
            Step::Torn if last => {
                let cut = bytes.len() - at;
                tracing::warn!(file = %path.display(), offset = at, bytes = cut,
                    "store cuts off a write that was interrupted");
                return Ok((seq, at as u64));
            }
            Step::Torn => return Err(Error::corrupt(&path, at, "the file ends within a frame")),
            Step::Corrupt(what) => return Err(Error::corrupt(&path, at, what)),
        }
    }
}

fn apply(space: &mut Keyspace, record: Option<Record>) -> Result<(), &'static str> {
    match record {
        Some(Record::Commit { revision, changes }) => {
            if !space.replay(revision, changes) {
                return Err("the revision does not follow the one before");
            }
        }
        Some(Record::Grant { lease, last_named }) => {
            // Deadlines start anew once all is read: see `Leases::renew_all`.
            let held = Held { ttl_s: lease.ttl_s, deadline_ms: 0, keys: Default::default() };
            space.leases.insert(lease.id, held);
            space.leases.last_named = last_named;
        }
        Some(Record::Revoke(id)) => {
            space.leases.remove(id);
        }
        Some(Record::Compact(at)) => space.replay_compaction(at),
        Some(Record::Base { revision, compacted, last_named }) => {
            if space.published() != Revision::FIRST || revision < Revision::FIRST {
                return Err("a snapshot begins within another");
            }
            space.restore_base(revision, compacted);
            space.leases.last_named = last_named;
        }
        Some(Record::Key(kv)) => space.restore_key(kv),
        Some(Record::BaseCommit { revision, changes }) => {
            space.restore_base_commit(revision, changes);
        }
        Some(Record::End(_)) => return Err("the end of a snapshot stands in the log"),
        None => return Err("the record cannot be read"),
    }
    Ok(())
}
