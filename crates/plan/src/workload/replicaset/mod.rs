//! ReplicaSets: a number of pods of one template.

pub mod create;
pub mod rank;
pub mod reconcile;
pub mod status;
