//! The HTTP side of a CRI server: a URL good for one use leads to exec, attach or port-forward over WebSocket.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Utf8Bytes};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::runtime::contract::{AttachRequest, ExecRequest, Runtime};
use crate::runtime::cri::channel::{self, CLOSE, RESIZE, STDERR, STDIN, STDOUT, V4, V5};
use crate::runtime::error::{Error, Result};
use crate::runtime::streams::{BoxRead, Session};

/// URLs that wait for their use, and how long (Kubernetes' streaming server has the same bounds).
const OFFERS_MAX: usize = 1000;
const OFFER_TTL: Duration = Duration::from_secs(60);
/// Connections at a time.
const CONNECTIONS_MAX: usize = 1000;
/// Bytes of one message.
const MESSAGE_MAX: usize = 1 << 20;
const CHUNK: usize = 32 << 10;
/// How long output is waited for after the exit, for a grandchild may hold it open.
const DRAIN: Duration = Duration::from_secs(2);
const QUEUE_MAX: usize = 64;

/// What a URL leads to.
#[derive(Debug)]
pub enum Stream {
    /// A new process.
    Exec(ExecRequest),
    /// The container's own.
    Attach(AttachRequest),
    /// Ports of a sandbox.
    Port {
        /// The sandbox.
        sandbox_id: String,
        /// Its ports, two channels each.
        ports: Vec<u16>,
    },
}

/// The streaming server; it ends when this is dropped.
pub struct Streaming {
    address: SocketAddr,
    offers: Offers,
    task: JoinHandle<()>,
}

type Offers = Arc<Mutex<HashMap<String, (Instant, Stream)>>>;
type Socket = WebSocketStream<TokioIo<Upgraded>>;
type Answer = Response<Full<Bytes>>;

impl Drop for Streaming {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Streaming {
    /// Listens on a free port of the loopback.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start(runtime: Arc<dyn Runtime>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let offers = Offers::default();
        let task = tokio::spawn(accept(listener, Arc::clone(&offers), runtime));
        Ok(Self { address, offers, task })
    }

    /// A URL for one use within a minute.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait.
    pub fn offer(&self, stream: Stream) -> Result<String> {
        let mut offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        offers.retain(|_, (since, _)| since.elapsed() < OFFER_TTL);
        if offers.len() >= OFFERS_MAX {
            return Err(Error::Unavailable(format!("more than offers = {OFFERS_MAX} streams wait for their client")));
        }
        let kind = match &stream {
            Stream::Exec(_) => "exec",
            Stream::Attach(_) => "attach",
            Stream::Port { .. } => "portforward",
        };
        let token = format!("{:032x}", rand::random::<u128>());
        let url = format!("http://{}/{kind}/{token}", self.address);
        offers.insert(token, (Instant::now(), stream));
        Ok(url)
    }
}

async fn accept(listener: TcpListener, offers: Offers, runtime: Arc<dyn Runtime>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((tcp, _)) => {
                    connections.spawn(connection(tcp, Arc::clone(&offers), Arc::clone(&runtime)));
                }
                // Out of descriptors, most likely: a moment's rest keeps this from spinning.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn connection(tcp: TcpStream, offers: Offers, runtime: Arc<dyn Runtime>) {
    let (start, mut started) = mpsc::channel(1);
    let serve = service_fn(move |request| {
        let answer = answer(request, &offers, &start);
        async move { Ok::<_, Infallible>(answer) }
    });
    let _ = tcp.set_nodelay(true);
    let http = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tcp), serve).with_upgrades();
    if http.await.is_err() {
        return;
    }
    // The stream runs in the connection's own task, so that it ends with the server.
    if let Ok((upgrade, stream, can_close)) = started.try_recv() {
        let upgrade: hyper::upgrade::OnUpgrade = upgrade;
        if let Ok(upgraded) = upgrade.await {
            let config =
                WebSocketConfig::default().max_message_size(Some(MESSAGE_MAX)).max_frame_size(Some(MESSAGE_MAX));
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
            run(socket, stream, can_close, runtime).await;
        }
    }
}

type Start = mpsc::Sender<(hyper::upgrade::OnUpgrade, Stream, bool)>;

fn answer(mut request: Request<Incoming>, offers: &Offers, start: &Start) -> Answer {
    let refuse = |code: StatusCode, text: &str| {
        let mut answer = Response::new(Full::new(Bytes::from(format!("{text}\n"))));
        *answer.status_mut() = code;
        answer
    };
    let upgrade = text(request.headers(), UPGRADE.as_str()).to_ascii_lowercase();
    if upgrade.starts_with("spdy/") {
        return refuse(StatusCode::BAD_REQUEST, "SPDY is not supported; use WebSocket (crictl: --transport=websocket)");
    }
    let key = text(request.headers(), SEC_WEBSOCKET_KEY.as_str()).to_owned();
    if upgrade != "websocket" || key.is_empty() {
        return refuse(StatusCode::BAD_REQUEST, "want a WebSocket upgrade");
    }
    let offered = text(request.headers(), SEC_WEBSOCKET_PROTOCOL.as_str()).to_owned();
    let mut path = request.uri().path().trim_start_matches('/').split('/');
    let (kind, token) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
    let protocols: &[&'static str] = if kind == "portforward" { &[V4] } else { &[V5, V4] };
    let Some(protocol) = protocols.iter().find(|p| offered.split(',').any(|o| o.trim() == **p)) else {
        let text = format!("no stream protocol in common: offered {offered:?}, served {protocols:?}");
        return refuse(StatusCode::BAD_REQUEST, &text);
    };
    let found = offers.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
    let Some((_, stream)) = found.filter(|(since, _)| since.elapsed() < OFFER_TTL) else {
        return refuse(StatusCode::NOT_FOUND, "no such stream");
    };
    let on_upgrade = hyper::upgrade::on(&mut request);
    if start.try_send((on_upgrade, stream, *protocol == V5)).is_err() {
        return refuse(StatusCode::BAD_REQUEST, "one stream for one connection");
    }
    let answer = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()))
        .header(SEC_WEBSOCKET_PROTOCOL, *protocol)
        .body(Full::default());
    answer.unwrap_or_else(|e| refuse(StatusCode::BAD_REQUEST, &e.to_string()))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|h| h.to_str().ok()).unwrap_or_default()
}

