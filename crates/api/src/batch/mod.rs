//! Kinds of the group batch, version v1.

pub mod cron_job;
pub mod job;

pub use cron_job::*;
pub use job::*;
