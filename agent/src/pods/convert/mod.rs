//! A pod as Kubernetes writes it → what a container runtime is asked for; plain functions.

pub mod container;
pub mod context;
pub mod env;
pub mod labels;
pub mod names;
pub mod resources;
pub mod sandbox;
