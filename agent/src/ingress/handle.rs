//! One request → its answer: the route, the pod, and what is said when there is none.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, LOCATION, UPGRADE};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::ingress::access::{Done, Line};
use crate::ingress::backend::{Backend, Busy, Protocol};
use crate::ingress::body::{Body, Request as PodBody, Sent};
use crate::ingress::gateway::serve::{self as gateway, Served};
use crate::ingress::guard::Shared;
use crate::ingress::headers::{self, Client};
use crate::ingress::metrics::metrics;
use crate::ingress::reply;
use crate::ingress::table::{Route, Table};
use crate::ingress::upstream::{Answer, Asker, Failure, address_for};
use crate::ingress::worker::Worker;

/// Bytes that wait in each direction of an upgraded connection.
const COPY_BYTES: usize = 16 << 10;

/// A client's connection.
pub struct Conn {
    /// Whose it is.
    pub worker: Rc<Worker>,
    /// The client.
    pub client: Client,
    /// The host that TLS was begun for, in lower case.
    pub sni: Option<Box<str>>,
    /// What is read along, for HTTP/1.
    pub guard: Option<Arc<Shared>>,
}

/// A request from its head to the end of its answer; counted and logged when it ends.
pub struct Exchange {
    /// When its head had been read.
    pub begin: Instant,
    /// When its answer had been given; when it is dropped, if that is not known.
    pub end: Option<Instant>,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// The answer's status.
    pub status: u16,
    /// Where it went.
    pub route: Option<Arc<Route>>,
    /// Who answered.
    pub pod: Option<SocketAddr>,
    /// The endpoint's count.
    pub busy: Option<Busy>,
    guard: Option<Arc<Shared>>,
    line: Option<Box<Line>>,
}

impl Exchange {
    fn new(conn: &Conn, request: &Request<Incoming>) -> Self {
        conn.guard.iter().for_each(|guard| {
            guard.answering.fetch_add(1, Ordering::Relaxed);
        });
        let (log, client) = (&conn.worker.log, &conn.client);
        let line = || {
            let how = (request.method().clone(), request.version());
            let line = Line::new(log.clone(), (client.ip, client.is_tls), how);
            Box::new(line.of(&host_text(request), request.uri().path()))
        };
        let line = log.is_read().then(line);
        let mut exchange = Self::begin(line);
        exchange.guard.clone_from(&conn.guard);
        exchange
    }

    /// One that begins now.
    pub fn begin(line: Option<Box<Line>>) -> Self {
        Self {
            begin: Instant::now(),
            end: None,
            bytes: 0,
            status: 0,
            route: None,
            pod: None,
            busy: None,
            guard: None,
            line,
        }
    }

    /// The answer's last byte has been given away.
    pub fn end(self) {}
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.guard.iter().for_each(|guard| {
            guard.answering.fetch_sub(1, Ordering::Relaxed);
        });
        let took = self.end.unwrap_or_else(Instant::now).saturating_duration_since(self.begin);
        metrics().iter().for_each(|m| m.seconds.observe(took.as_secs_f64()));
        if let Some(counters) = self.route.as_ref().and_then(|route| route.counters.as_ref()) {
            counters.count(self.status);
        }
        let Some(line) = &self.line else { return };
        line.end(&Done {
            status: self.status,
            bytes: self.bytes,
            took,
            ingress: self.route.as_ref().map_or("", |route| &route.ingress),
            pod: self.pod,
        });
    }
}

/// An answer of our own: status and words.
pub type Refusal = (StatusCode, String);

