//! The node's pod network: a namespace with an address of its own for each pod.

pub mod contract;
