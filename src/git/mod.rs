//! Git repositories: hosted, watched, read and written; nothing is ever checked out.

pub mod blame;
pub mod commit;
pub mod entry;
pub mod error;
pub mod history;
pub mod hook;
pub mod hosted;
pub mod http;
pub mod ignore;
pub mod keep;
pub mod links;
pub mod log;
pub mod loose;
pub mod mirror;
pub mod names;
pub mod notes;
pub mod process;
pub mod protocol;
pub mod reader;
pub mod receive;
pub mod ref_events;
pub mod revert;
pub mod snapshot;
pub mod text;
pub mod watch;
pub mod write;
