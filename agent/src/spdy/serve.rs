//! A connection on which the other side opens streams → those streams, each with what it says and a way to answer.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::spdy::frame::{self, FIN, Frame, GOAWAY, PING, RST_STREAM, SYN_REPLY, SYN_STREAM};
use crate::spdy::headers::{Headers, Reader, Writer};

/// Streams of a connection at a time (Kubernetes has no bound).
const STREAMS_MAX: usize = 1000;
/// Frames of one stream that wait for who reads it.
const INPUTS_MAX: usize = 16;
/// Frames that wait for the wire.
const FRAMES_MAX: usize = 64;
/// Streams that wait to be looked at.
const WAITING_MAX: usize = 64;
/// How long the other side may take to hang up once all is said: what it still sends is read, for a socket that is closed
/// with bytes unread takes back what was on its way.
const LINGER: Duration = Duration::from_secs(5);
/// `REFUSED_STREAM` of a RST_STREAM.
const REFUSED: u32 = 3;

/// What is to be sent.
enum Out {
    Frame(Vec<u8>),
    /// The last, with the number of the last stream that was looked at.
    Goodbye(u32),
}

/// A stream that the other side has opened.
#[derive(Debug)]
pub struct Stream {
    /// Its number.
    pub id: u32,
    /// What it was opened with.
    pub headers: Headers,
    /// What is said on it. It ends when the other side says no more.
    pub input: mpsc::Receiver<Bytes>,
    /// The way back.
    pub output: Output,
}

/// This side of a stream; cheap to clone.
#[derive(Clone, Debug)]
pub struct Output {
    id: u32,
    frames: mpsc::Sender<Out>,
}

impl std::fmt::Debug for Out {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Frame(frame) => write!(f, "<{} bytes>", frame.len()),
            Self::Goodbye(last_id) => write!(f, "goodbye after {last_id}"),
        }
    }
}

impl Output {
    /// Says something; false when nobody is there any more.
    pub async fn data(&self, bytes: &[u8]) -> bool {
        self.frames.send(Out::Frame(frame::data(self.id, 0, bytes))).await.is_ok()
    }

    /// Says that nothing more comes.
    pub async fn finish(&self) {
        // Who is gone needs no telling.
        let _ = self.frames.send(Out::Frame(frame::data(self.id, FIN, &[]))).await;
    }
}

/// The streams as they come.
pub struct Connection {
    streams: mpsc::Receiver<Stream>,
    frames: mpsc::Sender<Out>,
    last_id: u32,
}

impl Connection {
    /// The next stream; none when the other side has gone.
    pub async fn next(&mut self) -> Option<Stream> {
        let stream = self.streams.recv().await?;
        self.last_id = stream.id;
        Some(stream)
    }

    /// Ends the connection once everything is sent that was said so far.
    pub async fn goodbye(&self) {
        let _ = self.frames.send(Out::Goodbye(self.last_id)).await;
    }
}

/// The connection on two halves of a socket, and the work that keeps it going; it ends with the connection.
pub fn serve<R, W>(from: R, to: W) -> (Connection, impl Future<Output = ()> + Send)
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let (frames, waiting) = mpsc::channel(FRAMES_MAX);
    let (opened, streams) = mpsc::channel(WAITING_MAX);
    let work = work(from, to, Incoming::new(opened, frames.clone()), waiting);
    (Connection { streams, frames, last_id: 0 }, work)
}

async fn work<R, W>(mut from: R, to: W, incoming: Incoming, frames: mpsc::Receiver<Out>)
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let all_said = tokio::select! {
        () = incoming.read(&mut from) => false,
        all_said = write(to, frames) => all_said,
    };
    if all_said {
        let rest = async {
            let mut buffer = [0; 4096];
            while let Ok(1..) = from.read(&mut buffer).await {}
        };
        let _ = tokio::time::timeout(LINGER, rest).await;
    }
}