async fn run(mut socket: Socket, stream: Stream, can_close: bool, runtime: Arc<dyn Runtime>) {
    let session = match stream {
        Stream::Port { sandbox_id, ports } => return forward(socket, &sandbox_id, &ports, runtime.as_ref()).await,
        Stream::Exec(request) => runtime.exec(request).await,
        Stream::Attach(request) => runtime.attach(request).await,
    };
    match session {
        Ok(session) => talk(socket, session, can_close).await,
        Err(e) => {
            let _ = socket.send(Message::binary(channel::status(&Err(e.to_string())))).await;
            let _ = socket.send(over()).await;
        }
    }
}

/// Runs a session until its process has ended or its client has gone; in the latter case the session hangs up.
async fn talk(socket: Socket, session: Session, can_close: bool) {
    let (sink, stream) = socket.split();
    let Session { stdin, stdout, stderr, resize, exit } = session;
    tokio::select! {
        () = hear(stream, stdin, resize, can_close) => {}
        () = tell(sink, stdout, stderr, exit) => {}
    }
}

/// Passes on what the client sends, until it goes.
async fn hear(
    mut stream: SplitStream<Socket>,
    mut stdin: Option<crate::runtime::streams::BoxWrite>,
    resize: Option<mpsc::Sender<crate::runtime::streams::TerminalSize>>,
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

/// Sends the output, and the outcome last.
async fn tell(
    mut sink: SplitSink<Socket, Message>,
    mut stdout: Option<BoxRead>,
    mut stderr: Option<BoxRead>,
    mut exit: futures::future::BoxFuture<'static, Result<i32>>,
) {
    let (mut out, mut err) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut outcome = None;
    let drained = tokio::time::sleep(Duration::MAX);
    tokio::pin!(drained);
    while outcome.is_none() || stdout.is_some() || stderr.is_some() {
        let message = tokio::select! {
            n = some(&mut stdout, &mut out) => match n {
                0 => { stdout = None; continue; }
                n => channel::frame(STDOUT, &out[..n]),
            },
            n = some(&mut stderr, &mut err) => match n {
                0 => { stderr = None; continue; }
                n => channel::frame(STDERR, &err[..n]),
            },
            ended = &mut exit, if outcome.is_none() => {
                outcome = Some(ended.map_err(|e| e.to_string()));
                drained.as_mut().reset(tokio::time::Instant::now() + DRAIN);
                continue;
            }
            () = &mut drained, if outcome.is_some() => break,
        };
        if sink.send(Message::binary(message)).await.is_err() {
            return;
        }
    }
    if let Some(outcome) = outcome {
        let _ = sink.send(Message::binary(channel::status(&outcome))).await;
    }
    let _ = sink.send(over()).await;
}

/// Kubernetes' clients take any other end for a broken connection.
fn over() -> Message {
    Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() }))
}

async fn some(from: &mut Option<BoxRead>, buffer: &mut [u8]) -> usize {
    match from {
        Some(from) => from.read(buffer).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

/// Forwards ports: channel 2n carries the data of the n-th, 2n+1 its error.
async fn forward(socket: Socket, sandbox_id: &str, ports: &[u16], runtime: &dyn Runtime) {
    let (mut sink, mut stream) = socket.split();
    let (out, mut messages) = mpsc::channel::<Vec<u8>>(QUEUE_MAX);
    let mut inputs = Vec::new();
    let mut pumps = JoinSet::new();
    for (n, port) in ports.iter().enumerate() {
        let Ok(data) = u8::try_from(n * 2) else { break };
        for number in [data, data + 1] {
            if sink.send(Message::binary(channel::frame(number, &port.to_le_bytes()))).await.is_err() {
                return;
            }
        }
        let (input, typed) = mpsc::channel::<Bytes>(QUEUE_MAX);
        inputs.push(input);
        match runtime.port_forward(sandbox_id, *port).await {
            Ok(duplex) => drop(pumps.spawn(port_pump(duplex, data, typed, out.clone()))),
            Err(e) => drop(out.send(channel::frame(data + 1, e.to_string().as_bytes())).await),
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
        while let Some(message) = messages.recv().await {
            if sink.send(Message::binary(message)).await.is_err() {
                return;
            }
        }
        let _ = sink.send(over()).await;
    };
    tokio::select! {
        () = hear => {}
        () = tell => {}
    }
}

/// Moves the bytes of one port, until the pod ends the connection.
async fn port_pump(
    duplex: crate::runtime::streams::BoxDuplex,
    number: u8,
    mut typed: mpsc::Receiver<Bytes>,
    out: mpsc::Sender<Vec<u8>>,
) {
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
            if out.send(channel::frame(number, &buffer[..n])).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = send => {}
        () = receive => {}
    }
}
