//! Turns the frames of one stream into readers, writers and an exit status, on both ends.

use bytes::{Buf, Bytes};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, watch};
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::{CancellationToken, DropGuard, PollSender};
use tonic::Status;

use crate::limits::{FRAME_BYTES, FRAME_QUEUE};
use crate::pb;
use crate::pb::frame::Frame as Kind;

/// The metadata entry that names a stream.
pub const STREAM_ID: &str = "masthead-stream-id";

/// Names a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodRef {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Empty: whichever pod has the name.
    pub uid: String,
}

/// What a stream is for.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamKind {
    /// A container's log.
    Logs(pb::Logs),
    /// A process.
    Exec(pb::Exec),
    /// A container's own process.
    Attach(pb::Attach),
    /// A connection to a TCP port of the pod.
    PortForward {
        /// The port.
        port: u16,
    },
}

/// A stream that the control plane asks a node for.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamRequest {
    /// Whose.
    pub pod: PodRef,
    /// What for.
    pub kind: StreamKind,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A process ended; 0 also when there was none, as for logs.
    Code(i32),
    /// It could not be done, or broke off.
    Failed {
        /// Kubernetes' reason: `NotFound`, `BadRequest`, `InternalError`.
        reason: String,
        /// In words.
        message: String,
    },
}

impl Exit {
    /// A failure with Kubernetes' `InternalError`.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Failed { reason: "InternalError".into(), message: message.into() }
    }
}

/// A terminal's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: u16,
    /// Lines.
    pub height: u16,
}

/// The other end is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the other end of the stream is gone")]
pub struct Gone;

fn frame(kind: Kind) -> pb::Frame {
    pb::Frame { frame: Some(kind) }
}

/// Which of a stream's byte channels a writer feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Stdin,
    Stdout,
}

/// Writes bytes as frames. Shutting a standard input down tells the process that it has ended.
pub struct FrameWriter {
    lane: Lane,
    tx: PollSender<pb::Frame>,
}

impl FrameWriter {
    fn new(lane: Lane, tx: mpsc::Sender<pb::Frame>) -> Self {
        let tx = PollSender::new(tx);
        Self { lane, tx }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, kind: Kind) -> Poll<io::Result<()>> {
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, Gone);
        ready!(self.tx.poll_reserve(cx)).map_err(gone)?;
        Poll::Ready(self.tx.send_item(frame(kind)).map_err(gone))
    }
}

impl AsyncWrite for FrameWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, Gone);
        // Room first: bytes are copied once, when they go.
        ready!(self.tx.poll_reserve(cx)).map_err(gone)?;
        let len = buf.len().min(FRAME_BYTES);
        let bytes = Bytes::copy_from_slice(&buf[..len]);
        let kind = match self.lane {
            Lane::Stdin => Kind::Stdin(bytes),
            Lane::Stdout => Kind::Stdout(bytes),
        };
        self.tx.send_item(frame(kind)).map_err(gone)?;
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.tx.is_closed() {
            return Poll::Ready(Ok(()));
        }
        if self.lane == Lane::Stdin {
            ready!(self.poll_send(cx, Kind::CloseStdin(pb::CloseStdin {})))?;
        }
        self.tx.close();
        Poll::Ready(Ok(()))
    }
}

/// Reads the bytes of one lane.
pub struct FrameReader {
    rx: mpsc::Receiver<Bytes>,
    rest: Bytes,
}

impl FrameReader {
    /// The next piece as it came; nothing at the end.
    pub async fn chunk(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            return self.rx.recv().await;
        }
        Some(std::mem::take(&mut self.rest))
    }
}

impl AsyncRead for FrameReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.rx.poll_recv(cx)) {
                Some(bytes) => self.rest = bytes,
                None => return Poll::Ready(Ok(())),
            }
        }
        fill(&mut self.rest, buf);
        Poll::Ready(Ok(()))
    }
}

fn fill(from: &mut Bytes, to: &mut ReadBuf<'_>) {
    let len = from.len().min(to.remaining());
    to.put_slice(&from[..len]);
    from.advance(len);
}

/// The agent's end of a stream.
pub struct AgentIo {
    /// What the user types; ends when they close it or go away.
    pub stdin: FrameReader,
    /// The newest size of the user's terminal.
    pub resize: watch::Receiver<Option<Size>>,
    /// To the user.
    pub output: Output,
    /// Cancelled when the user is gone.
    pub gone: CancellationToken,
}

