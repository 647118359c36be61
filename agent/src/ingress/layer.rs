//! A connection and what looks at its bytes as they come → a connection of which only the reading differs.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How bytes are read.
pub trait Reading<T> {
    /// Reads from `io`, or from what is held of it.
    ///
    /// # Errors
    /// The connection's, or that it may not go on.
    fn poll_read(&mut self, io: &mut T, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>>;
}

/// The connection.
pub struct Layer<T, R> {
    io: T,
    reading: R,
}

impl<T, R: Reading<T>> Layer<T, R> {
    /// Reads in this manner, and writes as before.
    pub fn new(io: T, reading: R) -> Self {
        Self { io, reading }
    }
}

impl<T: Unpin, R: Reading<T> + Unpin> AsyncRead for Layer<T, R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.reading.poll_read(&mut this.io, cx, buf)
    }
}

impl<T: AsyncWrite + Unpin, R: Unpin> AsyncWrite for Layer<T, R> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
