//! A WebSocket of exec or attach → this process's standard streams and terminal, until the process there ends.

use std::io::{IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use anyhow::{Result, bail};
use bytes::Bytes;
use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt};
use masthead_wire::stream::Exit;
use nix::sys::termios::{self, SetArg, Termios};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::client::rest::Rest;
use crate::client::socket::Socket;
use crate::server::channel::{self, PROTOCOLS};

/// Bytes read from standard input at once.
const PIECE: usize = 16 * 1024;

/// Pieces of standard input that wait for the network.
const WAITING_MAX: usize = 8;

/// What a session carries besides output.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// Standard input.
    pub stdin: bool,
    /// A terminal.
    pub tty: bool,
}

/// Whether a terminal can be used: asked for, and standard input is one.
pub fn usable(tty: bool, stdin: bool) -> bool {
    if tty && stdin && !std::io::stdin().is_terminal() {
        eprintln!("Unable to use a TTY - input is not a terminal or the right kind of file");
        return false;
    }
    tty
}

/// The terminal in raw mode; as it was when dropped.
struct Raw(Option<Termios>);

impl Raw {
    fn new(on: bool) -> Result<Raw> {
        let stdin = std::io::stdin();
        if !on || !stdin.is_terminal() {
            return Ok(Raw(None));
        }
        let before = termios::tcgetattr(stdin.as_fd())?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(stdin.as_fd(), SetArg::TCSANOW, &raw)?;
        Ok(Raw(Some(before)))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // A terminal that is gone needs nothing set back.
            let _ = termios::tcsetattr(std::io::stdin().as_fd(), SetArg::TCSANOW, before);
        }
    }
}

impl Session {
    /// The streams as parameters of the request.
    pub fn query(self) -> String {
        format!("stdin={}&stdout=true&stderr={}&tty={}", self.stdin, !self.tty, self.tty)
    }

    /// Runs to the end of the process there; its exit code is ours.
    ///
    /// # Errors
    /// The server refuses, or the connection breaks.
    pub async fn run(self, rest: &Rest, path: &str) -> Result<ExitCode> {
        let socket = rest.websocket(path, &PROTOCOLS).await?;
        let raw = Raw::new(self.tty && self.stdin)?;
        let ended = self.carry(socket).await;
        drop(raw);
        match ended? {
            Exit::Code(0) => Ok(ExitCode::SUCCESS),
            Exit::Code(code) => {
                eprintln!("command terminated with exit code {code}");
                Ok(ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1)))
            }
            Exit::Failed { message, .. } => bail!("{message}"),
        }
    }

    async fn carry(self, socket: Socket) -> Result<Exit> {
        let (mut to_server, mut from_server) = socket.split();
        let mut input = if self.stdin { Some(read_stdin()) } else { None };
        let mut resized = signal(SignalKind::window_change())?;
        if self.tty {
            resize(&mut to_server).await?;
        }
        loop {
            tokio::select! {
                message = from_server.next() => match message {
                    Some(Ok(Message::Binary(bytes))) => if let Some(exit) = output(&bytes)? { return Ok(exit) },
                    Some(Ok(Message::Close(_))) | None => bail!("the connection ended before the process did"),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error.into()),
                },
                piece = next(&mut input), if input.is_some() => {
                    let message = match piece {
                        Some(bytes) => channel::write(channel::STDIN, &bytes),
                        None => {
                            input = None;
                            channel::write(channel::CLOSE, &[channel::STDIN])
                        }
                    };
                    to_server.send(Message::Binary(message)).await?;
                }
                _ = resized.recv(), if self.tty => resize(&mut to_server).await?,
            }
        }
    }
}

async fn next(input: &mut Option<mpsc::Receiver<Bytes>>) -> Option<Bytes> {
    match input {
        Some(input) => input.recv().await,
        None => std::future::pending().await,
    }
}

/// Writes what came; the end when it was its status.
fn output(message: &[u8]) -> Result<Option<Exit>> {
    let (Some(channel), bytes) = (message.first(), message.get(1..).unwrap_or_default()) else { return Ok(None) };
    match *channel {
        channel::STDOUT => {
            let mut out = std::io::stdout().lock();
            out.write_all(bytes)?;
            out.flush()?;
        }
        channel::STDERR => std::io::stderr().lock().write_all(bytes)?,
        channel::STATUS => return Ok(Some(channel::exit(&serde_json::from_slice(bytes)?))),
        _ => {}
    }
    Ok(None)
}

/// Reads standard input on a thread that ends with the process: a read of a terminal cannot be called off.
fn read_stdin() -> mpsc::Receiver<Bytes> {
    let (tx, rx) = mpsc::channel(WAITING_MAX);
    std::thread::spawn(move || {
        let mut buffer = vec![0; PIECE];
        let mut stdin = std::io::stdin().lock();
        while let Ok(read) = stdin.read(&mut buffer) {
            if read == 0 || tx.blocking_send(Bytes::copy_from_slice(&buffer[..read])).is_err() {
                return;
            }
        }
    });
    rx
}

async fn resize(to_server: &mut SplitSink<Socket, Message>) -> Result<()> {
    let Some((width, height)) = terminal_size() else { return Ok(()) };
    let size = serde_json::json!({ "Width": width, "Height": height }).to_string();
    to_server.send(Message::Binary(channel::write(channel::RESIZE, size.as_bytes()))).await?;
    Ok(())
}

/// Columns and lines of this terminal.
fn terminal_size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some((size.ws_col, size.ws_row))
}