/// Answers a request.
pub async fn handle(conn: &Conn, request: Request<Incoming>) -> Response<Body> {
    let exchange = Exchange::new(conn, &request);
    let table = conn.worker.table();
    let of_gateways = table.gateways.as_ref().filter(|gateways| gateways.claims(conn.client.local_port));
    let (request, mut exchange) = match of_gateways {
        None => (request, exchange),
        // What is large and not of every request is kept apart.
        Some(gateways) => match Box::pin(gateway::handle(conn, gateways, &table, request, exchange)).await {
            Served::Done(response) => return response,
            Served::Other(request, exchange) => (*request, exchange),
        },
    };
    let response = match answer(conn, &table, request, &mut exchange).await {
        Ok(Answered::Found(Found::Pod(answer))) => {
            let (mut parts, incoming) = answer.response.into_parts();
            headers::strip_hop_by_hop(&mut parts.headers);
            parts.version = Version::HTTP_11;
            exchange.status = parts.status.as_u16();
            exchange.pod = Some(answer.address);
            exchange.busy = Some(answer.busy);
            let body = Body::pod(incoming, answer.lease, exchange, conn.worker.options.stall);
            return Response::from_parts(parts, body);
        }
        Ok(Answered::Found(Found::Upgraded(answer, upgrade))) => return upgraded(conn, *answer, *upgrade, exchange),
        Ok(Answered::Redirect(location)) => {
            let mut response = reply::text(StatusCode::PERMANENT_REDIRECT, "this is served by HTTPS");
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Err((status, words)) if status == StatusCode::BAD_REQUEST && conn.guard.is_some() => {
            reply::closing(status, &words)
        }
        Err((status, words)) => reply::text(status, &words),
    };
    exchange.status = response.status().as_u16();
    response
}

/// What was found for a request.
pub enum Found {
    /// A pod's answer.
    Pod(Box<Answer>),
    /// A pod's answer after which both sides speak something else.
    Upgraded(Box<Answer>, Box<(OnUpgrade, HeaderValue)>),
}

enum Answered {
    Found(Found),
    /// Another place.
    Redirect(HeaderValue),
}

fn bad(words: &str) -> Refusal {
    (StatusCode::BAD_REQUEST, words.to_owned())
}

async fn answer(
    conn: &Conn,
    table: &Table,
    request: Request<Incoming>,
    exchange: &mut Exchange,
) -> Result<Answered, Refusal> {
    let (options, client) = (&conn.worker.options, &conn.client);
    let authority = host_value(&request).ok_or_else(|| bad("the request must name one host"))?;
    let text = authority.to_str().map_err(|_| bad("the request's host can't be read"))?;
    let host = clean_host(text).ok_or_else(|| bad("the request's host can't be read"))?;
    let path = request.uri().path();
    if has_dot_segment(path) {
        return Err(bad("the request's path has \".\" or \"..\" as a part"));
    }
    let Some(route) = table.find(&host, path) else {
        let words =
            format!("no Ingress has a rule for host {:?} and path {:?}", reply::shown(&host), reply::shown(path));
        return Err((StatusCode::NOT_FOUND, words));
    };
    exchange.route = Some(route.clone());
    if route.to_https && !client.is_tls {
        let rest = request.uri().path_and_query().map_or("/", |rest| rest.as_str());
        let port = options.public_https_port;
        let port = if port == 443 { String::new() } else { format!(":{port}") };
        let location = HeaderValue::from_str(&format!("https://{host}{port}{rest}"));
        return Ok(Answered::Redirect(location.map_err(|_| bad("the request's host can't be read"))?));
    }
    let backend = route.backend.clone();
    let sent = Sent::default();
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts, PodBody::new(body, options.stall, sent.clone()));
    let ask = Ask { edit: None, response: options.response };
    send(conn, request, &sent, &backend, authority, &ask).await.map(Answered::Found)
}

/// How a request is given to a backend.
pub struct Ask<'a> {
    /// Changes the headers that a pod gets, when all else has been done with them.
    pub edit: Option<&'a dyn Fn(&mut HeaderMap)>,
    /// How long a pod may take until it begins to answer.
    pub response: Duration,
}

/// Gives a request to a backend.
///
/// # Errors
/// What the client is told when there is no answer.
pub async fn send(
    conn: &Conn,
    mut request: Request<PodBody>,
    sent: &Sent,
    backend: &Backend,
    authority: HeaderValue,
    ask: &Ask<'_>,
) -> Result<Found, Refusal> {
    if let Some(fault) = &backend.fault {
        return Err((StatusCode::SERVICE_UNAVAILABLE, fault.clone()));
    }
    let wanted = headers::upgrade(request.headers()).filter(|_| request.version() == Version::HTTP_11);
    let client_side = wanted.is_some().then(|| hyper::upgrade::on(&mut request));
    let protocol = protocol_of(backend.protocol, &request);
    let (mut parts, body) = request.into_parts();
    headers::to_pod(&mut parts.headers, &conn.client, &authority);
    parts.headers.insert(HOST, authority);
    ask.edit.iter().for_each(|edit| edit(&mut parts.headers));
    if let Some(wanted) = wanted.filter(|_| protocol == Protocol::Http) {
        parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(UPGRADE, wanted);
    }
    address_for(protocol, &mut parts).map_err(|_| bad("the request's host can't be read"))?;
    let request = Request::from_parts(parts, body);
    let asker = Asker { pool: &conn.worker.pool, options: &conn.worker.options, response: ask.response };
    let answer = asker.ask(backend, protocol, request, sent).await;
    let mut answer = answer.map_err(|failure| refusal(&backend.name, failure))?;
    if answer.response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Found::Pod(Box::new(answer)));
    }
    let named = answer.response.headers_mut().remove(UPGRADE);
    match (client_side, named) {
        (Some(side), Some(named)) => Ok(Found::Upgraded(Box::new(answer), Box::new((side, named)))),
        _ => Err((StatusCode::BAD_GATEWAY, format!("{} changed to a protocol that was not asked for", backend.name))),
    }
}

