//! The contract of every store: etcd's semantics as one object-safe trait, in plain types.
//!
//! One counter of revisions, many versions a key, reads at a revision, transactions that compare
//! and commit, watches from a revision, compaction and leases. This file knows no implementation.
//! Rules and error texts are etcd's (`etcdserver/api/v3rpc/rpctypes`, version 3.4).

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

/// A point in the history of the whole store. An empty store stands at 1, its first write makes 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// No revision: "now" where a start is asked for, "never" where a key is described.
    pub const ZERO: Self = Self(0);
    /// What an empty store stands at, as etcd's does.
    pub const FIRST: Self = Self(1);

    /// The revision after this one: where to watch from after a read.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a lease; zero stands for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(pub i64);

impl LeaseId {
    /// No lease: the key stays until it is deleted.
    pub const NONE: Self = Self(0);
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One version of one key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyValue {
    /// The key.
    pub key: Bytes,
    /// The value; empty when only keys were asked for, and in the event of a deletion.
    pub value: Bytes,
    /// The revision that created the key since it was last absent.
    pub create_revision: Revision,
    /// The revision of this version.
    pub mod_revision: Revision,
    /// How many times it was written since its creation, from 1; a deletion has 0.
    pub version: u64,
    /// The lease it dies with.
    pub lease: LeaseId,
}

/// Where a range of keys ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum End {
    /// The range is its start alone.
    Single,
    /// Up to this key, which is not part of it.
    Before(Bytes),
    /// Up to the last key of the store.
    Unbounded,
}

/// A range as an ordered map takes it.
pub type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// A range of keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyRange {
    /// The first key.
    pub start: Bytes,
    /// Where it ends.
    pub end: End,
}

impl KeyRange {
    /// One key.
    pub fn key(key: impl Into<Bytes>) -> Self {
        Self { start: key.into(), end: End::Single }
    }

    /// From `start` up to, and without, `end`.
    pub fn between(start: impl Into<Bytes>, end: impl Into<Bytes>) -> Self {
        Self { start: start.into(), end: End::Before(end.into()) }
    }

    /// All keys that begin with `prefix`; an empty prefix means all keys.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        let start: Bytes = prefix.into();
        let end = prefix_end(&start).map_or(End::Unbounded, End::Before);
        // The empty key can't exist and etcd reads it as "not given": the least key is a zero byte.
        let start = if start.is_empty() { Bytes::from_static(&[0]) } else { start };
        Self { start, end }
    }

    /// All keys.
    #[must_use]
    pub fn all() -> Self {
        Self::prefix(Bytes::new())
    }

    /// Whether `key` is in the range.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        match &self.end {
            End::Single => key == self.start,
            End::Before(end) => key >= self.start.as_ref() && key < end.as_ref(),
            End::Unbounded => key >= self.start.as_ref(),
        }
    }

    /// The range as bounds of an ordered map; `None` if it is empty.
    #[must_use]
    pub fn bounds(&self) -> Option<Bounds<'_>> {
        let start = Bound::Included(self.start.as_ref());
        match &self.end {
            End::Single => Some((start, Bound::Included(self.start.as_ref()))),
            End::Before(end) if *end <= self.start => None,
            End::Before(end) => Some((start, Bound::Excluded(end.as_ref()))),
            End::Unbounded => Some((start, Bound::Unbounded)),
        }
    }
}

/// The least key after all that begin with `prefix`; `None` if there is none.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end.into())
}

/// A read of a range, in the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// What to read.
    pub keys: KeyRange,
    /// At which revision; `None` is the newest.
    pub revision: Option<Revision>,
    /// At most so many; `None` is all.
    pub limit: Option<usize>,
    /// Leave the values out.
    pub keys_only: bool,
    /// Leave all but the count out.
    pub count_only: bool,
}

impl Range {
    /// All of `keys` at the newest revision.
    #[must_use]
    pub fn new(keys: KeyRange) -> Self {
        Self { keys, revision: None, limit: None, keys_only: false, count_only: false }
    }

    /// One key at the newest revision.
    pub fn key(key: impl Into<Bytes>) -> Self {
        Self::new(KeyRange::key(key))
    }

    /// All keys that begin with `prefix`.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        Self::new(KeyRange::prefix(prefix))
    }

    /// The same at `revision`.
    #[must_use]
    pub fn at(mut self, revision: Revision) -> Self {
        self.revision = Some(revision);
        self
    }

    /// The same with at most `limit` keys.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The same without values.
    #[must_use]
    pub fn keys_only(mut self) -> Self {
        self.keys_only = true;
        self
    }

    /// The same as a count alone.
    #[must_use]
    pub fn count_only(mut self) -> Self {
        self.count_only = true;
        self
    }
}

