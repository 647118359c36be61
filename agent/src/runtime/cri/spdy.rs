//! A session over SPDY/3.1, for servers whose WebSocket cannot tell the end of stdin (Kubernetes before v5.channel.k8s.io).
//!
//! Only what `remotecommand` needs: streams are opened, data flows, ends are told. Header blocks
//! are sent as stored deflate blocks, and those that come are never read, so nothing is compressed here.

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use http::header::{CONNECTION, HOST, UPGRADE};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use crate::runtime::cri::channel::{self, V4};
use crate::runtime::cri::pump::{BUFFER, MESSAGE, Outputs, SIZES_MAX, broken, output, read_some};
use crate::runtime::cri::wanted::Wanted;
use crate::runtime::error::{Error, Result};
use crate::runtime::streams::{Session, TerminalSize};

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const FLAG_FIN: u8 = 1;
/// Bytes of one frame that are taken; Kubernetes' servers send 32 KiB.
const FRAME_MAX: usize = 1 << 20;
/// Answers to pings that wait.
const PINGS_MAX: usize = 8;
/// What every zlib stream of SPDY/3 begins with: deflate, a preset dictionary, and its checksum
/// (draft-mbelshe-httpbis-spdy-00, 2.6.10.1).
const ZLIB_HEADER: [u8; 6] = [0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2];

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
    pings: mpsc::Receiver<u32>,
    all_open: oneshot::Receiver<()>,
}

async fn write(mut to: impl AsyncWrite + Unpin, ids: Ids, opened: Vec<(u32, &'static str)>, mut inputs: Inputs) {
    let mut opening = BytesMut::new();
    for (n, (id, kind)) in opened.into_iter().enumerate() {
        opening.extend_from_slice(&syn_stream(id, kind, n == 0));
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
                data(id, if n == 0 { FLAG_FIN } else { 0 }, &buffer[..n])
            }
            size = inputs.sizes.recv(), if has_sizes => match (size, ids.resize) {
                (Some(size), Some(id)) => data(id, 0, &channel::resize(size)[1..]),
                _ => {
                    has_sizes = false;
                    continue;
                }
            },
            Some(id) = inputs.pings.recv() => control(PING, &id.to_be_bytes()),
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
    pongs: mpsc::Sender<u32>,
) {
    let unheard = outputs.unheard();
    tokio::pin!(unheard);
    loop {
        let frame = tokio::select! {
            () = &mut unheard => return,
            frame = next(&mut from) => frame,
        };
        let Some((head, payload)) = frame else { return };
        let first = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        if first & 0x8000_0000 == 0 {
            give(first, ids, outputs, payload).await;
            continue;
        }
        match (first & 0xffff) as u16 {
            SYN_REPLY => {
                replies.left = replies.left.saturating_sub(1);
                if replies.left == 0
                    && let Some(ready) = replies.ready.take()
                {
                    let _ = ready.send(());
                }
            }
            PING => {
                if let Some(id) = payload.get(..4) {
                    let _ = pongs.try_send(u32::from_be_bytes([id[0], id[1], id[2], id[3]]));
                }
            }
            GOAWAY => return,
            // Resets, settings and windows: Kubernetes' servers keep no windows, and every end is told by a flag.
            _ => {}
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

/// The next frame: eight bytes of head, and the payload. None at the end, or for a frame that is too long.
async fn next(from: &mut (impl AsyncRead + Unpin)) -> Option<([u8; 8], Bytes)> {
    let mut head = [0; 8];
    from.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[5], head[6], head[7]]) as usize;
    if length > FRAME_MAX {
        return None;
    }
    let mut payload = vec![0; length];
    from.read_exact(&mut payload).await.ok()?;
    Some((head, payload.into()))
}

fn length(bytes: usize) -> [u8; 3] {
    let [_, a, b, c] = (bytes as u32).to_be_bytes();
    [a, b, c]
}

fn control(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80, 3];
    frame.extend_from_slice(&kind.to_be_bytes());
    frame.push(0);
    frame.extend_from_slice(&length(payload.len()));
    frame.extend_from_slice(payload);
    frame
}

fn data(stream: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = stream.to_be_bytes().to_vec();
    frame.push(flags);
    frame.extend_from_slice(&length(payload.len()));
    frame.extend_from_slice(payload);
    frame
}

/// Opens a stream with the header `streamtype`. All header blocks are one zlib stream, so only the first has its head.
fn syn_stream(id: u32, kind: &str, is_first: bool) -> Vec<u8> {
    let mut block = 1_u32.to_be_bytes().to_vec();
    for text in ["streamtype", kind] {
        block.extend_from_slice(&(text.len() as u32).to_be_bytes());
        block.extend_from_slice(text.as_bytes());
    }
    let mut payload = id.to_be_bytes().to_vec();
    // No parent stream, priority and slot 0.
    payload.extend_from_slice(&[0; 6]);
    if is_first {
        payload.extend_from_slice(&ZLIB_HEADER);
    }
    // A stored block that is not the last: flags, length, its complement.
    let size = block.len() as u16;
    payload.push(0);
    payload.extend_from_slice(&size.to_le_bytes());
    payload.extend_from_slice(&(!size).to_le_bytes());
    payload.extend_from_slice(&block);
    // An empty block flushes: without it Go's reader waits for the next one.
    payload.extend_from_slice(&[0, 0, 0, 0xff, 0xff]);
    control(SYN_STREAM, &payload)
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

    #[test]
    fn the_zlib_head_is_valid() {
        // RFC 1950: the first two bytes are a multiple of 31, and bit 5 of the second says "dictionary".
        let check = u16::from_be_bytes([ZLIB_HEADER[0], ZLIB_HEADER[1]]);
        assert_eq!((check % 31, ZLIB_HEADER[1] & 0x20), (0, 0x20));
        let frame = syn_stream(1, "error", true);
        assert_eq!(frame.len(), 8 + 10 + 6 + 5 + 4 + 4 + 10 + 4 + 5 + 5);
        assert_eq!(&frame[..4], [0x80, 3, 0, 1]);
        assert_eq!(usize::from(frame[7]), frame.len() - 8);
    }
}
