//! Network policies, with selectors turned into addresses and named ports into numbers, as nodes need them.
//!
//! Pods that use the node's network are neither selected nor peers: their address is the node's.

pub mod compile;
#[cfg(test)]
mod reach_tests;
pub mod sets;
pub mod state;
#[cfg(test)]
mod tests;
