//! Kinds of the group batch, version v1.

pub mod cron_job;
pub mod indexes;
pub mod job;
pub mod selector;

pub use cron_job::*;
pub use job::*;
