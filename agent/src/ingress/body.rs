//! The body of an answer on its way to a client: our own words, a pod's, one of another make.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use crate::ingress::exchange::Exchange;
use crate::ingress::pool::Lease;
use crate::ingress::request::{Error, next_part};
use crate::ingress::stall::Stall;

/// A body of an answer.
pub enum Body {
    /// Our own words.
    Text(Option<Bytes>),
    /// A pod's.
    Pod(Box<Pod>),
    /// One of another make.
    Any(Pin<Box<dyn HttpBody<Data = Bytes, Error = Error>>>),
}

/// A pod's answer as it passes, with what ends when it does.
pub struct Pod {
    incoming: Incoming,
    stall: Stall,
    lease: Option<Lease>,
    exchange: Option<Exchange>,
}

impl Body {
    /// Our own words.
    pub fn text(bytes: Bytes) -> Self {
        Self::Text(Some(bytes))
    }

    /// A pod's answer. Its connection is free for the next request at its end.
    pub fn pod(incoming: Incoming, lease: Option<Lease>, mut exchange: Exchange, stall: Duration) -> Self {
        exchange.give();
        let mut pod = Pod { incoming, stall: Stall::new(stall), lease, exchange: Some(exchange) };
        if pod.incoming.is_end_stream() {
            pod.end();
        }
        Self::Pod(Box::new(pod))
    }
}

impl Pod {
    fn end(&mut self) {
        self.lease.take().into_iter().for_each(Lease::give_back);
        self.exchange.take().into_iter().for_each(Exchange::end);
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::Text(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pod(pod) => {
                let polled = next_part(&mut pod.incoming, &mut pod.stall, cx);
                match &polled {
                    Poll::Ready(None) => pod.end(),
                    Poll::Ready(Some(Ok(frame))) => {
                        if let Some(exchange) = &mut pod.exchange {
                            exchange.moved(frame.data_ref().map_or(0, |data| data.len() as u64));
                        }
                        // The last frame is often known to be it; nobody may ask for another.
                        if pod.incoming.is_end_stream() {
                            pod.end();
                        }
                    }
                    _ => {}
                }
                polled
            }
            Self::Any(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(bytes) => bytes.is_none(),
            Self::Pod(pod) => pod.incoming.is_end_stream(),
            Self::Any(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pod(pod) => pod.incoming.size_hint(),
            Self::Any(body) => body.size_hint(),
        }
    }
}
