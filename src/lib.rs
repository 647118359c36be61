//! The control plane and the command line of Masthead.
pub mod git;
pub mod nodes;
