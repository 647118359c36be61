//! The server's side of a WebSocket of channels: a session, or forwarded ports.

use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Utf8Bytes};

use crate::runtime::contract::Runtime;
use crate::runtime::cri::channel::{self, CLOSE, ERROR, RESIZE, STDIN};
use crate::runtime::cri::offer::Stream;
use crate::runtime::cri::tell::{CHUNK, Client, Output, tell};
use crate::runtime::streams::{BoxDuplex, BoxWrite, Session, TerminalSize};

/// Messages that wait on either side of a forwarded port.
const QUEUE_MAX: usize = 64;

/// A WebSocket that an HTTP connection became.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The client's end of a socket.
struct ToClient(SplitSink<Socket, Message>);

impl Client for ToClient {
    async fn send(&mut self, number: u8, bytes: &[u8]) -> bool {
        self.0.send(Message::binary(channel::frame(number, bytes))).await.is_ok()
    }
}

impl ToClient {
    /// Kubernetes' clients take any other end for a broken connection.
    async fn over(mut self) {
        let close = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
        let _ = self.0.send(Message::Close(Some(close))).await;
    }
}

/// Serves what the URL led to; `can_close` says whether the client can tell the end of stdin.
pub async fn run(socket: Socket, stream: Stream, can_close: bool, runtime: &dyn Runtime) {
    let session = match stream {
        Stream::Port { sandbox_id, ports } => return forward(socket, &sandbox_id, &ports, runtime).await,
        Stream::Exec(request) => runtime.exec(request).await,
        Stream::Attach { request, .. } => runtime.attach(request).await,
    };
    match session {
        Ok(session) => talk(socket, session, can_close).await,
        Err(e) => {
            let mut client = ToClient(socket.split().0);
            client.send(ERROR, &channel::status(&Err(e.to_string()))).await;
            client.over().await;
        }
    }
}

/// Runs a session until its process has ended or its client has gone; in the latter case the session hangs up.
async fn talk(socket: Socket, session: Session, can_close: bool) {
    let (sink, stream) = socket.split();
    let Session { stdin, stdout, stderr, resize, exit } = session;
    let mut client = ToClient(sink);
    tokio::select! {
        () = hear(stream, stdin, resize, can_close) => return,
        () = tell(&mut client, Output { stdout, stderr, exit }) => {}
    }
    client.over().await;
}

/// Passes on what the client sends, until it goes.
async fn hear(
    mut stream: SplitStream<Socket>,
    mut stdin: Option<BoxWrite>,
    resize: Option<mpsc::Sender<TerminalSize>>,
    can_close: bool,
) {
    while let Some(Ok(message)) = stream.next().await {
        let data = match message {
            Message::Binary(data) => data,
            Message::Close(_) => return,
            _ => continue,
        };
        match data.split_first() {
            Some((&STDIN, bytes)) => {
                if let Some(to) = &mut stdin
                    && (to.write_all(bytes).await.is_err() || to.flush().await.is_err())
                {
                    stdin = None;
                }
            }
            Some((&CLOSE, [STDIN])) if can_close => {
                if let Some(mut to) = stdin.take() {
                    let _ = to.shutdown().await;
                }
            }
            Some((&RESIZE, bytes)) => {
                if let (Some(to), Some(size)) = (&resize, channel::parse_resize(bytes)) {
                    // Only the last size matters, and the next one comes with the next change.
                    let _ = to.try_send(size);
                }
            }
            _ => {}
        }
    }
}

/// Forwards ports: channel 2n carries the data of the n-th, 2n+1 its error.
async fn forward(socket: Socket, sandbox_id: &str, ports: &[u16], runtime: &dyn Runtime) {
    let (sink, mut stream) = socket.split();
    let mut client = ToClient(sink);
    let (out, mut messages) = mpsc::channel::<(u8, Vec<u8>)>(QUEUE_MAX);
    let mut inputs = Vec::new();
    let mut pumps = JoinSet::new();
    for (n, port) in ports.iter().enumerate() {
        let Ok(data) = u8::try_from(n * 2) else { break };
        for number in [data, data + 1] {
            if !client.send(number, &port.to_le_bytes()).await {
                return;
            }
        }
        let (input, typed) = mpsc::channel::<Bytes>(QUEUE_MAX);
        inputs.push(input);
        match runtime.port_forward(sandbox_id, *port).await {
            Ok(duplex) => drop(pumps.spawn(port_pump(duplex, data, typed, out.clone()))),
            Err(e) => drop(out.send((data + 1, e.to_string().into_bytes())).await),
        }
    }
    drop(out);
    let hear = async {
        while let Some(Ok(message)) = stream.next().await {
            match message {
                Message::Binary(data) if data.len() > 1 => {
                    if let Some(input) = inputs.get(usize::from(data[0] / 2)) {
                        let _ = input.send(data.slice(1..)).await;
                    }
                }
                Message::Close(_) => return,
                _ => {}
            }
        }
    };
    let tell = async {
        while let Some((number, bytes)) = messages.recv().await {
            if !client.send(number, &bytes).await {
                return;
            }
        }
        client.over().await;
    };
    tokio::select! {
        () = hear => {}
        () = tell => {}
    }
}

/// Moves the bytes of one port, until the pod ends the connection.
async fn port_pump(duplex: BoxDuplex, number: u8, mut typed: mpsc::Receiver<Bytes>, out: mpsc::Sender<(u8, Vec<u8>)>) {
    let (mut from, mut to) = tokio::io::split(duplex);
    let send = async {
        while let Some(bytes) = typed.recv().await {
            if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let receive = async {
        let mut buffer = vec![0; CHUNK];
        while let Ok(n @ 1..) = from.read(&mut buffer).await {
            if out.send((number, buffer[..n].to_vec())).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = send => {}
        () = receive => {}
    }
}
