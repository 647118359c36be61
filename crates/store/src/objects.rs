//! Changes of objects → guarded transactions of the store; what the store holds → objects.

use std::sync::Arc;

use bytes::Bytes;
use masthead_api::change::Change;
use masthead_api::key::{ObjectKey, STORE_ROOT};
use masthead_api::object::{self, Object};

use crate::kv::{self, Compare, Kv, Op, Range, Revision, Txn};

/// Where Masthead keeps what is no object: records, the state of commits and of the repository.
pub const OWN_ROOT: &str = "/masthead/masthead.dev/";

/// Where the records of what git last asked for live; one beside each object that came from git.
pub const APPLIED_ROOT: &str = "/masthead/masthead.dev/applied/";

/// How many keys one read of a load takes.
const PAGE: usize = 10_000;

/// Why a write was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state is no longer what the change was decided on: decide anew on a fresh view.
    #[error("{keys:?} changed in the meantime")]
    Conflict {
        /// The objects of the refused transaction.
        keys: Vec<ObjectKey>,
    },
    /// Another control plane leads: this one may not write.
    #[error("this control plane no longer leads")]
    Fenced,
    /// The store.
    #[error(transparent)]
    Store(#[from] kv::Error),
}

/// What belongs together: it is written as one transaction, or, when it is longer than the store takes, in parts that
/// each keep an object and its record together.
#[derive(Debug, Default)]
pub struct Batch {
    /// The objects.
    pub changes: Vec<Change>,
    /// Records of what git asked for: the key and the new content, `None` clears it.
    pub records: Vec<(ObjectKey, Option<Bytes>)>,
    /// Other keys of Masthead's own, such as the state of a commit; written with the last part.
    pub notes: Vec<Op>,
}

impl Batch {
    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.records.is_empty() && self.notes.is_empty()
    }
}

/// One stored thing that a load or a watch found.
#[derive(Clone, Debug)]
pub enum Stored {
    /// An object.
    Object(Arc<Object>),
    /// An object is gone.
    Gone(ObjectKey),
    /// A record of what git asked for; `None` when it was cleared.
    Record(ObjectKey, Option<Bytes>),
    /// Another key of Masthead's own, by its name below [`OWN_ROOT`]; `None` when it is gone.
    Own(String, Option<Bytes>),
    /// Bytes that are no object: kept, reported, never in anybody's way.
    Fault {
        /// The store key.
        key: String,
        /// Why it cannot be read.
        why: Arc<object::Error>,
    },
}

/// Objects on top of a store.
#[derive(Clone)]
pub struct Objects {
    kv: Arc<dyn Kv>,
    fence: Option<Compare>,
}

impl Objects {
    /// Over a store; every write also checks `fence`, the term of the leader.
    pub fn new(kv: Arc<dyn Kv>, fence: Option<Compare>) -> Objects {
        Objects { kv, fence }
    }

    /// The store underneath.
    pub fn kv(&self) -> &Arc<dyn Kv> {
        &self.kv
    }

    /// All that is stored, at one revision; faults are among it, in their place.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn load(&self) -> Result<(Vec<Stored>, Revision), Error> {
        let mut found = Vec::new();
        let mut range = Range::prefix(STORE_ROOT).limit(PAGE);
        loop {
            let page = self.kv.range(range.clone()).await?;
            let revision = range.revision.unwrap_or(page.revision);
            found.extend(page.kvs.iter().filter_map(|kv| read(&kv.key, Some(&kv.value), kv.mod_revision)));
            match page.kvs.last() {
                Some(last) if page.more => {
                    range.keys.start = [last.key.as_ref(), &[0]].concat().into();
                    range.revision = Some(revision);
                }
                _ => return Ok((found, revision)),
            }
        }
    }

    /// Writes a batch; each part is all or nothing and guarded by the revisions its changes were decided on.
    ///
    /// Returns the revision of the last part.
    ///
    /// # Errors
    /// `Conflict` names the objects of the first part that was refused; parts before it are done.
    pub async fn apply(&self, batch: Batch) -> Result<Revision, Error> {
        let limits = self.kv.limits();
        let mut revision = Revision::ZERO;
        let mut part = Part::default();
        let mut records: std::collections::BTreeMap<ObjectKey, Option<Bytes>> = batch.records.into_iter().collect();
        for change in &batch.changes {
            let record = records.remove(change.key());
            let next = Part::of(change, record);
            if !part.fits(&next, limits) {
                revision = self.commit(std::mem::take(&mut part)).await?;
            }
            part.add(next);
        }
        for (key, record) in records {
            let next = Part::record(&key, record);
            if !part.fits(&next, limits) {
                revision = self.commit(std::mem::take(&mut part)).await?;
            }
            part.add(next);
        }
        for op in batch.notes {
            let next = Part { bytes: op_bytes(&op), ops: vec![op], ..Part::default() };
            if !part.fits(&next, limits) {
                revision = self.commit(std::mem::take(&mut part)).await?;
            }
            part.add(next);
        }
        if !part.ops.is_empty() {
            revision = self.commit(part).await?;
        }
        Ok(revision)
    }

    async fn commit(&self, part: Part) -> Result<Revision, Error> {
        let mut txn = Txn { compare: part.compare, success: part.ops, failure: Vec::new() };
        if let Some(fence) = &self.fence {
            txn.compare.push(fence.clone());
            txn.failure.push(Op::get(Range::key(fence.key.clone())));
        }
        let result = self.kv.txn(txn).await?;
        if result.succeeded {
            return Ok(result.revision);
        }
        let held = match (&self.fence, result.responses.first()) {
            (Some(fence), Some(kv::OpResult::Get(found))) => fence.holds(found.kvs.first()),
            _ => true,
        };
        Err(if held { Error::Conflict { keys: part.keys } } else { Error::Fenced })
    }
}

