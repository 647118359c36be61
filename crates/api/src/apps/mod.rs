//! Kinds of the group apps, version v1.

pub mod daemon_set;
pub mod deployment;
pub mod replica_set;
pub mod stateful_set;

pub use daemon_set::*;
pub use deployment::*;
pub use replica_set::*;
pub use stateful_set::*;
