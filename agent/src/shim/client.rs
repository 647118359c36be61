//! One connection of the agent to a shim: frames in with their file descriptors, frames out.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::unistd::Pid;

use crate::shim::error::{Error, Result};
use crate::shim::fds;
use crate::shim::protocol::{HEADER, Message, PAYLOAD_MAX};

/// The most file descriptors that wait for their message.
const FDS_WAITING: usize = 8;

/// What a connection is for, beyond signals and news.
#[derive(Debug)]
pub enum Use {
    /// News of the container.
    Watch,
    /// A command that is being started by a child of ours, which answers through a pipe.
    Starting {
        /// The child.
        child: Pid,
        /// Its answer: a pid, or a text after `!`.
        answer: OwnedFd,
    },
    /// A command that runs.
    Running(Pid),
    /// A command that has ended.
    Ended,
    /// A client of the container's streams; whether it has stdin.
    Attached(bool),
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    /// The socket, blocking for writes.
    pub socket: UnixStream,
    /// What it is for.
    pub usage: Use,
    /// Whether the peer has gone while its command was being started.
    pub gone: bool,
    inbox: Vec<u8>,
    fds: VecDeque<OwnedFd>,
}

impl Client {
    /// A fresh connection.
    pub fn new(socket: UnixStream) -> Self {
        // A peer that does not read must not stop the container's log: it is given up instead.
        let _ = socket.set_write_timeout(Some(std::time::Duration::from_millis(200)));
        Self { socket, usage: Use::Watch, gone: false, inbox: Vec::new(), fds: VecDeque::new() }
    }

    /// Reads what is there; the messages that are complete, or an error when the peer is gone.
    pub fn read(&mut self) -> Result<Vec<Message>> {
        let mut buffer = [0_u8; 1024];
        match fds::receive(self.socket.as_raw_fd(), &mut buffer) {
            Ok((0, _)) => return Err(Error::Protocol("the peer is gone".to_owned())),
            Ok((length, received)) => {
                self.inbox.extend_from_slice(&buffer[..length]);
                self.fds.extend(received);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Protocol(error.to_string())),
        }
        if self.fds.len() > FDS_WAITING || self.inbox.len() > 2 * (HEADER + PAYLOAD_MAX) {
            return Err(Error::Protocol("too much at once".to_owned()));
        }
        let mut messages = Vec::new();
        while let Some((message, taken)) = Message::decode(&self.inbox)? {
            messages.push(message);
            self.inbox.drain(..taken);
        }
        Ok(messages)
    }

    /// The next `N` file descriptors that came along.
    pub fn take_fds<const N: usize>(&mut self) -> Result<[OwnedFd; N]> {
        if self.fds.len() < N {
            let text = format!("{} file descriptors in place of {N}", self.fds.len());
            return Err(Error::Protocol(text));
        }
        let taken: Vec<OwnedFd> = self.fds.drain(..N).collect();
        taken.try_into().map_err(|_| Error::Protocol("file descriptors".to_owned()))
    }

    /// Sends a message; a peer that is gone does not matter.
    pub fn send(&mut self, message: &Message) {
        let _ = self.socket.write_all(&message.encode());
    }

    /// Sends a message with a file descriptor.
    pub fn send_with(&mut self, message: &Message, fd: &OwnedFd) {
        let _ = fds::send(self.socket.as_raw_fd(), &message.encode(), &[fd.as_raw_fd()]);
    }
}
