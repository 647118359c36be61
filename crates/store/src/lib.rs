//! The store: one contract with etcd's semantics, kept in memory, on a disk of ours, or by etcd.

pub mod kv;
