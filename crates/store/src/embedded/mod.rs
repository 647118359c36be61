//! The store on a disk of ours: one directory, one process, a write-ahead log and its snapshots.
//!
//! `wal-<seq>` holds frames from `seq` on, one for each group of commands that was made durable
//! together; `snapshot-<seq>` holds what all frames before `seq` made; `LOCK` keeps a second
//! process out. The newest snapshot and the logs from its number on are the whole state.

pub mod committer;
pub mod disk;
pub mod error;
pub mod frame;
pub mod layout;
pub mod log;
pub mod record;
pub mod recover;
pub mod snapshot;
pub mod store;
#[cfg(test)]
mod tests;
