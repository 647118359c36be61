//! Live connections into a container: exec, attach and port-forward as plain byte streams.

use std::pin::Pin;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use crate::runtime::error::Result;

/// Bytes from a process. End of file once all of its writers are gone.
pub type BoxRead = Pin<Box<dyn AsyncRead + Send>>;
/// Bytes to a process. Dropping or shutting it down closes the process's end.
pub type BoxWrite = Pin<Box<dyn AsyncWrite + Send>>;

/// Both directions at once.
pub trait Duplex: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}
/// One connection, such as a forwarded port. Each direction can be shut down by itself.
pub type BoxDuplex = Pin<Box<dyn Duplex>>;

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Width.
    pub columns: u16,
    /// Height.
    pub rows: u16,
}

/// A process somebody is connected to. Dropping it all hangs up: an exec'd process gets
/// SIGKILL, an attached container goes on.
pub struct Session {
    /// Present when asked for.
    pub stdin: Option<BoxWrite>,
    /// Present when asked for; with a terminal, everything the process prints.
    pub stdout: Option<BoxRead>,
    /// Present when asked for and without a terminal.
    pub stderr: Option<BoxRead>,
    /// Present with a terminal; the first message is the initial size. At most 8 wait.
    pub resize: Option<mpsc::Sender<TerminalSize>>,
    /// The exit code, 128 + n after signal n. Output may still be unread when it resolves.
    pub exit: BoxFuture<'static, Result<i32>>,
}
