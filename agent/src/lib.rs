//! The node agent: runs the pods that the control plane assigns to this machine.

pub mod images;
pub mod link;
pub mod runtime;
pub mod shim;
