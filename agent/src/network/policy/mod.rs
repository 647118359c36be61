//! NetworkPolicies in the kernel: what may be forwarded to and from the pods they select.

pub mod build;
pub mod ranges;
pub mod table;
