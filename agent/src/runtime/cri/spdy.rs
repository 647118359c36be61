//! A session over SPDY/3.1, for servers whose WebSocket cannot tell the end of stdin (Kubernetes before v5.channel.k8s.io).
//!
//! Only what `remotecommand` needs: streams are opened, data flows, ends are told. Header blocks that come are never read.

use bytes::Bytes;
use futures::FutureExt;
use http::header::{CONNECTION, HOST, UPGRADE};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use crate::runtime::cri::channel::{self, V4};
use crate::runtime::cri::pump::{BUFFER, MESSAGE, Outputs, SIZES_MAX, broken, output, read_some};
use crate::runtime::cri::wanted::Wanted;
use crate::runtime::error::{Error, Result};
use crate::runtime::streams::{Session, TerminalSize};
use crate::spdy::frame::{self, FIN, Frame, GOAWAY, PING, SYN_REPLY, SYN_STREAM};
use crate::spdy::headers::Writer;

/// Answers to pings that wait.
const PINGS_MAX: usize = 8;

/// The streams of a session by their ids, which are odd and rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ids {
    error: u32,
    stdin: Option<u32>,
    stdout: Option<u32>,
    stderr: Option<u32>,
    resize: Option<u32>,
}

impl Ids {
    /// Numbers the streams and says which kinds to open, in this order.
    fn new(wanted: Wanted) -> (Self, Vec<(u32, &'static str)>) {
        let mut opened = Vec::new();
        let mut open = |kind, is_wanted: bool| {
            is_wanted.then(|| {
                let id = opened.len() as u32 * 2 + 1;
                opened.push((id, kind));
                id
            })
        };
        let error = open("error", true).unwrap_or(1);
        let ids = Self {
            error,
            stdin: open("stdin", wanted.stdin),
            stdout: open("stdout", wanted.stdout),
            stderr: open("stderr", wanted.stderr && !wanted.tty),
            resize: open("resize", wanted.tty),
        };
        (ids, opened)
    }
}

/// Connects to an exec or attach URL.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn session(url: &str, wanted: Wanted) -> Result<Session> {
    let socket = open(url).await?;
    let (from, to) = tokio::io::split(socket);
    let (ids, opened) = Ids::new(wanted);
    let (stdin, stdin_end) = tokio::io::duplex(BUFFER);
    let (stdout_end, stdout) = output(wanted.stdout);
    let (stderr_end, stderr) = output(wanted.stderr && !wanted.tty);
    let (resize, sizes) = mpsc::channel(SIZES_MAX);
    let (exit_end, mut exit) = mpsc::channel(1);
    let (pongs, pings) = mpsc::channel(PINGS_MAX);
    let (ready, all_open) = oneshot::channel();
    let inputs = Inputs { stdin: wanted.stdin.then_some(stdin_end), sizes, pings, all_open };
    let count = opened.len();
    let writer = tokio::spawn(write(to, ids, opened, inputs));
    let outputs = Outputs { stdout: stdout_end, stderr: stderr_end, exit: exit_end };
    tokio::spawn(async move {
        read(from, ids, &outputs, Replies { left: count, ready: Some(ready) }, pongs).await;
        // The first outcome stays; this one is for a connection that broke.
        let _ = outputs.exit.try_send(Err(broken()));
        writer.abort();
    });
    Ok(Session {
        stdin: wanted.stdin.then(|| Box::pin(stdin) as _),
        stdout,
        stderr,
        resize: wanted.tty.then_some(resize),
        exit: async move { exit.recv().await.unwrap_or_else(|| Err(broken())) }.boxed(),
    })
}

async fn open(url: &str) -> Result<TokioIo<hyper::upgrade::Upgraded>> {
    let unavailable = |e: &dyn std::fmt::Display| Error::Unavailable(format!("stream {url}: {e}"));
    let Some((authority, path)) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')) else {
        return Err(Error::Unsupported(format!("streaming URL {url:?}: want http")));
    };
    let tcp = TcpStream::connect(authority).await.map_err(|e| unavailable(&e))?;
    tcp.set_nodelay(true).map_err(|e| unavailable(&e))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(tcp)).await;
    let (mut sender, connection) = handshake.map_err(|e| unavailable(&e))?;
    tokio::spawn(connection.with_upgrades());
    let request = http::Request::post(format!("/{path}"))
        .header(HOST, authority)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "SPDY/3.1")
        .header("X-Stream-Protocol-Version", V4)
        .body(Empty::<Bytes>::new())
        .map_err(|e| unavailable(&e))?;
    let answer = sender.send_request(request).await.map_err(|e| unavailable(&e))?;
    if answer.status() != http::StatusCode::SWITCHING_PROTOCOLS {
        return Err(unavailable(&format!("no upgrade to SPDY/3.1: {}", answer.status())));
    }
    Ok(TokioIo::new(hyper::upgrade::on(answer).await.map_err(|e| unavailable(&e))?))
}

