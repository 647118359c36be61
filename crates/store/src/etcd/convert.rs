//! Our types as etcd's, and back.

use etcd_client as etcd;
use tonic::{Code, Status};

use crate::kv::{
    Compare, End, Error, Event, EventKind, KeyRange, KeyValue, LeaseId, Limits, Op, OpResult, Range, RangeResult,
    Relation, Result, Revision, Target, TxnResult, WatchBatch,
};
use crate::mvcc::leases::TTL_MAX_S;

/// How etcd writes the end of a range without one, and what we send for a range without keys.
const NO_END: &[u8] = &[0];
const NOTHING: &[u8] = &[1];

/// First key and end of a range as etcd takes them; the end is `None` for a single key.
///
/// A range that ends before it begins is sent as one that etcd, too, reads as empty: an empty end
/// or a zero byte would mean something else to it.
#[must_use]
pub fn keys(keys: &KeyRange) -> (Vec<u8>, Option<Vec<u8>>) {
    if keys.bounds().is_none() {
        return (NOTHING.to_vec(), Some(NOTHING.to_vec()));
    }
    let end = match &keys.end {
        End::Single => None,
        End::Before(end) => Some(end.to_vec()),
        End::Unbounded => Some(NO_END.to_vec()),
    };
    (keys.start.to_vec(), end)
}

/// A revision or a count as etcd takes it.
#[must_use]
pub fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

/// The options of a read.
#[must_use]
pub fn get_options(range: &Range) -> (Vec<u8>, etcd::GetOptions) {
    let (key, end) = keys(&range.keys);
    let mut options = etcd::GetOptions::new();
    if let Some(end) = end {
        options = options.with_range(end);
    }
    if let Some(revision) = range.revision {
        options = options.with_revision(signed(revision.0));
    }
    // To etcd a limit of zero is none.
    match range.limit {
        Some(0) => options = options.with_count_only(),
        Some(limit) => options = options.with_limit(signed(limit as u64)),
        None => {}
    }
    if range.keys_only {
        options = options.with_keys_only();
    }
    if range.count_only {
        options = options.with_count_only();
    }
    (key, options)
}

/// The answer to a read of `range`.
#[must_use]
pub fn range_result(mut response: etcd::GetResponse, range: &Range) -> RangeResult {
    let count = unsigned(response.count());
    let none = range.limit == Some(0) && !range.count_only;
    RangeResult {
        revision: revision(response.header()),
        more: response.more() || (none && count > 0),
        count,
        kvs: response.take_kvs().into_iter().map(key_value).collect(),
    }
}

/// A condition.
#[must_use]
pub fn compare(compare: Compare) -> etcd::Compare {
    let relation = match compare.relation {
        Relation::Equal => etcd::CompareOp::Equal,
        Relation::Greater => etcd::CompareOp::Greater,
        Relation::Less => etcd::CompareOp::Less,
        Relation::NotEqual => etcd::CompareOp::NotEqual,
    };
    let key = compare.key;
    match compare.target {
        Target::ModRevision(r) => etcd::Compare::mod_revision(key, relation, signed(r.0)),
        Target::CreateRevision(r) => etcd::Compare::create_revision(key, relation, signed(r.0)),
        Target::Version(v) => etcd::Compare::version(key, relation, signed(v)),
        Target::Value(value) => etcd::Compare::value(key, relation, value),
        Target::Lease(lease) => etcd::Compare::lease(key, relation, lease.0),
    }
}

/// A step of a transaction.
#[must_use]
pub fn op(op: &Op) -> etcd::TxnOp {
    match op {
        Op::Put { key, value, lease } => {
            let options = etcd::PutOptions::new().with_lease(lease.0);
            etcd::TxnOp::put(key.clone(), value.clone(), Some(options))
        }
        Op::Delete { keys: range } => {
            let (key, end) = keys(range);
            let options = end.map(|end| etcd::DeleteOptions::new().with_range(end));
            etcd::TxnOp::delete(key, options)
        }
        Op::Get { range } => {
            let (key, options) = get_options(range);
            etcd::TxnOp::get(key, Some(options))
        }
    }
}

