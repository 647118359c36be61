//! Kinds of the core group, version v1.

pub mod affinity;
pub mod claim;
pub mod config;
pub mod container;
pub mod endpoints;
pub mod env;
pub mod event;
pub mod namespace;
pub mod node;
pub mod pod;
pub mod pod_status;
pub mod probe;
pub mod reference;
pub mod security;
pub mod service;
pub mod volume;
pub mod volume_driver;

pub use affinity::*;
pub use claim::*;
pub use config::*;
pub use container::*;
pub use endpoints::*;
pub use env::*;
pub use event::*;
pub use namespace::*;
pub use node::*;
pub use pod::*;
pub use pod_status::*;
pub use probe::*;
pub use reference::*;
pub use security::*;
pub use service::*;
pub use volume::*;
pub use volume_driver::*;
