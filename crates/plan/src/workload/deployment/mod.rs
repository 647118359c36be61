//! Deployments: pods of one template, replaced step by step when it changes.

pub mod condition;
pub mod fences;
pub mod hash;
pub mod history;
pub mod progress;
pub mod proportion;
pub mod reconcile;
pub mod recreate;
pub mod revision;
pub mod rolling;
pub mod rollout;
pub mod status;
