//! Metadata, selectors, times and answers that all groups share.

pub mod civil;
pub mod condition;
pub mod list_meta;
pub mod object_meta;
pub mod options;
pub mod selector;
pub mod status;
pub mod time;

pub use condition::*;
pub use list_meta::*;
pub use object_meta::*;
pub use options::*;
pub use selector::*;
pub use status::*;
pub use time::*;
