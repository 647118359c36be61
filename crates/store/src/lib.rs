//! The store: one contract with etcd's semantics, kept in memory, on a disk of ours, or by etcd.

pub mod clock;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod embedded;
pub mod etcd;
pub mod kv;
pub mod lease;
pub mod memory;
pub mod mvcc;
pub mod objects;
pub mod open;
