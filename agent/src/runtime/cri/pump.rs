//! Moves bytes between a WebSocket of channels and the streams of a session or a forwarded port: the client's side.

use std::io;

use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{FutureExt, SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::io::StreamReader;

use crate::runtime::cri::channel::{self, CLOSE, ERROR, STDERR, STDIN, STDOUT};
use crate::runtime::cri::wanted::Wanted;
use crate::runtime::error::{Error, Result};
use crate::runtime::streams::{BoxDuplex, BoxRead, Session, TerminalSize};

/// Messages that wait for the reader of one stream.
const QUEUE_MAX: usize = 64;
/// Bytes of stdin on their way.
pub(crate) const BUFFER: usize = 64 << 10;
/// Bytes in one message; what Kubernetes' own clients send.
pub(crate) const MESSAGE: usize = 32 << 10;
/// Terminal sizes that wait.
pub(crate) const SIZES_MAX: usize = 8;

type Socket = WebSocketStream<TcpStream>;
pub(crate) type Chunks = mpsc::Sender<io::Result<Bytes>>;

/// The ends of a session that the reader of the socket feeds.
pub(crate) struct Outputs {
    pub stdout: Option<Chunks>,
    pub stderr: Option<Chunks>,
    pub exit: mpsc::Sender<Result<i32>>,
}

impl Outputs {
    /// Resolves when nobody listens to any of them.
    pub async fn unheard(&self) {
        for out in [&self.stdout, &self.stderr].into_iter().flatten() {
            out.closed().await;
        }
        self.exit.closed().await;
    }
}

/// A session on a connected socket; `can_close` says whether the end of stdin can be told.
pub fn session(socket: Socket, wanted: Wanted, can_close: bool) -> Session {
    let (sink, stream) = socket.split();
    let (stdin, stdin_end) = tokio::io::duplex(BUFFER);
    let (stdout_end, stdout) = output(wanted.stdout);
    let (stderr_end, stderr) = output(wanted.stderr && !wanted.tty);
    let (resize, sizes) = mpsc::channel(SIZES_MAX);
    let (exit_end, mut exit) = mpsc::channel(1);
    let writer = tokio::spawn(write(sink, wanted.stdin.then_some(stdin_end), sizes, can_close));
    tokio::spawn(async move {
        read(stream, Outputs { stdout: stdout_end, stderr: stderr_end, exit: exit_end }).await;
        writer.abort();
    });
    Session {
        stdin: wanted.stdin.then(|| Box::pin(stdin) as _),
        stdout,
        stderr,
        resize: wanted.tty.then_some(resize),
        exit: async move { exit.recv().await.unwrap_or_else(|| Err(broken())) }.boxed(),
    }
}

pub(crate) fn broken() -> Error {
    Error::Unavailable("the stream ended without an exit code".to_owned())
}

pub(crate) fn output(wanted: bool) -> (Option<Chunks>, Option<BoxRead>) {
    if !wanted {
        return (None, None);
    }
    let (end, chunks) = mpsc::channel(QUEUE_MAX);
    (Some(end), Some(Box::pin(StreamReader::new(ReceiverStream::new(chunks)))))
}

/// Sends what is typed and how large the terminal is, until the socket fails.
async fn write(
    mut sink: SplitSink<Socket, Message>,
    mut stdin: Option<DuplexStream>,
    mut sizes: mpsc::Receiver<TerminalSize>,
    can_close: bool,
) {
    let mut buffer = vec![0; MESSAGE];
    let mut has_sizes = true;
    loop {
        let message = tokio::select! {
            n = read_some(&mut stdin, &mut buffer) => match n {
                0 => {
                    stdin = None;
                    if !can_close {
                        // Version 4 has no word for it; a terminal's own end-of-file character still works.
                        tracing::debug!("the server's stream protocol cannot tell the end of stdin");
                        continue;
                    }
                    channel::frame(CLOSE, &[STDIN])
                }
                n => channel::frame(STDIN, &buffer[..n]),
            },
            size = sizes.recv(), if has_sizes => match size {
                Some(size) => channel::resize(size),
                None => {
                    has_sizes = false;
                    continue;
                }
            },
        };
        if sink.send(Message::binary(message)).await.is_err() {
            return;
        }
    }
}

/// Bytes of stdin; 0 at its end or when reading fails, never when there is none.
pub(crate) async fn read_some(stdin: &mut Option<DuplexStream>, buffer: &mut [u8]) -> usize {
    match stdin {
        Some(stdin) => stdin.read(buffer).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

/// Hands out what comes, until the socket ends or nobody listens any more.
async fn read(mut stream: SplitStream<Socket>, outputs: Outputs) {
    let unheard = outputs.unheard();
    tokio::pin!(unheard);
    loop {
        let message = tokio::select! {
            () = &mut unheard => return,
            message = stream.next() => message,
        };
        let data = match message {
            Some(Ok(Message::Binary(data))) => data,
            Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            Some(Ok(_)) => continue,
        };
        let Some(&number) = data.first() else { continue };
        let payload = data.slice(1..);
        if payload.is_empty() {
            continue;
        }
        let target = match number {
            STDOUT => &outputs.stdout,
            STDERR => &outputs.stderr,
            ERROR => {
                let outcome = channel::parse_status(&payload);
                let outcome = outcome.map_err(Error::Start);
                let _ = outputs.exit.try_send(outcome);
                continue;
            }
            _ => continue,
        };
        if let Some(target) = target {
            // A reader that went away loses its stream, not the others theirs.
            let _ = target.send(Ok(payload)).await;
        }
    }
    // The first outcome stays; this one is for a socket that broke.
    let _ = outputs.exit.try_send(Err(broken()));
}

/// A forwarded port on a connected socket.
pub fn port(socket: Socket, port: u16) -> BoxDuplex {
    let (mut sink, mut stream) = socket.split();
    let (to_pod, mut typed) = tokio::io::duplex(BUFFER);
    let (out, chunks) = mpsc::channel::<io::Result<Bytes>>(QUEUE_MAX);
    let writer = tokio::spawn(async move {
        let mut buffer = vec![0; MESSAGE];
        // Both directions of the socket end together, so the end of ours is not told: answers may still come.
        while let Ok(n) = typed.read(&mut buffer).await {
            if n == 0 || sink.send(Message::binary(channel::frame(STDIN, &buffer[..n]))).await.is_err() {
                break;
            }
        }
        // Kept open until the reader is done.
        std::future::pending::<()>().await;
    });
    tokio::spawn(async move {
        let mut greeted = [false; 2];
        loop {
            let message = tokio::select! {
                () = out.closed() => break,
                message = stream.next() => message,
            };
            let data = match message {
                Some(Ok(Message::Binary(data))) => data,
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => continue,
            };
            let Some(&number @ (0 | 1)) = data.first() else { continue };
            let mut payload = data.slice(1..);
            let first = !std::mem::replace(&mut greeted[usize::from(number)], true);
            if first {
                // Each channel begins with the port it is for.
                if !payload.starts_with(&port.to_le_bytes()) {
                    let _ = out.send(Err(io::Error::other("the server forwards another port"))).await;
                    break;
                }
                payload = payload.slice(2..);
            }
            if payload.is_empty() {
                continue;
            }
            if number == STDOUT {
                let text = String::from_utf8_lossy(&payload).into_owned();
                let _ = out.send(Err(io::Error::other(text))).await;
                break;
            }
            if out.send(Ok(payload)).await.is_err() {
                break;
            }
        }
        writer.abort();
    });
    Box::pin(tokio::io::join(StreamReader::new(ReceiverStream::new(chunks)), to_pod))
}