/// What a client is told of a failure.
pub fn refusal(backend: &str, failure: Failure) -> Refusal {
    match failure {
        Failure::Unreachable(address, why) => {
            (StatusCode::BAD_GATEWAY, format!("no endpoint of {backend} can be reached; the last, {address}: {why}"))
        }
        Failure::Broken(address, why) => {
            (StatusCode::BAD_GATEWAY, format!("endpoint {address} of {backend} broke off: {why}"))
        }
        Failure::Late(address) => {
            (StatusCode::GATEWAY_TIMEOUT, format!("endpoint {address} of {backend} did not answer in time"))
        }
        Failure::Body(why) => (StatusCode::BAD_REQUEST, format!("the request's body could not be read: {why}")),
        Failure::Nobody => (StatusCode::SERVICE_UNAVAILABLE, format!("{backend} has no endpoint")),
    }
}

/// gRPC is spoken by HTTP/2 only, whatever the port says.
fn protocol_of<B>(backend: Protocol, request: &Request<B>) -> Protocol {
    let kind = request.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let is_grpc = request.version() == Version::HTTP_2 && kind.starts_with(b"application/grpc");
    if is_grpc { Protocol::H2c } else { backend }
}

/// Joins the two connections, for as long as both live.
pub fn upgraded(
    conn: &Conn,
    answer: Answer,
    upgrade: (OnUpgrade, HeaderValue),
    mut exchange: Exchange,
) -> Response<Body> {
    let (client_side, named) = upgrade;
    let mut response = answer.response;
    let pod_side = hyper::upgrade::on(&mut response);
    let mut parts = response.into_parts().0;
    headers::strip_hop_by_hop(&mut parts.headers);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    parts.headers.insert(UPGRADE, named);
    exchange.status = parts.status.as_u16();
    exchange.pod = Some(answer.address);
    exchange.busy = Some(answer.busy);
    conn.guard.iter().for_each(|guard| guard.is_upgraded.store(true, Ordering::Relaxed));
    let stop = conn.worker.stop.clone();
    let drain = conn.worker.options.drain;
    tokio::task::spawn_local(async move {
        let _lease = answer.lease;
        let joined = async {
            let (client, pod) = tokio::try_join!(client_side, pod_side)?;
            let (mut client, mut pod) = (TokioIo::new(client), TokioIo::new(pod));
            let copied = tokio::io::copy_bidirectional_with_sizes(&mut client, &mut pod, COPY_BYTES, COPY_BYTES).await;
            // A side that is gone without a word is how most of them end.
            exchange.bytes = copied.map_or(0, |(_, down)| down);
            Ok::<(), hyper::Error>(())
        };
        let over = async {
            stop.cancelled().await;
            tokio::time::sleep(drain).await;
        };
        tokio::select! {
            joined = joined => if let Err(error) = joined {
                tracing::debug!(%error, "a connection could not change its protocol");
            },
            () = over => {}
        }
    });
    Response::from_parts(parts, Body::text(bytes::Bytes::new()))
}

/// The host as it was named: the request's target counts before its header (RFC 9112, 3.2.2).
pub fn host_value(request: &Request<Incoming>) -> Option<HeaderValue> {
    let of_header = |headers: &HeaderMap| {
        let mut all = headers.get_all(HOST).iter();
        all.next().filter(|_| all.next().is_none()).cloned()
    };
    match request.uri().authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => of_header(request.headers()),
    }
}

fn host_text(request: &Request<Incoming>) -> String {
    host_value(request).map_or_else(String::new, |host| String::from_utf8_lossy(host.as_bytes()).into_owned())
}

/// A host without port and closing dot, in lower case. Nothing when it is none.
pub fn clean_host(text: &str) -> Option<Cow<'_, str>> {
    let host = match text.strip_prefix('[') {
        Some(rest) => {
            let (ip, after) = rest.split_once(']')?;
            if !after.is_empty() && !after.strip_prefix(':').is_some_and(is_port) {
                return None;
            }
            text.get(..ip.len() + 2)?
        }
        None => match text.split_once(':') {
            Some((host, port)) if is_port(port) => host,
            Some(_) => return None,
            None => text,
        },
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._~[]:*".contains(&b);
    if host.is_empty() || !host.bytes().all(is_host) {
        return None;
    }
    let is_lower = !host.bytes().any(|b| b.is_ascii_uppercase());
    Some(if is_lower { Cow::Borrowed(host) } else { Cow::Owned(host.to_ascii_lowercase()) })
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a path has a part that means another place: a pod could take it for a path that no rule has seen.
pub fn has_dot_segment(path: &str) -> bool {
    // Nearly all paths have none, which is seen in one pass.
    let may_have = path.as_bytes().windows(2).any(|two| two[0] == b'/' && matches!(two[1], b'.' | b'%'));
    if !may_have {
        return false;
    }
    path.split('/').any(|part| {
        let part = part.replace("%2e", ".").replace("%2E", ".");
        part == "." || part == ".."
    })
}