/// A transaction in the making.
#[derive(Default)]
struct Part {
    compare: Vec<Compare>,
    ops: Vec<Op>,
    keys: Vec<ObjectKey>,
    bytes: usize,
}

/// Room for the fence and for framing in each transaction.
const SPARE_OPS: usize = 2;

impl Part {
    fn of(change: &Change, record: Option<Option<Bytes>>) -> Part {
        let key = change.key();
        let store_key = key.store_key();
        let (compare, op) = match change {
            Change::Create { object, .. } => {
                (Compare::absent(store_key.clone()), Op::put(store_key, object.body().clone()))
            }
            Change::Update { object, base, .. } => {
                (Compare::unchanged(store_key.clone(), Revision(*base)), Op::put(store_key, object.body().clone()))
            }
            Change::Delete { base, .. } => {
                (Compare::unchanged(store_key.clone(), Revision(*base)), Op::delete(store_key))
            }
        };
        let mut part = Part { compare: vec![compare], bytes: op_bytes(&op), ops: vec![op], keys: vec![key.clone()] };
        if let Some(record) = record {
            part.add(Part::record(key, record));
        }
        part
    }

    fn record(key: &ObjectKey, record: Option<Bytes>) -> Part {
        let store_key = record_key(key);
        let op = match record {
            Some(body) => Op::put(store_key, body),
            None => Op::delete(store_key),
        };
        Part { bytes: op_bytes(&op), ops: vec![op], ..Part::default() }
    }

    fn fits(&self, next: &Part, limits: kv::Limits) -> bool {
        let most = limits.txn_ops_max.saturating_sub(SPARE_OPS);
        self.ops.is_empty()
            || (self.ops.len() + next.ops.len() <= most
                && self.compare.len() + next.compare.len() <= most
                && self.bytes + next.bytes <= limits.request_bytes_max)
    }

    fn add(&mut self, next: Part) {
        self.compare.extend(next.compare);
        self.ops.extend(next.ops);
        self.keys.extend(next.keys);
        self.bytes += next.bytes;
    }
}

/// Bytes that protocol framing adds to an operation, at most.
const FRAMING_BYTES: usize = 64;

fn op_bytes(op: &Op) -> usize {
    match op {
        // The key travels twice: in the condition and in the write.
        Op::Put { key, value, .. } => 2 * key.len() + value.len() + FRAMING_BYTES,
        Op::Delete { keys } => 2 * keys.start.len() + FRAMING_BYTES,
        Op::Get { .. } => FRAMING_BYTES,
    }
}

/// The store key of the record beside an object.
pub fn record_key(key: &ObjectKey) -> String {
    let store_key = key.store_key();
    format!("{APPLIED_ROOT}{}", store_key.strip_prefix(STORE_ROOT).unwrap_or(&store_key))
}

/// One key of the store, as a load or a watch sees it; `None` for keys that hold neither objects nor records.
pub fn read(key: &[u8], value: Option<&Bytes>, revision: Revision) -> Option<Stored> {
    let key = std::str::from_utf8(key).ok()?;
    if let Some(rest) = key.strip_prefix(APPLIED_ROOT) {
        let object = ObjectKey::parse_store_key(&format!("{STORE_ROOT}{rest}"))?;
        return Some(Stored::Record(object, value.cloned()));
    }
    // Objects of our own group, such as Releases, stand below the same root as what is no object.
    let object = match (ObjectKey::parse_store_key(key), key.strip_prefix(OWN_ROOT)) {
        (Some(object), _) => object,
        (None, Some(own)) => return Some(Stored::Own(own.to_owned(), value.cloned())),
        (None, None) => return None,
    };
    Some(match value.map(|body| Object::from_stored(body, revision.0)) {
        None => Stored::Gone(object),
        Some(Ok(object)) => Stored::Object(Arc::new(object)),
        Some(Err(why)) => Stored::Fault { key: key.to_owned(), why: Arc::new(why) },
    })
}
