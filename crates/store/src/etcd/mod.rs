//! The store kept by an etcd cluster.

pub mod address;
pub mod convert;
pub mod store;
#[cfg(test)]
mod tests;
