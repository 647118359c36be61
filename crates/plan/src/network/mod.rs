//! The addresses of the cluster: which ranges pods, nodes and services take theirs from.

pub mod cidr;
pub mod nodes;
pub mod ranges;
