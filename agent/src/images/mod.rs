//! The image store of the embedded runtime: registries, archives and local files in, unpacked overlay layers out.

pub mod assemble;
pub mod auth;
pub mod blobs;
pub mod challenge;
pub mod collect;
pub mod collect_plan;
pub mod contract;
pub mod digest;
pub mod error;
pub mod guard;
pub mod import;
pub mod index;
pub mod layers;
pub mod libs;
pub mod limits;
pub mod manifest;
pub mod platform;
pub mod policy;
pub mod pull;
pub mod push;
pub mod reference;
pub mod registry;
pub mod source;
pub mod store;
pub mod tree;
pub mod unpack;
