//! An answer that must be over at a time → the same answer, broken off when it is not.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::ingress::body::Body;
use crate::ingress::request::Error;

struct Within {
    inner: Body,
    end: Pin<Box<Sleep>>,
    within: Duration,
}

/// The same body until `end`, which is `within` after the request began.
pub fn until(inner: Body, end: Instant, within: Duration) -> Body {
    if inner.is_end_stream() {
        return inner;
    }
    Body::Any(Box::pin(Within { inner, end: Box::pin(tokio::time::sleep_until(end)), within }))
}

impl HttpBody for Within {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        match self.end.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(Error::Late(self.within)))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
