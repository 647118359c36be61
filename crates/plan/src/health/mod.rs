//! How far an object's rollout has come: healthy, on its way, or failed and why.

pub mod assess;
pub mod gateway;
pub mod job;
pub mod pod;
#[cfg(test)]
mod tests;
pub mod verdict;
pub mod workload;
