//! One output stream of a container: read, logged, and copied to whoever is attached.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd;

use crate::shim::exit::now;
use crate::shim::log::{Line, LogFile, timestamp};

/// What is read at once.
const READ_MAX: usize = 16 * 1024;
/// The most clients one stream is copied to.
const SINKS_MAX: usize = 16;
/// What an attached client may be behind, in bytes; one that is slower is cut off.
const SINK_BUFFER: i32 = 1024 * 1024;

/// A stream.
#[derive(Debug)]
pub struct Output {
    /// Where it is read from; None after its end.
    pub source: Option<OwnedFd>,
    name: &'static str,
    line: Line,
    sinks: Vec<OwnedFd>,
}

impl Output {
    /// `name` is `stdout` or `stderr`.
    pub fn new(name: &'static str, source: Option<OwnedFd>) -> Self {
        if let Some(source) = &source {
            set_nonblocking(source);
        }
        Self { source, name, line: Line::default(), sinks: Vec::new() }
    }

    /// Copies what comes from now on to `sink`; false when there are too many.
    pub fn attach(&mut self, sink: OwnedFd) -> bool {
        if self.sinks.len() >= SINKS_MAX {
            return false;
        }
        set_nonblocking(&sink);
        // The container must never wait for a client: the pipe takes the difference in speed.
        let _ = fcntl(&sink, FcntlArg::F_SETPIPE_SZ(SINK_BUFFER));
        if self.source.is_some() {
            self.sinks.push(sink);
        }
        true
    }

    /// Reads what is there, once. False when the stream has ended.
    pub fn pump(&mut self, log: &mut Option<LogFile>) -> bool {
        let Some(source) = &self.source else { return false };
        let mut buffer = [0_u8; READ_MAX];
        let ended = match unistd::read(source, &mut buffer) {
            Ok(0) => true,
            Ok(length) => {
                let bytes = &buffer[..length];
                if let Some(log) = log {
                    self.line.feed(log, &timestamp(now()), self.name, bytes);
                    log.flush();
                }
                self.sinks.retain(|sink| copy(sink, bytes));
                false
            }
            Err(Errno::EAGAIN | Errno::EINTR) => false,
            // A terminal's master says EIO once its last slave is closed.
            Err(_) => true,
        };
        if ended {
            self.close(log);
        }
        !ended
    }

    /// Ends the stream.
    pub fn close(&mut self, log: &mut Option<LogFile>) {
        if let Some(log) = log {
            self.line.end(log, &timestamp(now()), self.name);
            log.flush();
        }
        self.source = None;
        self.sinks.clear();
    }
}

fn copy(sink: &OwnedFd, bytes: &[u8]) -> bool {
    unistd::write(sink, bytes).is_ok_and(|written| written == bytes.len())
}

/// Makes reads and writes return at once.
pub fn set_nonblocking(fd: &OwnedFd) {
    if let Ok(flags) = fcntl(fd, FcntlArg::F_GETFL) {
        let flags = OFlag::from_bits_truncate(flags) | OFlag::O_NONBLOCK;
        let _ = fcntl(fd, FcntlArg::F_SETFL(flags));
    }
}

/// Reads all of a small message that its writer has finished.
pub fn read_message(fd: &OwnedFd) -> String {
    let mut text = Vec::new();
    let mut buffer = [0_u8; 1024];
    loop {
        match unistd::read(fd, &mut buffer) {
            Ok(0) => break,
            Ok(length) if text.len() < crate::shim::protocol::PAYLOAD_MAX => {
                text.extend_from_slice(&buffer[..length]);
            }
            Ok(_) => {}
            Err(error) if std::io::Error::from(error).kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}
