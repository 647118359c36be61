//! The body of a request on its way to a pod: none, a client's, one of another make; and what ends a body early.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use crate::ingress::stall::{Stall, Stalled};

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The other side's connection.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// Nothing came for too long.
    #[error("the body stood still for {0} s")]
    Stalled(u64),
    /// It was not over when it had to be.
    #[error("the answer was not over within {0:?}")]
    Late(Duration),
    /// It is a copy of one that broke off.
    #[error("the body broke off")]
    Broken,
}

/// When a request's body had gone out.
#[derive(Clone, Debug, Default)]
pub struct Sent(Rc<Cell<Option<std::time::Instant>>>);

impl Sent {
    /// When; nothing while it is on its way.
    pub fn since(&self) -> Option<std::time::Instant> {
        self.0.get()
    }

    fn now(&self) {
        self.0.set(Some(std::time::Instant::now()));
    }
}

/// A body of a request.
pub enum Request {
    /// None, as of most requests; it can be sent again.
    None,
    /// A client's.
    Client(Incoming, Stall, Sent),
    /// One of another make.
    Any(Pin<Box<dyn HttpBody<Data = Bytes, Error = Error>>>, Sent),
}

impl Request {
    /// A client's body, or none.
    pub fn new(incoming: Incoming, stall: Duration, sent: Sent) -> Self {
        if incoming.is_end_stream() {
            sent.now();
            return Self::None;
        }
        Self::Client(incoming, Stall::new(stall), sent)
    }
}

impl HttpBody for Request {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::None => Poll::Ready(None),
            Self::Client(incoming, stall, sent) => {
                let polled = next_part(incoming, stall, cx);
                if matches!(polled, Poll::Ready(None)) || incoming.is_end_stream() {
                    sent.now();
                }
                polled
            }
            Self::Any(body, sent) => {
                let polled = body.as_mut().poll_frame(cx);
                if matches!(polled, Poll::Ready(None)) || body.is_end_stream() {
                    sent.now();
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::None => true,
            Self::Client(incoming, ..) => incoming.is_end_stream(),
            Self::Any(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::None => SizeHint::with_exact(0),
            Self::Client(incoming, ..) => incoming.size_hint(),
            Self::Any(body, _) => body.size_hint(),
        }
    }
}

/// The next part of a body.
///
/// # Errors
/// It broke off, or stands still.
pub fn next_part(
    body: &mut Incoming,
    stall: &mut Stall,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
    let frame = Pin::new(body).poll_frame(cx);
    stall.watch(frame, cx).map(|step| match step {
        Ok(frame) => frame.map(|frame| frame.map_err(Error::Http)),
        Err(Stalled(seconds)) => Some(Err(Error::Stalled(seconds))),
    })
}
