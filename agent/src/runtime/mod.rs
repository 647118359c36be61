//! Pods and containers of one node: a contract in CRI's words and what implements it.

pub mod contract;
pub mod cri;
pub mod disk;
pub mod embedded;
pub mod error;
pub mod images;
pub mod streams;
pub mod v1;
