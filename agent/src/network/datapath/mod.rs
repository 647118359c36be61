//! The manifest's services, policies and nodes → the kernel's tables and routes, kept right by a thread of its own.

pub mod handle;
pub mod nodes;
pub mod policies;
pub mod run;
pub mod services;
pub mod state;
