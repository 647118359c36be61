//! A request and a backend → the answer of one of its endpoints; another one is asked when the first can't be reached.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Method, Request, Response, Version, header, request};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ingress::alive;
use crate::ingress::backend::{Backend, Busy, Endpoint, Protocol, now_ms};
use crate::ingress::metrics::metrics;
use crate::ingress::options::Options;
use crate::ingress::patience::Patient;
use crate::ingress::pool::{Http1, Http2, Lease, Pool};
use crate::ingress::request::{Request as Body, Sent};
use crate::ingress::worker::Local;

/// Endpoints that are tried for one request.
pub const ENDPOINTS_MAX: usize = 3;
/// Kept connections that are tried for one request, before one is made.
pub const KEPT_MAX: usize = 3;
/// How often a connection of HTTP/2 is asked whether it lives.
const PING: Duration = Duration::from_secs(20);

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// No endpoint could be reached: the last of them, and why.
    Unreachable(SocketAddr, String),
    /// The endpoint went away while it had the request.
    Broken(SocketAddr, String),
    /// The endpoint did not answer in time.
    Late(SocketAddr),
    /// The client's body could not be read.
    Body(String),
    /// Nobody is left to ask.
    Nobody,
}

/// An answer, with what it holds.
pub struct Answer {
    /// The answer.
    pub response: Response<Incoming>,
    /// Its connection, unless others use it too.
    pub lease: Option<Lease>,
    /// The endpoint's count.
    pub busy: Busy,
    /// Who answered.
    pub address: SocketAddr,
}

/// What a worker needs to ask.
pub struct Asker<'a> {
    /// Its connections.
    pub pool: &'a Rc<Pool>,
    /// Bounds.
    pub options: &'a Options,
    /// How long a pod may take until it begins to answer.
    pub response: Duration,
    /// Who asks.
    pub client: IpAddr,
}

/// One try.
enum Tried {
    Answered(Response<Incoming>, Option<Lease>),
    /// The request never went out, and can be given to another.
    Unsent(Request<Body>, String),
    /// It went out on a connection that had been kept, which ended before a byte came back.
    Dropped(String),
    Failed(Failure),
}