/// What the writer takes its frames from.
struct Inputs {
    stdin: Option<DuplexStream>,
    sizes: mpsc::Receiver<TerminalSize>,
    pings: mpsc::Receiver<Bytes>,
    all_open: oneshot::Receiver<()>,
}

async fn write(mut to: impl AsyncWrite + Unpin, ids: Ids, opened: Vec<(u32, &'static str)>, mut inputs: Inputs) {
    let (mut opening, mut blocks) = (Vec::new(), Writer::default());
    for (id, kind) in opened {
        opening.extend(syn_stream(id, kind, &mut blocks));
    }
    if to.write_all(&opening).await.is_err() || to.flush().await.is_err() {
        return;
    }
    // The server drops data of a stream it has not answered yet.
    if inputs.all_open.await.is_err() {
        return;
    }
    let mut buffer = vec![0; MESSAGE];
    let mut has_sizes = true;
    loop {
        let frame = tokio::select! {
            n = read_some(&mut inputs.stdin, &mut buffer) => {
                let Some(id) = ids.stdin else { continue };
                if n == 0 {
                    inputs.stdin = None;
                }
                frame::data(id, if n == 0 { FIN } else { 0 }, &buffer[..n])
            }
            size = inputs.sizes.recv(), if has_sizes => match (size, ids.resize) {
                (Some(size), Some(id)) => frame::data(id, 0, &channel::resize(size)[1..]),
                _ => {
                    has_sizes = false;
                    continue;
                }
            },
            Some(id) = inputs.pings.recv() => frame::control(PING, 0, &id),
        };
        if to.write_all(&frame).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

/// Counts the server's answers to the opened streams.
struct Replies {
    left: usize,
    ready: Option<oneshot::Sender<()>>,
}

async fn read(
    mut from: impl AsyncRead + Unpin,
    ids: Ids,
    outputs: &Outputs,
    mut replies: Replies,
    pongs: mpsc::Sender<Bytes>,
) {
    let unheard = outputs.unheard();
    tokio::pin!(unheard);
    loop {
        let frame = tokio::select! {
            () = &mut unheard => return,
            frame = frame::read(&mut from) => frame,
        };
        match frame {
            Some(Frame::Data { stream, payload, .. }) => give(stream, ids, outputs, payload).await,
            Some(Frame::Control { kind: SYN_REPLY, .. }) => {
                replies.left = replies.left.saturating_sub(1);
                if replies.left == 0
                    && let Some(ready) = replies.ready.take()
                {
                    let _ = ready.send(());
                }
            }
            Some(Frame::Control { kind: PING, payload, .. }) => {
                let _ = pongs.try_send(payload);
            }
            Some(Frame::Control { kind: GOAWAY, .. }) | None => return,
            // Resets, settings and windows: Kubernetes' servers keep no windows, and every end is told by a flag.
            Some(Frame::Control { .. }) => {}
        }
    }
}

async fn give(id: u32, ids: Ids, outputs: &Outputs, payload: Bytes) {
    if payload.is_empty() {
        return;
    }
    if id == ids.error {
        let outcome = channel::parse_status(&payload).map_err(Error::Start);
        let _ = outputs.exit.try_send(outcome);
        return;
    }
    let target = match Some(id) {
        id if id == ids.stdout => &outputs.stdout,
        id if id == ids.stderr => &outputs.stderr,
        _ => return,
    };
    if let Some(target) = target {
        // A reader that went away loses its stream, not the others theirs.
        let _ = target.send(Ok(payload)).await;
    }
}

/// Opens a stream with the header `streamtype`.
fn syn_stream(id: u32, kind: &str, blocks: &mut Writer) -> Vec<u8> {
    let mut payload = id.to_be_bytes().to_vec();
    // No parent stream, priority and slot 0.
    payload.extend_from_slice(&[0; 6]);
    payload.extend(blocks.block(&[("streamtype", kind)]));
    frame::control(SYN_STREAM, 0, &payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_numbered_as_they_are_wanted() {
        let all = Wanted { stdin: true, stdout: true, stderr: true, tty: false };
        let (ids, opened) = Ids::new(all);
        assert_eq!(opened, [(1, "error"), (3, "stdin"), (5, "stdout"), (7, "stderr")]);
        assert_eq!((ids.stdin, ids.stderr, ids.resize), (Some(3), Some(7), None));
        let (ids, opened) = Ids::new(Wanted { tty: true, stdin: false, ..all });
        assert_eq!(opened, [(1, "error"), (3, "stdout"), (5, "resize")]);
        assert_eq!((ids.stdout, ids.stderr, ids.resize), (Some(3), None, Some(5)));
    }
}