/// Sends output and the exit status. Dropped without [`Output::exit`], the user sees a failure.
#[derive(Clone)]
pub struct Output {
    tx: mpsc::Sender<pb::Frame>,
}

impl Output {
    /// Sends to standard output; waits while the user does not read.
    pub async fn stdout(&self, bytes: Bytes) -> Result<(), Gone> {
        self.send(bytes, Kind::Stdout).await
    }

    /// Sends to standard error.
    pub async fn stderr(&self, bytes: Bytes) -> Result<(), Gone> {
        self.send(bytes, Kind::Stderr).await
    }

    async fn send(&self, mut bytes: Bytes, kind: fn(Bytes) -> Kind) -> Result<(), Gone> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(FRAME_BYTES));
            let sent = self.tx.send(frame(kind(piece))).await;
            sent.map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// Ends the stream. Send it after the last output.
    pub async fn exit(&self, exit: Exit) -> Result<(), Gone> {
        let last = frame(Kind::Exit(exit.into()));
        self.tx.send(last).await.map_err(|_| Gone)
    }

    /// Standard output as a writer.
    pub fn stdout_writer(&self) -> FrameWriter {
        FrameWriter::new(Lane::Stdout, self.tx.clone())
    }
}

/// Hands the frames that come to the agent to an [`AgentIo`].
pub struct AgentFeed {
    stdin: Option<mpsc::Sender<Bytes>>,
    resize: watch::Sender<Option<Size>>,
    // Also when the feed never runs because the stream can't be dialled.
    _gone: DropGuard,
}

/// The agent's end of a stream, what feeds it, and the frames that it sends.
pub fn agent_end() -> (AgentIo, AgentFeed, mpsc::Receiver<pb::Frame>) {
    let (tx, frames) = mpsc::channel(FRAME_QUEUE);
    let (stdin, rx) = mpsc::channel(FRAME_QUEUE);
    let (resize, sizes) = watch::channel(None);
    let gone = CancellationToken::new();
    let io = AgentIo {
        stdin: FrameReader { rx, rest: Bytes::new() },
        resize: sizes,
        output: Output { tx },
        gone: gone.clone(),
    };
    let feed = AgentFeed { stdin: Some(stdin), resize, _gone: gone.drop_guard() };
    (io, feed, frames)
}

impl AgentFeed {
    /// Runs until the other end closes.
    pub async fn run(mut self, mut frames: impl Stream<Item = Result<pb::Frame, Status>> + Unpin) {
        while let Some(Ok(frame)) = frames.next().await {
            match frame.frame {
                Some(Kind::Stdin(bytes)) => {
                    let open = match &self.stdin {
                        Some(stdin) => stdin.send(bytes).await.is_ok(),
                        None => true,
                    };
                    if !open {
                        // The process does not read any more: what still comes is dropped.
                        self.stdin = None;
                    }
                }
                Some(Kind::CloseStdin(_)) => self.stdin = None,
                Some(Kind::Resize(resize)) => {
                    if let Ok(size) = Size::try_from(resize) {
                        self.resize.send_replace(Some(size));
                    }
                }
                Some(Kind::Stdout(_) | Kind::Stderr(_) | Kind::Exit(_)) | None => break,
            }
        }
    }
}

/// One piece of what a node sends.
#[derive(Clone, PartialEq, Eq)]
pub enum OutputFrame {
    /// Standard output, a log, or what a port sends.
    Stdout(Bytes),
    /// Standard error.
    Stderr(Bytes),
    /// The last one.
    Exit(Exit),
}

impl std::fmt::Debug for OutputFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdout(bytes) => write!(f, "Stdout({} bytes)", bytes.len()),
            Self::Stderr(bytes) => write!(f, "Stderr({} bytes)", bytes.len()),
            Self::Exit(exit) => write!(f, "{exit:?}"),
        }
    }
}

/// The control plane's end of a stream. As a reader it gives standard output and leaves standard
/// error out; as a writer it takes standard input. Dropped, the node ends what it does for it.
pub struct StreamIo {
    output: mpsc::Receiver<OutputFrame>,
    input: Input,
    writer: FrameWriter,
    rest: Bytes,
    exit: Option<Exit>,
}