/// The answer to a transaction with these branches.
///
/// # Errors
/// `Protocol` if the answers don't fit the steps.
pub fn txn_result(response: &etcd::TxnResponse, success: &[Op], failure: &[Op]) -> Result<TxnResult> {
    let ops = if response.succeeded() { success } else { failure };
    let answers = response.op_responses();
    if answers.len() != ops.len() {
        return Err(Error::Protocol(format!("{} answers to {} steps", answers.len(), ops.len())));
    }
    let responses = answers.into_iter().zip(ops).map(|(answer, op)| match (answer, op) {
        (etcd::TxnOpResponse::Put(_), Op::Put { .. }) => Ok(OpResult::Put),
        (etcd::TxnOpResponse::Delete(delete), Op::Delete { .. }) => {
            Ok(OpResult::Delete { deleted: unsigned(delete.deleted()) })
        }
        (etcd::TxnOpResponse::Get(get), Op::Get { range }) => Ok(OpResult::Get(range_result(get, range))),
        (answer, op) => Err(Error::Protocol(format!("{answer:?} to {op:?}"))),
    });
    Ok(TxnResult {
        succeeded: response.succeeded(),
        revision: revision(response.header()),
        responses: responses.collect::<Result<_>>()?,
    })
}

/// What the store stood at when it answered.
#[must_use]
pub fn revision(header: Option<&etcd::ResponseHeader>) -> Revision {
    Revision(header.map_or(0, |header| unsigned(header.revision())))
}

fn key_value(kv: etcd::KeyValue) -> KeyValue {
    let (create, modified, version, lease) = (kv.create_revision(), kv.mod_revision(), kv.version(), kv.lease());
    let (key, value) = kv.into_key_value();
    KeyValue {
        key: key.into(),
        value: value.into(),
        create_revision: Revision(unsigned(create)),
        mod_revision: Revision(unsigned(modified)),
        version: unsigned(version),
        lease: LeaseId(lease),
    }
}

fn event(event: &etcd::Event) -> Option<Event> {
    let kind = match event.event_type() {
        etcd::EventType::Put => EventKind::Put,
        etcd::EventType::Delete => EventKind::Delete,
    };
    let kv = key_value(event.kv()?.clone());
    Some(Event { kind, kv, prev: event.prev_kv().cloned().map(key_value) })
}

/// A message of a watch as one batch for each revision; one without events tells progress.
///
/// # Errors
/// `Compacted`, `Unavailable`, `Denied`: why the watch ended.
pub fn batches(response: &etcd::WatchResponse) -> Result<Vec<WatchBatch>> {
    if response.compact_revision() > 0 {
        return Err(Error::Compacted { at: Some(Revision(unsigned(response.compact_revision()))) });
    }
    if response.canceled() {
        return Err(from_text(response.cancel_reason()));
    }
    let mut batches: Vec<WatchBatch> = Vec::new();
    for event in response.events().iter().filter_map(event) {
        let revision = event.kv.mod_revision;
        match batches.last_mut().filter(|batch| batch.revision == revision) {
            Some(batch) => batch.events.push(event),
            None => batches.push(WatchBatch { revision, events: vec![event] }),
        }
    }
    if batches.is_empty() && !response.created() {
        let revision = revision(response.header());
        batches.push(WatchBatch { revision, events: Vec::new() });
    }
    Ok(batches)
}

/// etcd's errors as ours.
#[must_use]
pub fn error(error: &etcd::Error) -> Error {
    match error {
        etcd::Error::GRpcStatus(status) => match from_text(status.message()) {
            Error::Unavailable(_) => from_code(status),
            known => known,
        },
        other => Error::Unavailable(other.to_string()),
    }
}

fn from_code(status: &Status) -> Error {
    let text = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => Error::Denied(text),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown | Code::Aborted => {
            Error::Unavailable(text)
        }
        _ => Error::Protocol(text),
    }
}

/// etcd tells errors of one code apart by their text alone (`rpctypes/error.go`).
fn from_text(text: &str) -> Error {
    let is = |what: &str| text.contains(what);
    let limits = Limits::ETCD;
    if is("required revision has been compacted") {
        Error::Compacted { at: None }
    } else if is("required revision is a future revision") {
        Error::FutureRevision
    } else if is("duplicate key given") {
        Error::DuplicateKey
    } else if is("key is not provided") {
        Error::EmptyKey
    } else if is("too many operations in txn") {
        Error::TooManyOps { ops: 0, max: limits.txn_ops_max }
    } else if is("request is too large") {
        Error::TooLarge { bytes: 0, max: limits.request_bytes_max, limit: "request_bytes_max" }
    } else if is("requested lease not found") {
        Error::LeaseNotFound(LeaseId::NONE)
    } else if is("lease already exists") {
        Error::LeaseExists(LeaseId::NONE)
    } else if is("too large lease TTL") {
        Error::LeaseTtl { ttl_s: 0, max_s: TTL_MAX_S }
    } else if is("database space exceeded") {
        Error::NoSpace(text.to_owned())
    } else if is("permission denied") || is("authentication failed") || is("invalid auth token") {
        Error::Denied(text.to_owned())
    } else {
        Error::Unavailable(text.to_owned())
    }
}
