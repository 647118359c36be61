//! Probes of containers: what is asked (`target.rs`), how, how often until it counts, and the loop.

pub mod exec;
pub mod grpc;
pub mod http;
pub mod run;
pub mod target;
pub mod tcp;
pub mod threshold;
pub mod words;
