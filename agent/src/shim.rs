//! The small process that owns one container, outlives the daemon and never runs a thread.
//!
//! A *zygote* is started once by the embedded runtime and forks one shim per container, so that
//! all shims share the pages the dynamic loader and the allocator have written. Whatever
//! allocates (everything libcontainer does) runs in a short-lived child of the shim.

pub mod client;
pub mod create;
pub mod device_filter;
pub mod error;
pub mod executor;
pub mod exit;
pub mod fds;
pub mod fork;
pub mod log;
pub mod output;
pub mod overlay;
pub mod pause;
pub mod process;
pub mod protocol;
pub mod seccomp;
pub mod seccomp_table;
pub mod supervise;
pub mod task;
pub mod tenant;
pub mod trace;
pub mod users;
pub mod zygote;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the zygote, and in its children the shims, to their end. To be called first thing in
/// `main`, before any thread is started; `args` are those after the word `shim`.
pub fn main(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    if args.next().is_some() {
        eprintln!("shim: started by the agent only, without arguments");
        return ExitCode::from(2);
    }
    zygote::run()
}
