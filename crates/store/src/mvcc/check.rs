//! Refuses a request that breaks etcd's rules or a limit, before anything is done.

use std::collections::HashSet;

use bytes::Bytes;

use crate::kv::{Error, KeyRange, Limits, Op, Result, Txn};

/// Refuses an empty key.
///
/// # Errors
/// `EmptyKey`.
pub fn range(keys: &KeyRange) -> Result<()> {
    if keys.start.is_empty() { Err(Error::EmptyKey) } else { Ok(()) }
}

/// Refuses a transaction that no state could take.
///
/// # Errors
/// `EmptyKey`, `DuplicateKey`, `TooManyOps`, `TooLarge`.
pub fn txn(txn: &Txn, limits: &Limits) -> Result<()> {
    let ops = txn.compare.len().max(txn.success.len()).max(txn.failure.len());
    if ops > limits.txn_ops_max {
        return Err(Error::TooManyOps { ops, max: limits.txn_ops_max });
    }
    if txn.compare.iter().any(|compare| compare.key.is_empty()) {
        return Err(Error::EmptyKey);
    }
    let mut bytes = txn.compare.iter().map(|compare| compare.key.len()).sum::<usize>();
    for op in txn.success.iter().chain(&txn.failure) {
        bytes += self::op(op, limits)?;
    }
    if bytes > limits.request_bytes_max {
        let max = limits.request_bytes_max;
        return Err(Error::TooLarge { bytes, max, limit: "request_bytes_max" });
    }
    branch(&txn.success)?;
    branch(&txn.failure)
}

fn op(op: &Op, limits: &Limits) -> Result<usize> {
    match op {
        Op::Put { key, .. } if key.is_empty() => Err(Error::EmptyKey),
        Op::Put { value, .. } if value.len() > limits.value_bytes_max => {
            Err(Error::TooLarge { bytes: value.len(), max: limits.value_bytes_max, limit: "value_bytes_max" })
        }
        Op::Put { key, value, .. } => Ok(key.len() + value.len()),
        Op::Delete { keys } => range(keys).map(|()| keys.start.len()),
        Op::Get { range: get } => range(&get.keys).map(|()| get.keys.start.len()),
    }
}

/// Refuses a branch that writes a key twice, or writes what it also deletes, in whatever order.
fn branch(ops: &[Op]) -> Result<()> {
    let mut puts: HashSet<&Bytes> = HashSet::new();
    let mut deletes: Vec<&KeyRange> = Vec::new();
    for op in ops {
        match op {
            Op::Put { key, .. } if !puts.insert(key) => return Err(Error::DuplicateKey),
            Op::Delete { keys } => deletes.push(keys),
            Op::Put { .. } | Op::Get { .. } => {}
        }
    }
    let both = deletes.iter().any(|keys| match keys.end {
        crate::kv::End::Single => puts.contains(&keys.start),
        _ => puts.iter().any(|key| keys.contains(key)),
    });
    if both { Err(Error::DuplicateKey) } else { Ok(()) }
}
