//! Kinds of the group scheduling.k8s.io, version v1.

pub mod priority_class;

pub use priority_class::*;
