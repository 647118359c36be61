//! The core that the memory store and the embedded store share: versions, transactions, leases, watches.

pub mod check;
pub mod command;
pub mod engine;
pub mod history;
pub mod housekeeping;
pub mod hub;
pub mod keyspace;
pub mod leases;
