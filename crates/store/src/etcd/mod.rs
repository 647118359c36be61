//! The store kept by an etcd cluster.

pub mod address;
pub mod convert;
#[cfg(test)]
pub mod server;
pub mod store;
#[cfg(test)]
mod tests;