/// Sends a user's input to a node.
#[derive(Clone)]
pub struct Input {
    tx: mpsc::Sender<pb::Frame>,
}

impl Input {
    /// Sends to standard input; waits while the process does not read.
    pub async fn stdin(&self, mut bytes: Bytes) -> Result<(), Gone> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(FRAME_BYTES));
            let sent = self.tx.send(frame(Kind::Stdin(piece))).await;
            sent.map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// Ends standard input.
    pub async fn close_stdin(&self) -> Result<(), Gone> {
        let close = frame(Kind::CloseStdin(pb::CloseStdin {}));
        self.tx.send(close).await.map_err(|_| Gone)
    }

    /// Tells the terminal's new size.
    pub async fn resize(&self, size: Size) -> Result<(), Gone> {
        let resize = frame(Kind::Resize(size.into()));
        self.tx.send(resize).await.map_err(|_| Gone)
    }
}

impl StreamIo {
    /// The next piece; after an exit, nothing.
    pub async fn next(&mut self) -> Option<OutputFrame> {
        if !self.rest.is_empty() {
            return Some(OutputFrame::Stdout(std::mem::take(&mut self.rest)));
        }
        if self.exit.is_some() {
            return None;
        }
        let next = self
            .output
            .recv()
            .await
            .unwrap_or_else(|| OutputFrame::Exit(Exit::internal("the connection to the node was lost")));
        if let OutputFrame::Exit(exit) = &next {
            self.exit = Some(exit.clone());
        }
        Some(next)
    }

    /// Sends input from elsewhere.
    pub fn input(&self) -> Input {
        self.input.clone()
    }

    /// How it ended, once it did.
    pub fn exit(&self) -> Option<&Exit> {
        self.exit.as_ref()
    }
}

impl AsyncRead for StreamIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            if let Some(exit) = &self.exit {
                return Poll::Ready(match exit {
                    Exit::Code(_) => Ok(()),
                    Exit::Failed { message, .. } => Err(io::Error::other(message.clone())),
                });
            }
            match ready!(self.output.poll_recv(cx)) {
                Some(OutputFrame::Stdout(bytes)) => self.rest = bytes,
                Some(OutputFrame::Stderr(_)) => {}
                Some(OutputFrame::Exit(exit)) => self.exit = Some(exit),
                None => self.exit = Some(Exit::internal("the connection to the node was lost")),
            }
        }
        fill(&mut self.rest, buf);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for StreamIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_shutdown(cx)
    }
}

/// Hands the frames that a node sends to a [`StreamIo`].
pub struct ControlFeed {
    output: mpsc::Sender<OutputFrame>,
}

/// The control plane's end of a stream, what feeds it, and the frames that it sends.
pub fn control_end() -> (StreamIo, ControlFeed, mpsc::Receiver<pb::Frame>) {
    let (tx, frames) = mpsc::channel(FRAME_QUEUE);
    let (output, rx) = mpsc::channel(FRAME_QUEUE);
    let io = StreamIo {
        output: rx,
        writer: FrameWriter::new(Lane::Stdin, tx.clone()),
        input: Input { tx },
        rest: Bytes::new(),
        exit: None,
    };
    (io, ControlFeed { output }, frames)
}

impl ControlFeed {
    /// Runs until the node ends the stream or nobody listens.
    pub async fn run(self, mut frames: impl Stream<Item = Result<pb::Frame, Status>> + Unpin) {
        while let Some(frame) = frames.next().await {
            let (out, last) = match frame.map(|f| f.frame) {
                Ok(Some(Kind::Stdout(bytes))) => (OutputFrame::Stdout(bytes), false),
                Ok(Some(Kind::Stderr(bytes))) => (OutputFrame::Stderr(bytes), false),
                Ok(Some(Kind::Exit(exit))) => (OutputFrame::Exit(exit.into()), true),
                Ok(Some(Kind::Stdin(_) | Kind::CloseStdin(_) | Kind::Resize(_)) | None) => {
                    let wrong = Exit::internal("the node sent a frame that only users send");
                    (OutputFrame::Exit(wrong), true)
                }
                Err(status) => (OutputFrame::Exit(Exit::internal(status.message())), true),
            };
            if self.output.send(out).await.is_err() || last {
                break;
            }
        }
    }
}
