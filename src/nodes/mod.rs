//! The control plane's end of the channel: what a node should run goes out, what it reports comes in.
//!
//! Knows no store. `plan.rs` decides what a node is sent; `dispatcher.rs` starts the server and is
//! what others hold; `service.rs` and `session.rs` are the gRPC edge.

pub mod channel;
pub mod convert;
pub mod dispatcher;
mod members;
pub mod plan;
pub mod report;
pub mod service;
pub mod session;
mod shared;
#[cfg(test)]
mod simulation;
pub mod streams;
#[cfg(test)]
mod tests;
