//! A connection that may be silent for long → one whose other side is asked, when it is, whether it is still there.

use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};

/// Seconds of silence after which the other side is asked.
const SILENCE_S: u32 = 60;
/// Seconds that it has to say something.
const PATIENCE_S: u32 = 15;
/// How often it is asked before it is given up: upgraded connections have no other end when a machine is lost.
const TIMES: u32 = 4;

/// Has the kernel ask.
///
/// # Errors
/// It is no socket of TCP.
pub fn ask(socket: &impl AsFd) -> nix::Result<()> {
    setsockopt(socket, sockopt::KeepAlive, &true)?;
    setsockopt(socket, sockopt::TcpKeepIdle, &SILENCE_S)?;
    setsockopt(socket, sockopt::TcpKeepInterval, &PATIENCE_S)?;
    setsockopt(socket, sockopt::TcpKeepCount, &TIMES)
}
