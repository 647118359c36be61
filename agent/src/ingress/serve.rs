//! A connection → its requests: the PROXY header, TLS, the version of HTTP, and the end when the node stops.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};
use tokio_rustls::TlsAcceptor;

use crate::ingress::direct::connection::{self as direct, Ended};
use crate::ingress::direct::head::HTTP2;
use crate::ingress::direct::rewind::Rewind;
use crate::ingress::guard::Guard;
use crate::ingress::handle::handle;
use crate::ingress::headers::Client;
use crate::ingress::layer::Layer;
use crate::ingress::metrics::metrics;
use crate::ingress::patience::Patient;
use crate::ingress::proxy_protocol;
use crate::ingress::send::Conn;
use crate::ingress::shared::Shared;
use crate::ingress::worker::{Local, Worker};

/// How long the first bytes may take: a PROXY header, the beginning of TLS.
const BEGIN: Duration = Duration::from_secs(10);
/// The wait for more first bytes behind those that have been looked at, and its bound: nothing tells when they come.
const LOOK: Duration = Duration::from_millis(1);
const LOOK_MAX: Duration = Duration::from_millis(100);
/// Requests of one connection at a time by HTTP/2 (nginx' default).
const STREAMS_MAX: u32 = 128;
/// Requests that a client may give up at once, before it is taken for an attack (CVE-2023-44487).
const RESETS_MAX: usize = 64;

/// Serves a connection to its end.
pub async fn connection(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>) {
    if let Err(error) = serve(worker, stream, peer, tls).await {
        tracing::debug!(error = %error, %peer, "a connection ended");
    }
}

type Served = Result<(), Box<dyn std::error::Error + Send + Sync>>;

async fn serve(worker: Rc<Worker>, mut stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>) -> Served {
    stream.set_nodelay(true)?;
    let port = stream.local_addr()?.port();
    let peer = match worker.options.proxy_protocol {
        true => timeout(BEGIN, proxied(&mut stream)).await??.unwrap_or(peer),
        false => peer,
    };
    let is_trusted = worker.options.trusted.iter().any(|range| range.contains(peer.ip().to_canonical()));
    let client = Client::new(peer.ip(), port, tls.is_some(), is_trusted);
    if let Some(acceptor) = tls {
        let accepted = timeout(BEGIN, acceptor.accept(stream)).await.map_err(|_| "TLS did not begin in time")?;
        let tls = accepted.inspect_err(|_| metrics().iter().for_each(|m| m.handshakes_failed.inc()))?;
        let is_http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        let sni = tls.get_ref().1.server_name().map(|name| name.trim_end_matches('.').to_ascii_lowercase().into());
        return match is_http2 {
            true => Box::pin(over_http2(worker, tls, client, sni)).await,
            false => over_direct(worker, tls, client, sni).await,
        };
    }
    over_direct(worker, stream, client, None).await
}

/// Passes on what is plain; what is not is hyper's, with all that comes after it.
async fn over_direct<T>(worker: Rc<Worker>, io: T, client: Client, sni: Option<Box<str>>) -> Served
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Ended::Odd(io, bytes) = direct::serve(&worker, io, &client).await else { return Ok(()) };
    // The futures of hyper are large, and most connections never need them.
    match !client.is_tls && bytes.starts_with(HTTP2) {
        true => Box::pin(over_http2(worker, Layer::new(io, Rewind::new(bytes)), client, sni)).await,
        false => Box::pin(over_http1(worker, Layer::new(io, Rewind::new(bytes)), client, sni)).await,
    }
}

/// Reads a PROXY header, and no byte more.
async fn proxied(stream: &mut TcpStream) -> Result<Option<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let mut bytes = vec![0; proxy_protocol::BYTES_MAX];
    let (mut seen, mut wait) = (0, LOOK);
    loop {
        let size = stream.peek(&mut bytes).await?;
        if size == 0 {
            return Err("the connection ended before its PROXY header".into());
        }
        if let Some(header) = proxy_protocol::parse(&bytes[..size])? {
            stream.read_exact(&mut bytes[..header.len]).await?;
            return Ok(header.client);
        }
        if size == seen {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LOOK_MAX);
        }
        seen = size;
    }
}

async fn over_http1<T>(worker: Rc<Worker>, io: T, client: Client, sni: Option<Box<str>>) -> Served
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shared = Arc::new(Shared::default());
    let options = worker.options.clone();
    let guarded = Layer::new(Patient::new(io, options.stall), Guard::new(options.head_bytes_max, shared.clone()));
    let stop = worker.stop.clone();
    let conn = Rc::new(Conn { worker, client, sni, is_http1: true, shared });
    let service = service_fn(move |request| {
        let conn = conn.clone();
        async move { Ok::<_, Infallible>(handle(&conn, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(options.idle);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(guarded), service).with_upgrades());
    tokio::select! {
        biased;
        ended = serving.as_mut() => return Ok(ended?),
        () = stop.cancelled() => {}
    }
    serving.as_mut().graceful_shutdown();
    Ok(timeout(options.drain, serving).await??)
}

async fn over_http2<T>(worker: Rc<Worker>, io: T, client: Client, sni: Option<Box<str>>) -> Served
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let options = worker.options.clone();
    let stop = worker.stop.clone();
    let shared = Arc::new(Shared::default());
    let conn = Rc::new(Conn { worker, client, sni, is_http1: false, shared: shared.clone() });
    let service = service_fn(move |request| {
        let conn = conn.clone();
        async move { Ok::<_, Infallible>(handle(&conn, request).await) }
    });
    let mut builder = http2::Builder::new(Local);
    let head_bytes_max = u32::try_from(options.head_bytes_max).unwrap_or(u32::MAX);
    builder
        .timer(TokioTimer::new())
        .adaptive_window(true)
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_header_list_size(head_bytes_max)
        .keep_alive_interval(options.idle)
        .keep_alive_timeout(BEGIN);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(Patient::new(io, options.stall)), service));
    // A client that answers pings and asks nothing, or gives no room for its answers, is no end to hyper.
    let is_over = async {
        let mut looks = interval(options.idle.min(options.stall).max(LOOK));
        loop {
            looks.tick().await;
            if shared.is_stuck(options.stall * 2) {
                return Err("the client takes nothing of its answers");
            }
            if shared.is_idle(options.idle) {
                return Ok(());
            }
        }
    };
    tokio::select! {
        biased;
        ended = serving.as_mut() => return Ok(ended?),
        () = stop.cancelled() => {}
        over = is_over => over?,
    }
    serving.as_mut().graceful_shutdown();
    Ok(timeout(options.drain, serving).await??)
}