/// Sends what waits; true after a goodbye, false when the wire broke.
async fn write(mut to: impl AsyncWrite + Unpin, mut frames: mpsc::Receiver<Out>) -> bool {
    loop {
        let (frame, is_last) = match frames.recv().await {
            Some(Out::Frame(frame)) => (frame, false),
            Some(Out::Goodbye(last_id)) => (frame::control(GOAWAY, 0, &[last_id.to_be_bytes(), [0; 4]].concat()), true),
            None => return false,
        };
        if to.write_all(&frame).await.is_err() || to.flush().await.is_err() {
            return false;
        }
        if is_last {
            return to.shutdown().await.is_ok();
        }
    }
}

/// What comes in: who is told of what.
struct Incoming {
    opened: mpsc::Sender<Stream>,
    frames: mpsc::Sender<Out>,
    inputs: HashMap<u32, mpsc::Sender<Bytes>>,
    reader: Reader,
    writer: Writer,
}

impl Incoming {
    fn new(opened: mpsc::Sender<Stream>, frames: mpsc::Sender<Out>) -> Self {
        Self { opened, frames, inputs: HashMap::new(), reader: Reader::default(), writer: Writer::default() }
    }

    async fn read(mut self, from: &mut (impl AsyncRead + Unpin)) {
        while let Some(frame) = frame::read(from).await {
            let goes_on = match frame {
                Frame::Data { stream, flags, payload } => {
                    self.data(stream, flags, payload).await;
                    true
                }
                Frame::Control { kind: SYN_STREAM, flags, payload } => self.open(flags, &payload).await,
                Frame::Control { kind: RST_STREAM, payload, .. } => {
                    frame::id(&payload).map(|id| self.inputs.remove(&id));
                    true
                }
                Frame::Control { kind: PING, payload, .. } => self.send(frame::control(PING, 0, &payload)).await,
                // Who goes away says no more on the streams that are open, but may still listen.
                Frame::Control { kind: GOAWAY, .. } => true,
                // Settings and windows: Kubernetes keeps none.
                Frame::Control { .. } => true,
            };
            if !goes_on {
                return;
            }
        }
    }

    async fn send(&self, frame: Vec<u8>) -> bool {
        self.frames.send(Out::Frame(frame)).await.is_ok()
    }

    async fn data(&mut self, stream: u32, flags: u8, payload: Bytes) {
        let Some(input) = self.inputs.get(&stream) else { return };
        // Who does not read a stream holds up the others of the connection, as in Kubernetes.
        let is_heard = payload.is_empty() || input.send(payload).await.is_ok();
        if !is_heard || flags & FIN != 0 {
            self.inputs.remove(&stream);
        }
    }

    /// Takes a stream; false when there is no going on.
    async fn open(&mut self, flags: u8, payload: &[u8]) -> bool {
        // Two ids, then priority and slot.
        let (Some(id), Some(block)) = (frame::id(payload), payload.get(10..)) else { return false };
        // The block is read in any case, for the next one refers to it.
        let Ok(headers) = self.reader.block(block) else { return false };
        self.inputs.retain(|_, input| !input.is_closed());
        if self.inputs.len() >= STREAMS_MAX || self.inputs.contains_key(&id) {
            let refusal = [id.to_be_bytes(), REFUSED.to_be_bytes()].concat();
            return self.send(frame::control(RST_STREAM, 0, &refusal)).await;
        }
        let mut reply = id.to_be_bytes().to_vec();
        reply.extend(self.writer.block(&[]));
        if !self.send(frame::control(SYN_REPLY, 0, &reply)).await {
            return false;
        }
        let (heard, input) = mpsc::channel(INPUTS_MAX);
        if flags & FIN == 0 {
            self.inputs.insert(id, heard);
        }
        let output = Output { id, frames: self.frames.clone() };
        self.opened.send(Stream { id, headers, input, output }).await.is_ok()
    }
}
