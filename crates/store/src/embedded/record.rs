//! Effects and snapshots as bytes, and back.

use bytes::Bytes;

use crate::kv::{EventKind, KeyValue, Lease, LeaseId, Revision};
use crate::mvcc::command::{Commit, Effect};
use crate::mvcc::keyspace::Change;

const COMMIT: u8 = 1;
const GRANT: u8 = 2;
const REVOKE: u8 = 3;
const COMPACT: u8 = 4;
const BASE: u8 = 5;
const KEY: u8 = 6;
const BASE_COMMIT: u8 = 7;
const END: u8 = 8;
const PUT: u8 = 1;
const DELETE: u8 = 2;

/// One record of a log or a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A revision was made.
    Commit {
        /// The revision.
        revision: Revision,
        /// What it changed.
        changes: Vec<Change>,
    },
    /// A lease was granted; `last_named` is the last name given by the store from then on.
    Grant {
        /// The lease.
        lease: Lease,
        /// The last name the store gave.
        last_named: i64,
    },
    /// A lease ended.
    Revoke(LeaseId),
    /// A compaction.
    Compact(Revision),
    /// A snapshot begins: the keys that follow are as they were at `revision`.
    Base {
        /// The revision.
        revision: Revision,
        /// Whether something before it was forgotten.
        compacted: bool,
        /// The last name the store gave to a lease.
        last_named: i64,
    },
    /// A key of the snapshot.
    Key(KeyValue),
    /// The commit that made the snapshot's revision, for watches.
    BaseCommit {
        /// The revision.
        revision: Revision,
        /// What it changed.
        changes: Vec<Change>,
    },
    /// The snapshot is complete and stands at this revision.
    End(Revision),
}

/// Adds what is to be kept of `effects`.
pub fn put_effects(buffer: &mut Vec<u8>, effects: &[Effect]) {
    for effect in effects {
        match effect {
            Effect::Commit(commit) => put_commit(buffer, commit, false),
            Effect::Grant { lease, last_named, .. } => put_grant(buffer, *lease, *last_named),
            Effect::Revoke { id, .. } => {
                buffer.push(REVOKE);
                put_u64(buffer, id.0.cast_unsigned());
            }
            Effect::Compact { at, .. } => put_compact(buffer, *at),
        }
    }
}

/// Adds a commit; as the one that made a snapshot's revision if `base`.
pub fn put_commit(buffer: &mut Vec<u8>, commit: &Commit, base: bool) {
    buffer.push(if base { BASE_COMMIT } else { COMMIT });
    put_u64(buffer, commit.revision.0);
    put_u64(buffer, commit.events.len() as u64);
    for event in &commit.events {
        match event.kind {
            EventKind::Put => {
                buffer.push(PUT);
                put_bytes(buffer, &event.kv.key);
                put_bytes(buffer, &event.kv.value);
                put_u64(buffer, event.kv.lease.0.cast_unsigned());
            }
            EventKind::Delete => {
                buffer.push(DELETE);
                put_bytes(buffer, &event.kv.key);
            }
        }
    }
}

/// Adds a lease.
pub fn put_grant(buffer: &mut Vec<u8>, lease: Lease, last_named: i64) {
    buffer.push(GRANT);
    put_u64(buffer, lease.id.0.cast_unsigned());
    put_u64(buffer, lease.ttl_s);
    put_u64(buffer, last_named.cast_unsigned());
}

/// Adds a compaction.
pub fn put_compact(buffer: &mut Vec<u8>, at: Revision) {
    buffer.push(COMPACT);
    put_u64(buffer, at.0);
}

/// Adds the beginning of a snapshot.
pub fn put_base(buffer: &mut Vec<u8>, revision: Revision, compacted: bool, last_named: i64) {
    buffer.push(BASE);
    put_u64(buffer, revision.0);
    buffer.push(u8::from(compacted));
    put_u64(buffer, last_named.cast_unsigned());
}

/// Adds a key of a snapshot.
pub fn put_key(buffer: &mut Vec<u8>, kv: &KeyValue) {
    buffer.push(KEY);
    put_bytes(buffer, &kv.key);
    put_bytes(buffer, &kv.value);
    put_u64(buffer, kv.create_revision.0);
    put_u64(buffer, kv.mod_revision.0);
    put_u64(buffer, kv.version);
    put_u64(buffer, kv.lease.0.cast_unsigned());
}

/// Adds the end of a snapshot.
pub fn put_end(buffer: &mut Vec<u8>, revision: Revision) {
    buffer.push(END);
    put_u64(buffer, revision.0);
}

fn put_u64(buffer: &mut Vec<u8>, value: u64) {
    buffer.extend_from_slice(&value.to_le_bytes());
}

fn put_bytes(buffer: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(buffer, bytes.len() as u64);
    buffer.extend_from_slice(bytes);
}

/// Reads the records of a payload.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of `payload`.
    #[must_use]
    pub fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    /// The next record; `Some(None)` if there is none that can be read.
    pub fn next_record(&mut self) -> Option<Option<Record>> {
        (!self.rest.is_empty()).then(|| self.record())
    }

    fn record(&mut self) -> Option<Record> {
        Some(match self.u8()? {
            COMMIT => Record::Commit { revision: Revision(self.u64()?), changes: self.changes()? },
            BASE_COMMIT => Record::BaseCommit { revision: Revision(self.u64()?), changes: self.changes()? },
            GRANT => {
                let lease = Lease { id: self.lease()?, ttl_s: self.u64()? };
                Record::Grant { lease, last_named: self.u64()?.cast_signed() }
            }
            REVOKE => Record::Revoke(self.lease()?),
            COMPACT => Record::Compact(Revision(self.u64()?)),
            BASE => Record::Base {
                revision: Revision(self.u64()?),
                compacted: self.u8()? != 0,
                last_named: self.u64()?.cast_signed(),
            },
            KEY => Record::Key(KeyValue {
                key: self.bytes()?,
                value: self.bytes()?,
                create_revision: Revision(self.u64()?),
                mod_revision: Revision(self.u64()?),
                version: self.u64()?,
                lease: self.lease()?,
            }),
            END => Record::End(Revision(self.u64()?)),
            _ => return None,
        })
    }

    fn changes(&mut self) -> Option<Vec<Change>> {
        let count = self.u64()?;
        let mut changes = Vec::new();
        for _ in 0..count {
            changes.push(match self.u8()? {
                PUT => {
                    let (key, value) = (self.bytes()?, self.bytes()?);
                    Change::Put { key, value, lease: self.lease()? }
                }
                DELETE => Change::Delete { key: self.bytes()? },
                _ => return None,
            });
        }
        Some(changes)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u64(&mut self) -> Option<u64> {
        let mut value = [0; 8];
        value.copy_from_slice(self.take(8)?);
        Some(u64::from_le_bytes(value))
    }

    fn lease(&mut self) -> Option<LeaseId> {
        self.u64().map(|id| LeaseId(id.cast_signed()))
    }

    // Copied, so that one kept value does not keep the whole file in memory.
    fn bytes(&mut self) -> Option<Bytes> {
        let len = usize::try_from(self.u64()?).ok()?;
        self.take(len).map(Bytes::copy_from_slice)
    }
}
