//! Repositories made by the real `git`, read, watched and served by ours.

mod fault;
mod push;
mod snapshot;
mod support;
mod watch;
mod write;