/// What a range held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RangeResult {
    /// The keys with their values, in order.
    pub kvs: Vec<KeyValue>,
    /// Whether the limit cut it short.
    pub more: bool,
    /// How many keys the whole range has, without the limit.
    pub count: u64,
    /// What the store stood at when it answered; not the revision that was asked for.
    pub revision: Revision,
}

/// What of a key is compared. An absent key has zeros, and a value that equals nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Its newest revision.
    ModRevision(Revision),
    /// The revision that created it.
    CreateRevision(Revision),
    /// Its number of writes.
    Version(u64),
    /// Its value; any comparison with the value of an absent key is false.
    Value(Bytes),
    /// Its lease.
    Lease(LeaseId),
}

/// How the key's side stands to the given one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The same.
    Equal,
    /// The key's is greater.
    Greater,
    /// The key's is less.
    Less,
    /// Not the same.
    NotEqual,
}

/// One condition of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    /// The key.
    pub key: Bytes,
    /// How they compare.
    pub relation: Relation,
    /// What is compared, and with what.
    pub target: Target,
}

impl Compare {
    /// A condition on `key`.
    pub fn new(key: impl Into<Bytes>, relation: Relation, target: Target) -> Self {
        Self { key: key.into(), relation, target }
    }

    /// The key was last written at `revision`; `Revision::ZERO` means that it is absent.
    pub fn unchanged(key: impl Into<Bytes>, revision: Revision) -> Self {
        Self::new(key, Relation::Equal, Target::ModRevision(revision))
    }

    /// The key does not exist.
    pub fn absent(key: impl Into<Bytes>) -> Self {
        Self::new(key, Relation::Equal, Target::CreateRevision(Revision::ZERO))
    }

    /// Whether it holds for the key's newest version.
    #[must_use]
    pub fn holds(&self, kv: Option<&KeyValue>) -> bool {
        let order = match (&self.target, kv) {
            (Target::Value(_), None) => return false,
            (Target::Value(value), Some(kv)) => kv.value.cmp(value),
            (Target::ModRevision(r), kv) => kv.map_or(Revision::ZERO, |kv| kv.mod_revision).cmp(r),
            (Target::CreateRevision(r), kv) => kv.map_or(Revision::ZERO, |kv| kv.create_revision).cmp(r),
            (Target::Version(v), kv) => kv.map_or(0, |kv| kv.version).cmp(v),
            (Target::Lease(lease), kv) => kv.map_or(LeaseId::NONE, |kv| kv.lease).cmp(lease),
        };
        match self.relation {
            Relation::Equal => order.is_eq(),
            Relation::Greater => order.is_gt(),
            Relation::Less => order.is_lt(),
            Relation::NotEqual => order.is_ne(),
        }
    }
}

/// One step of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Writes a key, and moves it to `lease` (or off any, with `LeaseId::NONE`).
    Put {
        /// The key.
        key: Bytes,
        /// Its new value.
        value: Bytes,
        /// The lease it dies with.
        lease: LeaseId,
    },
    /// Deletes all keys of a range.
    Delete {
        /// What to delete.
        keys: KeyRange,
    },
    /// Reads, and sees the steps before it.
    Get {
        /// What to read.
        range: Range,
    },
}

impl Op {
    /// Writes `key` without a lease.
    pub fn put(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self::Put { key: key.into(), value: value.into(), lease: LeaseId::NONE }
    }

    /// Deletes `key`.
    pub fn delete(key: impl Into<Bytes>) -> Self {
        Self::Delete { keys: KeyRange::key(key) }
    }

    /// Reads `range`.
    #[must_use]
    pub fn get(range: Range) -> Self {
        Self::Get { range }
    }
}

/// A transaction: all conditions hold and `success` is done, or else `failure`; as one revision.
///
/// One key may be written once in a branch, and not be written where the branch deletes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Txn {
    /// The conditions, all of which must hold.
    pub compare: Vec<Compare>,
    /// What is done if they hold.
    pub success: Vec<Op>,
    /// What is done if they don't.
    pub failure: Vec<Op>,
}

impl Txn {
    /// A transaction without conditions.
    #[must_use]
    pub fn of(success: Vec<Op>) -> Self {
        Self { success, ..Self::default() }
    }

    /// The same with one more condition.
    #[must_use]
    pub fn when(mut self, compare: Compare) -> Self {
        self.compare.push(compare);
        self
    }

    /// The same with one more step for when the conditions don't hold.
    #[must_use]
    pub fn or_else(mut self, op: Op) -> Self {
        self.failure.push(op);
        self
    }
}

