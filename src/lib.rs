//! The control plane and the command line of Masthead.

pub mod charts;
pub mod cli;
pub mod client;
pub mod clock;
pub mod control;
pub mod daemon;
pub mod fleet;
pub mod git;
pub mod nodes;
pub mod server;
pub mod source;
pub mod sync;
