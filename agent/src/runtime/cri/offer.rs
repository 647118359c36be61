//! What a streaming URL leads to.

use crate::runtime::contract::{AttachRequest, ExecRequest};
use crate::runtime::cri::wanted::Wanted;

/// What a URL leads to.
#[derive(Debug)]
pub enum Stream {
    /// A new process.
    Exec(ExecRequest),
    /// The container's own.
    Attach {
        /// Its streams.
        request: AttachRequest,
        /// The client knows of a terminal.
        tty: bool,
    },
    /// Ports of a sandbox.
    Port {
        /// The sandbox.
        sandbox_id: String,
        /// Its ports, for clients that do not name the port with each connection.
        ports: Vec<u16>,
    },
}

/// The streams of a new process.
pub fn of_exec(request: &ExecRequest) -> Wanted {
    Wanted { stdin: request.stdin, stdout: request.stdout, stderr: request.stderr, tty: request.tty }
}

/// The container's own streams.
pub fn of_attach(request: &AttachRequest, tty: bool) -> Wanted {
    Wanted { stdin: request.stdin, stdout: request.stdout, stderr: request.stderr, tty }
}
