//! A pod's volumes: what they hold (`plan.rs`), how it gets onto the disk, and where containers see it.

pub mod apply;
pub mod atomic;
pub mod host_path;
pub mod mounts;
pub mod ownership;
pub mod plan;
pub mod sub_path;
