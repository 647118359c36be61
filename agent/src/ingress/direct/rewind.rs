//! Bytes that were read too far → the same, read again before what still comes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use crate::ingress::layer::Reading;

/// What has been read already.
pub struct Rewind {
    first: Vec<u8>,
    at: usize,
}

impl Rewind {
    /// Puts `first` before what still comes.
    pub fn new(first: Vec<u8>) -> Self {
        Self { first, at: 0 }
    }
}

impl<T: AsyncRead + Unpin> Reading<T> for Rewind {
    fn poll_read(&mut self, io: &mut T, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.at < self.first.len() {
            let size = buf.remaining().min(self.first.len() - self.at);
            buf.put_slice(&self.first[self.at..self.at + size]);
            self.at += size;
            if self.at == self.first.len() {
                (self.first, self.at) = (Vec::new(), 0);
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(io).poll_read(cx, buf)
    }
}
