//! The node agent: runs the pods that the control plane assigns to this machine.

pub mod dns;
pub mod fleet;
pub mod images;
pub mod ingress;
pub mod link;
pub mod logs;
pub mod network;
pub mod node;
pub mod pods;
pub mod runtime;
pub mod shim;
pub mod spdy;
