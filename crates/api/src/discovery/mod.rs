//! Kinds of the group discovery.k8s.io, version v1.

pub mod endpoint_slice;

pub use endpoint_slice::*;
