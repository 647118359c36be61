//! A client's request and a backend → the pod's answer, or the two connections joined.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Body as _;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::ingress::backend::{Backend, Protocol};
use crate::ingress::body::Body;
use crate::ingress::exchange::Exchange;
use crate::ingress::headers::{self, Client};
use crate::ingress::refusal::{Refusal, bad, refusal};
use crate::ingress::request::{Request as PodBody, Sent};
use crate::ingress::shared::Shared;
use crate::ingress::upstream::{Answer, Asker, address_for};
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
    /// It speaks HTTP/1.
    pub is_http1: bool,
    /// What is under way on it.
    pub shared: Arc<Shared>,
}

/// What was found for a request.
pub enum Found {
    /// A pod's answer.
    Pod(Box<Answer>),
    /// A pod's answer after which both sides speak something else.
    Upgraded(Box<Answer>, Box<(OnUpgrade, HeaderValue)>),
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
    if protocol == Protocol::Http && !body.is_end_stream() && !parts.headers.contains_key(CONTENT_LENGTH) {
        // hyper takes a GET for one without a body where nothing says that there is one.
        parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    address_for(protocol, &mut parts).map_err(|_| bad("the request's host can't be read"))?;
    let request = Request::from_parts(parts, body);
    let worker = &conn.worker;
    let asker = Asker { pool: &worker.pool, options: &worker.options, response: ask.response, client: conn.client.ip };
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

/// A pod's answer as a client gets it.
pub fn passed_on(conn: &Conn, answer: Answer, mut exchange: Exchange) -> Response<Body> {
    let (mut parts, incoming) = answer.response.into_parts();
    headers::strip_hop_by_hop(&mut parts.headers);
    parts.version = Version::HTTP_11;
    exchange.status = parts.status.as_u16();
    exchange.pod = Some(answer.address);
    exchange.busy = Some(answer.busy);
    let body = Body::pod(incoming, answer.lease, exchange, conn.worker.options.stall);
    Response::from_parts(parts, body)
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
    conn.shared.upgrade();
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
