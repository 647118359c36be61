//! Objects as users write them to objects with every default that Kubernetes fills in.

pub mod config;
pub mod gateway;
pub mod image;
pub mod job;
pub mod network;
pub mod pod;
pub mod service;
pub mod workload;
