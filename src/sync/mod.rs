//! Commits of the tracked branch → the cluster's state, one at a time, the newest first, each with its outcome.

pub mod apply;
pub mod blame;
pub mod charts;
pub mod commits;
pub mod gate;
pub mod handle;
pub mod logs;
pub mod lookup;
mod memo;
pub mod notes;
pub mod observe;
mod problem;
pub mod progress;
pub mod record;
pub mod run;
pub mod telling;
pub mod test;
pub mod witness;
