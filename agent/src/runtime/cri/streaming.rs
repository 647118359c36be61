//! The HTTP side of a CRI server: a URL good for one use leads to exec, attach or port-forward over WebSocket or SPDY.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::runtime::contract::Runtime;
use crate::runtime::cri::channel::{V4, V5};
use crate::runtime::cri::messages::{self, Socket};
use crate::runtime::cri::offer::Stream;
use crate::runtime::cri::streams;
use crate::runtime::error::{Error, Result};
use crate::spdy::tunnel;

/// URLs that wait for their use, and how long (Kubernetes' streaming server has the same bounds).
const OFFERS_MAX: usize = 1000;
const OFFER_TTL: Duration = Duration::from_secs(60);
/// Connections at a time.
const CONNECTIONS_MAX: usize = 1000;
/// Bytes of one message.
const MESSAGE_MAX: usize = 1 << 20;
/// SPDY, by itself.
const SPDY: &str = "SPDY/3.1";
/// Where a client of SPDY says which version of Kubernetes' protocol it speaks.
const SPDY_PROTOCOL: &str = "X-Stream-Protocol-Version";
/// The version of port-forward.
const FORWARD: &str = "portforward.k8s.io";
/// The same in the messages of a WebSocket.
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";

/// The streaming server; it ends when this is dropped.
pub struct Streaming {
    address: SocketAddr,
    offers: Offers,
    task: JoinHandle<()>,
}

type Offers = Arc<Mutex<HashMap<String, (Instant, Stream)>>>;
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
            Stream::Attach { .. } => "attach",
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
    if let Ok((upgrade, stream, speech)) = started.try_recv()
        && let Ok(upgraded) = upgrade.await
    {
        speak(upgraded, stream, speech, runtime).await;
    }
}

/// What a client and we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    /// Messages of channels; whether the end of stdin can be told.
    Messages { can_close: bool },
    /// SPDY.
    Spdy,
    /// SPDY whose bytes are in the messages of a WebSocket.
    Tunnel,
}

async fn speak(upgraded: Upgraded, stream: Stream, speech: Speech, runtime: Arc<dyn Runtime>) {
    let io = TokioIo::new(upgraded);
    if speech == Speech::Spdy {
        let (from, to) = tokio::io::split(io);
        return streams::run(from, to, stream, runtime).await;
    }
    let config = WebSocketConfig::default().max_message_size(Some(MESSAGE_MAX)).max_frame_size(Some(MESSAGE_MAX));
    let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    match speech {
        Speech::Messages { can_close } => messages::run(socket, stream, can_close, runtime.as_ref()).await,
        Speech::Spdy | Speech::Tunnel => tunneled(socket, stream, runtime).await,
    }
}

/// SPDY's bytes in and out of messages.
async fn tunneled(socket: Socket, stream: Stream, runtime: Arc<dyn Runtime>) {
    let bytes_of = |message| match message {
        Message::Binary(bytes) => Some(bytes),
        _ => None,
    };
    let (from, to) = tunnel::halves(socket, bytes_of, Message::Binary);
    streams::run(from, to, stream, runtime).await;
}

type Start = mpsc::Sender<(OnUpgrade, Stream, Speech)>;

fn refuse(code: StatusCode, text: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(format!("{text}\n"))));
    *answer.status_mut() = code;
    answer
}

fn answer(mut request: Request<Incoming>, offers: &Offers, start: &Start) -> Answer {
    let (protocol, speech) = match choose(request.headers(), request.uri().path()) {
        Ok(chosen) => chosen,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
    };
    let token = request.uri().path().rsplit('/').next().unwrap_or_default();
    let found = offers.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
    let Some((_, stream)) = found.filter(|(since, _)| since.elapsed() < OFFER_TTL) else {
        return refuse(StatusCode::NOT_FOUND, "no such stream");
    };
    let on_upgrade = hyper::upgrade::on(&mut request);
    if start.try_send((on_upgrade, stream, speech)).is_err() {
        return refuse(StatusCode::BAD_REQUEST, "one stream for one connection");
    }
    let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS).header(CONNECTION, "Upgrade");
    let answer = match speech {
        Speech::Spdy => answer.header(UPGRADE, SPDY).header(SPDY_PROTOCOL, protocol),
        Speech::Tunnel | Speech::Messages { .. } => {
            let key = derive_accept_key(text(request.headers(), SEC_WEBSOCKET_KEY.as_str()).as_bytes());
            answer
                .header(UPGRADE, "websocket")
                .header(SEC_WEBSOCKET_ACCEPT, key)
                .header(SEC_WEBSOCKET_PROTOCOL, protocol)
        }
    };
    answer.body(Full::default()).unwrap_or_else(|e| refuse(StatusCode::BAD_REQUEST, &e.to_string()))
}

/// What is spoken with a client, by what it offers.
fn choose(headers: &HeaderMap, path: &str) -> std::result::Result<(&'static str, Speech), String> {
    let is_port = path.starts_with("/portforward/");
    let upgrade = text(headers, UPGRADE.as_str());
    let (name, served): (&str, &[(&'static str, Speech)]) = if upgrade.eq_ignore_ascii_case(SPDY) {
        (SPDY_PROTOCOL, if is_port { &[(FORWARD, Speech::Spdy)] } else { &[(V4, Speech::Spdy)] })
    } else if upgrade.eq_ignore_ascii_case("websocket") && headers.contains_key(SEC_WEBSOCKET_KEY) {
        let ports: &[_] = &[(TUNNEL, Speech::Tunnel), (V4, Speech::Messages { can_close: false })];
        let session: &[_] = &[(V5, Speech::Messages { can_close: true }), (V4, Speech::Messages { can_close: false })];
        (SEC_WEBSOCKET_PROTOCOL.as_str(), if is_port { ports } else { session })
    } else {
        return Err(format!("want an upgrade to WebSocket or {SPDY}"));
    };
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let offered: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    served.iter().find(|(protocol, _)| offered.contains(protocol)).copied().ok_or_else(|| {
        let served: Vec<&str> = served.iter().map(|(protocol, _)| *protocol).collect();
        format!("no stream protocol in common: offered {offered:?}, served {served:?}")
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|h| h.to_str().ok()).unwrap_or_default()
}
