//! One suite for every runtime: containerd, containerd through our own CRI server, the embedded one.

pub mod containerd;
mod daemon;
mod embedded;
mod served;
pub mod suite;
