//! Jobs: pods that run until enough of them succeed.

pub mod backoff;
pub mod condition;
pub mod create;
pub mod finished;
pub mod manage;
pub mod member;
pub mod orphan;
pub mod outcome;
pub mod policy;
pub mod reconcile;
pub mod recover;
pub mod run;
pub mod streak;
#[cfg(test)]
mod tests;
pub mod track;
