//! The decisions: from an immutable view of the cluster and a wish to the changes that get from one to the other.
//!
//! Everything here is a plain function over data. There is no clock, no randomness, no I/O and no async: the time and
//! the ids of new objects come in through [`context::Context`], so that a plan of a pull request, a what-if and a
//! simulation run the code that production runs.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod admission;
pub mod cluster;
pub mod context;
pub mod control;
pub mod delete;
pub mod desired;
pub mod diff;
pub mod dispatch;
pub mod garbage;
pub mod gateway;
pub mod health;
pub mod namespace;
pub mod network;
pub mod node;
pub mod origin;
pub mod policy;
pub mod report;
pub mod round;
pub mod schedule;
pub mod service;
pub mod sync;
pub mod system;
pub mod workload;
