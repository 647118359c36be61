//! The image store against a registry in this process, archives made here, and its own data directory after a crash.

mod crash;
mod import;
pub mod layer;
mod pull;
mod registry;
mod unpack;
