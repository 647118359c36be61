//! The small process that owns one container, outlives the daemon and never runs a thread.

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs a shim to its end; called first thing in `main`, before any thread is started.
pub fn main(_args: impl Iterator<Item = OsString>) -> ExitCode {
    ExitCode::FAILURE
}
