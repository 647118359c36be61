//! What a client sends → the same, but doubtful HTTP/1 requests, which are refused before hyper reads them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::ingress::layer::Reading;
use crate::ingress::metrics::metrics;
use crate::ingress::scan::Scanner;
use crate::ingress::shared::Shared;
use crate::ingress::words;

/// What a refused client may still send, so that it reads the refusal instead of a reset.
const LINGER_BYTES_MAX: usize = 1 << 20;
/// How long it may do so.
const LINGER: Duration = Duration::from_secs(2);

/// Reads along on a connection, and takes it over to refuse.
pub struct Guard {
    scanner: Scanner,
    shared: Arc<Shared>,
    refusal: Option<Refusal>,
}

struct Refusal {
    bytes: Vec<u8>,
    written: usize,
    is_shut: bool,
    lingered: usize,
    end: Option<Pin<Box<Sleep>>>,
    is_in_body: bool,
    why: &'static str,
}

impl Guard {
    /// Reads along on a connection.
    pub fn new(head_bytes_max: usize, shared: Arc<Shared>) -> Self {
        Self { scanner: Scanner::new(head_bytes_max), shared, refusal: None }
    }

    /// Writes the refusal, and reads what still comes, to its end.
    fn poll_refusal<T>(&mut self, io: &mut T, cx: &mut Context<'_>) -> Poll<io::Error>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let Some(refusal) = &mut self.refusal else { return Poll::Ready(io::ErrorKind::InvalidData.into()) };
        let error = io::Error::new(io::ErrorKind::InvalidData, refusal.why);
        if refusal.is_in_body {
            return Poll::Ready(error);
        }
        // Answers to what came before go out first; hyper reads again after each, which is what wakes this up.
        if self.shared.is_answering() {
            return Poll::Pending;
        }
        let end = refusal.end.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + LINGER)));
        if end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(error);
        }
        while refusal.written < refusal.bytes.len() {
            match ready!(Pin::new(&mut *io).poll_write(cx, &refusal.bytes[refusal.written..])) {
                Ok(size) if size > 0 => refusal.written += size,
                _ => return Poll::Ready(error),
            }
        }
        if !refusal.is_shut {
            // The client's own end is what counts from here on.
            let _ = ready!(Pin::new(&mut *io).poll_shutdown(cx));
            refusal.is_shut = true;
        }
        let mut bytes = [0; 4096];
        while refusal.lingered < LINGER_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut *io).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => refusal.lingered += buffer.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(error)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Reading<T> for Guard {
    fn poll_read(&mut self, io: &mut T, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.refusal.is_none() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut *io).poll_read(cx, buf))?;
            if self.shared.is_upgraded() {
                return Poll::Ready(Ok(()));
            }
            let Err((good, fault)) = self.scanner.scan(&buf.filled()[before..]) else { return Poll::Ready(Ok(())) };
            metrics().iter().for_each(|m| m.malformed.inc());
            // Only before the first request it is sure that no other answer is on its way through hyper's buffers.
            let is_first = self.scanner.heads == 0;
            let bytes = if is_first { words::raw(fault.status, fault.why, false) } else { Vec::new() };
            self.refusal = Some(Refusal {
                bytes,
                written: 0,
                is_shut: false,
                lingered: 0,
                end: None,
                is_in_body: self.scanner.is_in_body(),
                why: fault.why,
            });
            // What came before is good, and hyper's; the rest is nobody's.
            buf.set_filled(before + good);
            if good > 0 {
                return Poll::Ready(Ok(()));
            }
        }
        let error = ready!(self.poll_refusal(io, cx));
        Poll::Ready(Err(error))
    }
}
