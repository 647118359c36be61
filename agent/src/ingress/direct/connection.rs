//! A client's connection of HTTP/1.1 → its plain requests, passed on one after the other; at the first other one it is given back.

use std::future::poll_fn;
use std::ops::Range;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::{Method, Version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::ingress::access::Line;
use crate::ingress::backend::{Backend, Busy, Endpoint, Protocol, ms_at, now_ms};
use crate::ingress::direct::answer::Asked;
use crate::ingress::direct::head::{self, Head, Read};
use crate::ingress::direct::relay::{End, Relay, Side};
use crate::ingress::exchange::Exchange;
use crate::ingress::headers::Client;
use crate::ingress::host::{clean_host, has_dot_segment};
use crate::ingress::metrics::metrics;
use crate::ingress::refusal::{Refusal, refusal};
use crate::ingress::route::Route;
use crate::ingress::upstream::{ENDPOINTS_MAX, Failure, KEPT_MAX, dial};
use crate::ingress::words;
use crate::ingress::worker::Worker;

/// Reads of one head, before it is left to hyper: each begins anew.
const READS_MAX: usize = 32;
/// What a refused client may still send, so that it reads the refusal instead of a reset, and for how long.
const LINGER_BYTES_MAX: usize = 1 << 20;
const LINGER: Duration = Duration::from_secs(2);

/// How the plain part of a connection ended.
pub enum Ended<T> {
    /// With the connection.
    Closed,
    /// At a request that is not plain, from which on these bytes have been read.
    Odd(T, Vec<u8>),
}

/// What came next.
enum Next {
    Request(Head, Arc<Route>),
    Odd,
    Closed,
}

/// The host of the last request: a connection's next one most often names the same.
#[derive(Default)]
struct Known {
    /// As it was named.
    named: Vec<u8>,
    /// As routes have it.
    host: String,
}

impl Known {
    /// The host that was named, as routes have it.
    fn host(&mut self, named: &[u8]) -> Option<&str> {
        if self.host.is_empty() || self.named != named {
            let host = clean_host(std::str::from_utf8(named).ok()?)?.into_owned();
            (self.named, self.host) = (named.to_vec(), host);
        }
        Some(&self.host)
    }
}

/// What became of a request.
enum Outcome {
    /// It was answered then, and another may come.
    Next(Instant),
    /// It is answered, and no other may come.
    Last,
    /// It broke off: the connection ends at once, so that nobody takes a part for the whole.
    Cut,
    /// It is to be refused.
    Refused(Refusal),
}

/// Passes on what is plain.
pub async fn serve<T>(worker: &Rc<Worker>, io: T, client: &Client) -> Ended<T>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    // Woken when the node stops.
    let _sleeper = poll_fn(|cx| Poll::Ready(worker.sleeper(cx.waker()))).await;
    let mut side = Side::new(io, tokio::time::Instant::now() + worker.options.idle);
    let mut known = Known::default();
    loop {
        let (head, route) = match next(worker, &mut side, client, &mut known).await {
            Next::Request(head, route) => (head, route),
            Next::Odd => {
                let (io, bytes) = side.into_parts();
                return Ended::Odd(io, bytes);
            }
            Next::Closed => return Ended::Closed,
        };
        let mut exchange = Exchange::begin(line(worker, &side, client, &head));
        exchange.route = Some(route.clone());
        side.consume(head.len);
        match ask(worker, &mut side, (&head, client), &route.backend, &mut exchange).await {
            Outcome::Next(end) => side.clock.set(tokio::time::Instant::from_std(end) + worker.options.idle),
            Outcome::Last => {
                drop(exchange);
                close(side.io).await;
                return Ended::Closed;
            }
            Outcome::Cut => return Ended::Closed,
            Outcome::Refused((status, words)) => {
                exchange.status = status.as_u16();
                drop(exchange);
                let bytes = words::raw(status.as_u16(), &words, head.is_head);
                // Who does not take it is gone.
                if side.io.write_all(&bytes).await.is_ok() {
                    close(side.io).await;
                }
                return Ended::Closed;
            }
        }
    }
}

/// Waits for the next request.
async fn next<T>(worker: &Worker, side: &mut Side<T>, client: &Client, known: &mut Known) -> Next
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    for _ in 0..READS_MAX {
        if !side.input().is_empty() {
            // It is taken apart before the next is read, so the room of both can be the same.
            let mut up = std::mem::take(&mut side.up);
            let read = head::read(side.input(), client, &mut up);
            side.up = up;
            match read {
                Read::Plain(head) => {
                    let route = route(worker, side.input(), (&head, client), known);
                    return route.map_or(Next::Odd, |route| Next::Request(head, route));
                }
                Read::Odd => return Next::Odd,
                Read::Partial if side.is_full() => return Next::Odd,
                Read::Partial => {}
            }
        }
        let is_open = poll_fn(|cx| match side.poll_fill(cx) {
            Poll::Ready(read) => Poll::Ready(read.is_ok_and(|size| size > 0)),
            Poll::Pending if worker.stopping.get() => Poll::Ready(false),
            Poll::Pending => side.clock.poll(cx).map(|()| false),
        });
        if !is_open.await {
            return Next::Closed;
        }
    }
    Next::Odd
}

