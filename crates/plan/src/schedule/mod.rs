//! Pods without a node → a node for each, or why there is none, as Kubernetes' default scheduler decides.

pub mod bind;
pub mod filter;
pub mod message;
pub mod near;
pub mod node_info;
pub mod node_match;
pub mod preempt;
pub mod request;
pub mod score;
pub mod select;
pub mod spread;
#[cfg(test)]
mod tests;
