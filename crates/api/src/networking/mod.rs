//! Kinds of the group networking.k8s.io, version v1.

pub mod class;
pub mod ingress;
pub mod network_policy;
pub mod resolved;

pub use ingress::*;
pub use network_policy::*;
