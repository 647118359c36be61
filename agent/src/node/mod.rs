//! This machine as a node: what it is, how it starts, how everything of it goes.

pub mod addresses;
pub mod cgroups;
pub mod default_name;
pub mod destroy;
pub mod facts;
pub mod host_only;
pub mod images;
pub mod lock;
pub mod mounts;
pub mod options;
pub mod paths;
pub mod resolver;
pub mod run;
pub mod setup;

pub use default_name::default_name;
pub use destroy::destroy;
pub use images::{ImageInfo, ImagesHandle, images};
pub use mounts::ExtraMount;
pub use options::{Options, RuntimeChoice, Shim};
pub use run::{Node, start};
