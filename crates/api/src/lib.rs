//! The nouns of the API: Kubernetes' kinds as Rust types, with decoding, defaults, validation and tables.
//!
//! Nothing here does I/O, reads a clock or draws random numbers; times and ids are arguments.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod admit;
pub mod apps;
pub mod authorization;
pub mod batch;
pub mod bytes;
pub mod change;
pub mod coordination;
pub mod core;
pub mod decode;
pub mod default;
pub mod describe;
pub mod discovery;
pub mod gateway;
pub mod intstr;
pub mod key;
pub mod kind;
pub mod meta;
pub mod networking;
pub mod object;
pub mod patch;
pub mod problem;
pub mod quantity;
pub mod release;
pub mod scheduling;
pub mod schema;
pub mod status;
pub mod table;
pub mod validate;
