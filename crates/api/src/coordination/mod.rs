//! Kinds of the group coordination.k8s.io, version v1.

pub mod lease;

pub use lease::*;