/// What one step of a transaction answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpResult {
    /// Written.
    Put,
    /// Deleted.
    Delete {
        /// How many keys.
        deleted: u64,
    },
    /// Read.
    Get(RangeResult),
}

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnResult {
    /// Whether the conditions held.
    pub succeeded: bool,
    /// What the store stood at after it: its own revision if it wrote anything.
    pub revision: Revision,
    /// The answer of each step of the branch that was taken.
    pub responses: Vec<OpResult>,
}

/// What to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchRequest {
    /// Which keys.
    pub keys: KeyRange,
    /// The first revision to see; `Revision::ZERO` is "from now on".
    pub from: Revision,
    /// Whether events carry what was there before.
    pub prev_kv: bool,
    /// Whether a silent watch gets a batch without events now and then, whose revision says how
    /// far it has seen.
    pub progress: bool,
}

impl WatchRequest {
    /// A watch of `keys` that sees the revision `from` first.
    #[must_use]
    pub fn new(keys: KeyRange, from: Revision) -> Self {
        Self { keys, from, prev_kv: false, progress: false }
    }

    /// The same with what was there before.
    #[must_use]
    pub fn prev_kv(mut self) -> Self {
        self.prev_kv = true;
        self
    }

    /// The same with batches that only tell how far it has seen.
    #[must_use]
    pub fn progress(mut self) -> Self {
        self.progress = true;
        self
    }
}

/// What happened to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// It was written.
    Put,
    /// It was deleted, by a transaction or with its lease.
    Delete,
}

/// One change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The new version; of a deletion its key and `mod_revision` alone.
    pub kv: KeyValue,
    /// The version before, if it was asked for, existed and isn't compacted.
    pub prev: Option<KeyValue>,
}

/// All that one revision did to the watched keys, in the order it was done; never a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchBatch {
    /// The revision. Batches come in rising order, one for each.
    pub revision: Revision,
    /// The changes; none in a batch that only tells progress.
    pub events: Vec<Event>,
}

/// A watch that runs until it is dropped, or until it ends after one `Err`.
pub type WatchStream = BoxStream<'static, Result<WatchBatch>>;

/// A lease as it was granted or renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Its name.
    pub id: LeaseId,
    /// How long it lives from now, in seconds; a store may grant more than was asked for.
    pub ttl_s: u64,
}

/// What a store takes at most. All are checked before anything is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Conditions, and steps of each branch, of one transaction.
    pub txn_ops_max: usize,
    /// Bytes of one value.
    pub value_bytes_max: usize,
    /// Bytes of all keys and values of one transaction.
    pub request_bytes_max: usize,
    /// Batches that wait for a watcher before it is told and closed.
    pub watch_queue_max: usize,
}

impl Limits {
    /// etcd's defaults: `--max-txn-ops`, `--max-request-bytes`.
    pub const ETCD: Self =
        Self { txn_ops_max: 128, value_bytes_max: 1_500_000, request_bytes_max: 1_500_000, watch_queue_max: 8192 };
}

/// What a store answers instead of a result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The revision, or the start of the watch, is no longer kept: read anew.
    #[error("mvcc: required revision has been compacted{}", compacted_at(at))]
    Compacted {
        /// The oldest revision that is kept, if the store said so.
        at: Option<Revision>,
    },
    /// The revision is not made yet.
    #[error("mvcc: required revision is a future revision")]
    FutureRevision,
    /// A transaction writes a key twice.
    #[error("duplicate key given in txn request")]
    DuplicateKey,
    /// A key is empty.
    #[error("key is not provided")]
    EmptyKey,
    /// A transaction has too many conditions or steps.
    #[error("too many operations in txn request: {ops}, at most {max} (txn_ops_max)")]
    TooManyOps {
        /// How many it has.
        ops: usize,
        /// The limit.
        max: usize,
    },
    /// A transaction or a value is too big.
    #[error("request is too large: {bytes} bytes, at most {max} ({limit})")]
    TooLarge {
        /// How big it is; zero if the store did not say.
        bytes: usize,
        /// The limit.
        max: usize,
        /// The name of the limit.
        limit: &'static str,
    },
    /// There is no such lease, or it has expired.
    #[error("requested lease not found: {0}")]
    LeaseNotFound(LeaseId),
    /// A lease of this name lives.
    #[error("lease already exists: {0}")]
    LeaseExists(LeaseId),
    /// The time to live is zero or beyond etcd's bound.
    #[error("lease ttl of {ttl_s} s is out of bounds: 1 to {max_s} s")]
    LeaseTtl {
        /// What was asked for.
        ttl_s: u64,
        /// The bound.
        max_s: u64,
    },
    /// The watcher did not keep up: read anew.
    #[error("watcher is too slow: {max} batches wait for it (watch_queue_max)")]
    SlowWatcher {
        /// The limit.
        max: usize,
    },
    /// There is no room for the write. Nothing of it was done; reads go on.
    #[error("no space left for the store: {0}")]
    NoSpace(String),
    /// The write could not be made durable. Nothing of it is seen.
    #[error("store cannot write: {what}: {source}")]
    Storage {
        /// What it tried, and where.
        what: String,
        /// Why not.
        source: Arc<std::io::Error>,
    },
    /// The store can't be reached now; a write may or may not have been done.
    #[error("store is unavailable: {0}")]
    Unavailable(String),
    /// The store does not let us.
    #[error("store denies access: {0}")]
    Denied(String),
    /// The store is shut down.
    #[error("store is closed")]
    Closed,
    /// The store answered against its contract.
    #[error("store answered unexpectedly: {0}")]
    Protocol(String),
}

