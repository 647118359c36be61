//! A request's body as it passes → the same bytes for those who get copies; one that is too slow loses its copy.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc;

use crate::ingress::request::{Error, Request};

/// Parts of a body that wait for a slow copy.
const PARTS_MAX: usize = 64;

/// What one who gets a copy reads: a part, or that no more comes although it is not the end.
type Part = Option<Bytes>;

/// A body that is copied as it passes.
struct Tee {
    inner: Request,
    copies: Vec<mpsc::Sender<Part>>,
}

/// A copy.
struct Copy {
    parts: mpsc::Receiver<Part>,
    is_over: bool,
    is_broken: bool,
}

impl Tee {
    fn tell(&mut self, part: &Part) {
        // Who can't take it now would hold up the client: the copy is cut off.
        self.copies.retain(|copy| copy.try_send(part.clone()).is_ok());
    }
}

/// A body that is read once, and `count` copies of it. A body that is none has copies that are none.
pub fn tee(body: Request, count: usize) -> (TeeBody, Vec<TeeBody>) {
    if body.is_end_stream() || count == 0 {
        return (TeeBody::Plain(body), (0..count).map(|_| TeeBody::Plain(Request::None)).collect());
    }
    let (mut copies, mut bodies) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (give, parts) = mpsc::channel(PARTS_MAX);
        copies.push(give);
        let copy = Copy { parts, is_over: false, is_broken: false };
        bodies.push(TeeBody::Made(Box::pin(copy)));
    }
    (TeeBody::Made(Box::pin(Tee { inner: body, copies })), bodies)
}

/// A body as it was, or one that was made here.
pub enum TeeBody {
    /// As it was.
    Plain(Request),
    /// Made here.
    Made(Pin<Box<dyn HttpBody<Data = Bytes, Error = Error>>>),
}

impl HttpBody for Tee {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    let part = Some(data.clone());
                    self.tell(&part);
                }
                if self.inner.is_end_stream() {
                    self.copies.clear();
                }
            }
            Poll::Ready(Some(Err(_))) => {
                self.tell(&None);
                self.copies.clear();
            }
            Poll::Ready(None) => self.copies.clear(),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        // The client went away in the middle of it: what was copied so far is no request.
        self.tell(&None);
    }
}

impl HttpBody for Copy {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        match self.parts.poll_recv(cx) {
            Poll::Ready(Some(Some(data))) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Poll::Ready(Some(None)) => {
                (self.is_over, self.is_broken) = (true, true);
                Poll::Ready(Some(Err(Error::Broken)))
            }
            Poll::Ready(None) => {
                self.is_over = true;
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over && !self.is_broken
    }
}
