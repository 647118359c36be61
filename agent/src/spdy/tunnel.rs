//! A WebSocket whose binary messages carry SPDY's bytes → the two halves of a connection.

use std::io;

use bytes::Bytes;
use futures::{Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

/// What is read from a socket and what is written to it; `bytes_of` and `message_of` are its library's binary messages.
pub fn halves<S, M, E>(
    socket: S,
    bytes_of: fn(M) -> Option<Bytes>,
    message_of: fn(Bytes) -> M,
) -> (impl AsyncRead + Unpin + Send, impl AsyncWrite + Unpin + Send)
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Send,
    M: Send,
    E: std::error::Error + Send + Sync + 'static,
{
    let (sink, messages) = socket.split();
    let bytes = messages
        .filter_map(move |message| std::future::ready(message.map(bytes_of).map_err(io::Error::other).transpose()));
    let sink = sink
        .sink_map_err(io::Error::other)
        .with(move |bytes: Bytes| std::future::ready(Ok::<_, io::Error>(message_of(bytes))));
    (StreamReader::new(Box::pin(bytes)), SinkWriter::new(CopyToBytes::new(Box::pin(sink))))
}
