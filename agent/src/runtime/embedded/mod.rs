//! The runtime in this program: a shim process per container, overlayfs, and no daemon beside us.

pub mod capabilities;
pub mod cgroup;
pub mod container;
pub mod convert;
pub mod devices;
pub mod events;
pub mod exec;
pub mod host;
pub mod id;
pub mod layout;
pub mod limits;
pub mod namespaces;
pub mod networked;
pub mod options;
pub mod record;
pub mod restore;
pub mod runtime;
pub mod sandbox;
pub mod shims;
pub mod spec;
pub mod spec_mounts;
pub mod stats;
pub mod store;
pub mod terminal;
pub mod usage;
