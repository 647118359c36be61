//! The agent's end of the channel: joins, connects, holds the node's manifest, reports.
//!
//! `plan.rs` decides what a manifest part does to what is held; `run.rs` keeps a session up;
//! others hold a `Handle`.

pub mod backoff;
pub mod handle;
pub mod join;
pub mod outbox;
pub mod persist;
pub mod plan;
pub mod problems;
pub mod run;
pub mod session;
pub mod state;
pub mod tables;
#[cfg(test)]
mod tests;