impl Asker<'_> {
    /// Asks. A request is given to a second endpoint when the first can't be reached; one that can be repeated without
    /// harm also when a kept connection turns out to be closed.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn ask(
        &self,
        backend: &Backend,
        protocol: Protocol,
        mut request: Request<Body>,
        sent: &Sent,
    ) -> Result<Answer, Failure> {
        let can_repeat = matches!(request.body(), Body::None) && is_idempotent(request.method());
        let (mut tried, mut kept, mut last) = (Vec::new(), 0, Failure::Nobody);
        while tried.len() < ENDPOINTS_MAX {
            let Some(endpoint) = backend.choose(&tried, now_ms, self.client).cloned() else { break };
            let address = endpoint.address;
            let busy = Busy::new(&endpoint);
            let spare = can_repeat.then(|| copy(&request));
            let may_keep = kept < KEPT_MAX;
            let (outcome, was_kept) = match protocol {
                Protocol::Http => self.http1(&endpoint, request, may_keep, sent).await,
                Protocol::H2c => self.http2(&endpoint, request, may_keep, sent).await,
            };
            kept += usize::from(was_kept);
            match outcome {
                Tried::Answered(response, lease) => return Ok(Answer { response, lease, busy, address }),
                Tried::Failed(failure) => return Err(failure),
                Tried::Unsent(back, why) => {
                    request = back;
                    if !was_kept {
                        endpoint.failed(now_ms());
                        tried.push(address);
                        last = Failure::Unreachable(address, why);
                    }
                }
                Tried::Dropped(why) => match spare {
                    Some(spare) if was_kept => request = spare,
                    _ => return Err(Failure::Broken(address, why)),
                },
            }
            metrics().iter().for_each(|m| m.retries.inc());
        }
        Err(last)
    }

    async fn http1(
        &self,
        endpoint: &Arc<Endpoint>,
        request: Request<Body>,
        may_keep: bool,
        sent: &Sent,
    ) -> (Tried, bool) {
        let address = endpoint.address;
        let known = if may_keep { self.pool.take(endpoint, Instant::now()) } else { None };
        let was_kept = known.is_some();
        let sender = match known {
            Some(sender) => sender,
            None => match self.connect1(address).await {
                Ok(sender) => sender,
                Err(why) => return (Tried::Unsent(request, why), false),
            },
        };
        let mut lease = Lease::new(self.pool.clone(), endpoint, sender);
        let answered = self.in_time(lease.sender().try_send_request(request), sent).await;
        let tried = match answered {
            None => Tried::Failed(Failure::Late(address)),
            Some(Ok(response)) => Tried::Answered(response, Some(lease)),
            Some(Err(error)) => sort(error, address),
        };
        (tried, was_kept)
    }

    async fn http2(
        &self,
        endpoint: &Arc<Endpoint>,
        request: Request<Body>,
        may_keep: bool,
        sent: &Sent,
    ) -> (Tried, bool) {
        let address = endpoint.address;
        let known = if may_keep { self.pool.shared(address) } else { None };
        let was_kept = known.is_some();
        let mut sender = match known {
            Some(sender) => sender,
            None => match self.connect2(endpoint).await {
                Ok(sender) => sender,
                Err(why) => return (Tried::Unsent(request, why), false),
            },
        };
        let answered = self.in_time(sender.try_send_request(request), sent).await;
        let tried = match answered {
            None => Tried::Failed(Failure::Late(address)),
            Some(Ok(response)) => Tried::Answered(response, None),
            Some(Err(error)) => sort(error, address),
        };
        (tried, was_kept)
    }

    /// Waits for an answer's head. The clock runs from when the request's body has gone out.
    async fn in_time<F: Future>(&self, answer: F, sent: &Sent) -> Option<F::Output> {
        let mut answer = std::pin::pin!(answer);
        let mut patience = self.response;
        loop {
            match timeout(patience, answer.as_mut()).await {
                Ok(answer) => return Some(answer),
                Err(_) => {
                    let waited = sent.since().map_or(Duration::ZERO, |at| at.elapsed());
                    patience = self.response.saturating_sub(waited);
                    if patience.is_zero() {
                        return None;
                    }
                }
            }
        }
    }

    async fn connect1(&self, address: SocketAddr) -> Result<Http1, String> {
        let stream = dial(address, self.options.connect).await?;
        // It may become a connection of something else, which nobody has a clock for.
        alive::ask(&stream).map_err(|error| error.to_string())?;
        let stream = TokioIo::new(Patient::new(stream, self.options.stall));
        let (sender, connection) = http1::Builder::new().handshake(stream).await.map_err(|error| error.to_string())?;
        tokio::task::spawn_local(async move {
            // What broke it, its request is told; a connection without one may end as it likes.
            if let Err(error) = connection.with_upgrades().await {
                tracing::trace!(%error, %address, "a connection to a pod ended");
            }
        });
        Ok(sender)
    }

    async fn connect2(&self, endpoint: &Arc<Endpoint>) -> Result<Http2, String> {
        let address = endpoint.address;
        let stream = dial(address, self.options.connect).await?;
        let mut builder = http2::Builder::new(Local);
        builder.timer(TokioTimer::new()).adaptive_window(true).keep_alive_interval(PING).keep_alive_timeout(PING);
        let stream = TokioIo::new(Patient::new(stream, self.options.stall));
        let (sender, connection) = builder.handshake(stream).await.map_err(|error| error.to_string())?;
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::trace!(%error, %address, "a connection to a pod ended");
            }
        });
        self.pool.share(endpoint, sender.clone());
        Ok(sender)
    }
}

/// Makes a connection to an endpoint.
///
/// # Errors
/// There is none, in words.
pub async fn dial(address: SocketAddr, within: Duration) -> Result<TcpStream, String> {
    match timeout(within, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            // Small requests would wait for each other's acknowledgements.
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            Ok(stream)
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no connection within {} ms", within.as_millis())),
    }
}

/// What a failed try means.
fn sort(mut error: hyper::client::conn::TrySendError<Request<Body>>, address: SocketAddr) -> Tried {
    let why = with_causes(error.error());
    if let Some(request) = error.take_message() {
        return Tried::Unsent(request, why);
    }
    let error = error.into_error();
    if error.is_user() || error.is_body_write_aborted() {
        return Tried::Failed(Failure::Body(why));
    }
    if error.is_parse() {
        return Tried::Failed(Failure::Broken(address, why));
    }
    Tried::Dropped(why)
}

/// An error with what it comes from.
fn with_causes(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Whether a request may be repeated without harm (RFC 9110, 9.2.2).
fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE)
}

/// The same request again; it has no body.
fn copy(request: &Request<Body>) -> Request<Body> {
    let mut again = Request::new(Body::None);
    again.method_mut().clone_from(request.method());
    again.uri_mut().clone_from(request.uri());
    *again.version_mut() = request.version();
    again.headers_mut().clone_from(request.headers());
    again
}

/// Makes a request's head one that is sent on a connection of this protocol.
///
/// # Errors
/// The request has no path, or its host is none.
pub fn address_for(protocol: Protocol, parts: &mut request::Parts) -> Result<(), http::Error> {
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    match protocol {
        Protocol::Http => {
            parts.uri = Uri::from(path);
            parts.version = Version::HTTP_11;
        }
        Protocol::H2c => {
            let host = parts.headers.remove(header::HOST);
            let host = host.as_ref().map_or(&b""[..], |host| host.as_bytes());
            let authority = Authority::try_from(host)?;
            parts.uri = Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path).build()?;
            parts.version = Version::HTTP_2;
        }
    }
    Ok(())
}
