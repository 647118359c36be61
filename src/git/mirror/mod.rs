//! A repository somebody else hosts into a local mirror whose branch only ever moves to a commit that can be trusted.

pub mod copy;
pub mod credentials;
pub mod fault;
pub mod fetch;
pub mod handle;
pub mod options;
pub mod run;
pub mod store;
pub mod url;