fn compacted_at(at: &Option<Revision>) -> String {
    at.map_or_else(String::new, |at| format!(" (compacted at {at})"))
}

/// The result of a store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A store with etcd's semantics. A write is answered when it is durable.
pub trait Kv: Send + Sync + 'static {
    /// Reads a range.
    ///
    /// # Errors
    /// `Compacted`, `FutureRevision`, `EmptyKey`.
    fn range(&self, range: Range) -> BoxFuture<'_, Result<RangeResult>>;

    /// Compares and commits as one revision; one that changes nothing makes none.
    ///
    /// # Errors
    /// `DuplicateKey`, `LeaseNotFound` and the limits: nothing is done. `NoSpace`, `Storage`:
    /// nothing is seen. `Unavailable`: unknown.
    fn txn(&self, txn: Txn) -> BoxFuture<'_, Result<TxnResult>>;

    /// Watches keys; the stream's first `Err` (`Compacted`, `SlowWatcher`, `Unavailable`) ends it.
    ///
    /// Once it returns, no later write is missed.
    ///
    /// # Errors
    /// `EmptyKey`, `Unavailable`.
    fn watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<WatchStream>>;

    /// Forgets what was superseded at or before `at`; reads and watches from `at` on still work.
    ///
    /// # Errors
    /// `Compacted` if that was done before, `FutureRevision`.
    fn compact(&self, at: Revision) -> BoxFuture<'_, Result<()>>;

    /// Grants a lease of `ttl_s` seconds; `id` `None` lets the store name it.
    ///
    /// # Errors
    /// `LeaseExists`, `LeaseTtl`.
    fn lease_grant(&self, ttl_s: u64, id: Option<LeaseId>) -> BoxFuture<'_, Result<Lease>>;

    /// Starts the life of a lease anew. Writes nothing.
    ///
    /// # Errors
    /// `LeaseNotFound`.
    fn lease_keep_alive(&self, id: LeaseId) -> BoxFuture<'_, Result<Lease>>;

    /// Ends a lease and deletes its keys, as one revision; returns what the store stands at then.
    ///
    /// # Errors
    /// `LeaseNotFound`.
    fn lease_revoke(&self, id: LeaseId) -> BoxFuture<'_, Result<Revision>>;

    /// The leases that live, in the order of their names.
    ///
    /// # Errors
    /// `Unavailable`.
    fn lease_list(&self) -> BoxFuture<'_, Result<Vec<LeaseId>>>;

    /// What the store stands at.
    ///
    /// # Errors
    /// `Unavailable`.
    fn revision(&self) -> BoxFuture<'_, Result<Revision>>;

    /// What the store takes at most.
    fn limits(&self) -> Limits;

    /// The newest version of one key.
    ///
    /// # Errors
    /// As [`Kv::range`].
    fn get(&self, key: Bytes) -> BoxFuture<'_, Result<Option<KeyValue>>> {
        let read = self.range(Range::key(key));
        Box::pin(async move { Ok(read.await?.kvs.pop()) })
    }

    /// Writes one key without conditions; returns its revision.
    ///
    /// # Errors
    /// As [`Kv::txn`].
    fn put(&self, key: Bytes, value: Bytes) -> BoxFuture<'_, Result<Revision>> {
        let write = self.txn(Txn::of(vec![Op::put(key, value)]));
        Box::pin(async move { Ok(write.await?.revision) })
    }

    /// Deletes one key without conditions; returns whether it was there.
    ///
    /// # Errors
    /// As [`Kv::txn`].
    fn delete(&self, key: Bytes) -> BoxFuture<'_, Result<bool>> {
        let write = self.txn(Txn::of(vec![Op::delete(key)]));
        Box::pin(async move { Ok(matches!(write.await?.responses.first(), Some(OpResult::Delete { deleted: 1.. }))) })
    }
}

#[cfg(test)]
mod tests;
