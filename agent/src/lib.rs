//! The node agent: runs the pods that the control plane assigns to this machine.

pub mod runtime;
pub mod shim;
