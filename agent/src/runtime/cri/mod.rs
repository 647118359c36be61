//! CRI over gRPC, both ways: containerd or CRI-O as a runtime, and any runtime as a CRI socket.

pub mod channel;
pub mod client;
pub mod client_images;
pub mod convert;
pub mod dial;
pub mod endpoint;
pub mod events;
pub mod known;
pub mod messages;
pub mod offer;
pub mod pump;
pub mod relist;
pub mod runtime;
pub mod server;
pub mod server_images;
pub mod spdy;
pub mod streaming;
#[cfg(test)]
mod streaming_tests;
pub mod streams;
pub mod tell;
pub mod wanted;