/// The route of a request whose host and path are plain and which needs nothing but to be passed on.
fn route(worker: &Worker, input: &[u8], (head, client): (&Head, &Client), known: &mut Known) -> Option<Arc<Route>> {
    let host = known.host(&input[head.host.clone()])?;
    let path = &input[head.path.clone()];
    if head.has_dots && has_dot_segment(std::str::from_utf8(path).ok()?) {
        return None;
    }
    worker.look_up(|table| {
        if table.gateways.as_ref().is_some_and(|gateways| gateways.claims(client.local_port)) {
            return None;
        }
        let route = table.find(host, path)?;
        let backend = &route.backend;
        let is_plain =
            backend.fault.is_none() && backend.protocol == Protocol::Http && (client.is_tls || !route.to_https);
        is_plain.then(|| route.clone())
    })
}

/// What is logged of a request.
fn line<T>(worker: &Worker, side: &Side<T>, client: &Client, head: &Head) -> Option<Box<Line>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let text = |range: &Range<usize>| String::from_utf8_lossy(&side.input()[range.clone()]);
    worker.log.is_read().then(|| {
        let method = Method::from_bytes(&side.input()[head.method.clone()]).unwrap_or_default();
        let line = Line::new(worker.log.clone(), (client.ip, client.is_tls), (method, Version::HTTP_11));
        Box::new(line.of(&text(&head.host), &text(&head.path)))
    })
}

/// Asks endpoints until one answers.
async fn ask<T>(
    worker: &Rc<Worker>,
    side: &mut Side<T>,
    (head, client): (&Head, &Client),
    backend: &Backend,
    exchange: &mut Exchange,
) -> Outcome
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let can_repeat = head.is_idempotent && head.body == 0;
    let (mut tried, mut kept, mut last) = (Vec::new(), 0, Failure::Nobody);
    let mut now = exchange.begin;
    while tried.len() < ENDPOINTS_MAX {
        let Some(endpoint) = backend.choose(&tried, || ms_at(now), client.ip).cloned() else { break };
        let address = endpoint.address;
        exchange.pod = Some(address);
        let busy = Busy::new(&endpoint);
        let known = if kept < KEPT_MAX { worker.pool.take_plain(&endpoint, now) } else { None };
        let was_kept = known.is_some();
        kept += usize::from(was_kept);
        let unreachable = match connection(worker, &endpoint, known).await {
            Ok(mut pod) => {
                let asked = Asked { is_head: head.is_head, is_last: head.is_last };
                if !was_kept {
                    now = Instant::now();
                }
                let mut relay = Relay::new(side, (&mut pod, busy), worker, (asked, head.body), now.into());
                let end = poll_fn(|cx| relay.poll(cx)).await;
                (exchange.status, exchange.bytes) = (relay.status, relay.bytes);
                drop(relay);
                match end {
                    End::Done { keeps, is_last } => {
                        let end = Instant::now();
                        exchange.end = Some(end);
                        if keeps {
                            worker.pool.keep_plain(&endpoint, pod, end);
                        }
                        return if is_last { Outcome::Last } else { Outcome::Next(end) };
                    }
                    End::Unsent(_) if was_kept => None,
                    End::Unsent(why) => Some(why),
                    End::Dropped(_) if was_kept && can_repeat => None,
                    End::Dropped(why) | End::Broken(why) => {
                        return Outcome::Refused(refusal(&backend.name, Failure::Broken(address, why)));
                    }
                    End::Late => return Outcome::Refused(refusal(&backend.name, Failure::Late(address))),
                    End::Stalled => {
                        let why = format!("the body stood still for {} s", worker.options.stall.as_secs());
                        return Outcome::Refused(refusal(&backend.name, Failure::Body(why)));
                    }
                    End::Cut(why) => {
                        tracing::debug!(%address, why, "an answer broke off");
                        return Outcome::Cut;
                    }
                    End::Gone => return Outcome::Cut,
                }
            }
            Err(why) => Some(why),
        };
        if let Some(why) = unreachable {
            endpoint.failed(now_ms());
            tried.push(address);
            last = Failure::Unreachable(address, why);
        }
        metrics().iter().for_each(|m| m.retries.inc());
        now = Instant::now();
    }
    exchange.pod = None;
    Outcome::Refused(refusal(&backend.name, last))
}

/// The connection that was kept, or a new one.
async fn connection(
    worker: &Worker,
    endpoint: &Endpoint,
    known: Option<tokio::net::TcpStream>,
) -> Result<tokio::net::TcpStream, String> {
    match known {
        Some(known) => Ok(known),
        None => dial(endpoint.address, worker.options.connect).await,
    }
}

/// Ends a connection so that the client can read what it was given last.
async fn close<T: AsyncRead + AsyncWrite + Unpin>(mut io: T) {
    let linger = async {
        if io.shutdown().await.is_err() {
            return;
        }
        let (mut bytes, mut left) = ([0; 4096], LINGER_BYTES_MAX);
        while let Ok(size @ 1..) = io.read(&mut bytes).await {
            left = left.saturating_sub(size);
            if left == 0 {
                return;
            }
        }
    };
    // A client that leaves its end open has had its time.
    let _ = timeout(LINGER, pin!(linger)).await;
}
