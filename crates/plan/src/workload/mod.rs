//! Controllers of pods: what a workload and its parts in the view need next.

pub mod claim;
pub mod deployment;
pub mod job;
pub mod pods;
pub mod replicaset;
#[cfg(test)]
pub(crate) mod sim;
