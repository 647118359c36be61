//! Connections → answers in the order they are known, many questions on one connection, within bounds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};
use tokio_util::sync::CancellationToken;

use crate::dns::serve::{Server, Transport};

/// Connections at a time.
const CONNECTIONS_MAX: usize = 256;
/// Questions of one connection that wait for other servers.
const OPEN_MAX: usize = 64;
/// How long a connection may be silent, or a question take to arrive.
const IDLE: Duration = Duration::from_secs(10);
/// How long an answer may take to be read.
const WRITE: Duration = Duration::from_secs(5);
/// The wait after the system could not give a connection.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Serves connections until `stop`.
pub async fn tcp(server: Arc<Server>, listener: TcpListener, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the name server can't take a connection");
                sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        // One too many is closed at once: the client asks again.
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let (server, stop) = (server.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = connection(&server, stream) => {}
                () = stop.cancelled() => {}
            }
            drop(place);
        });
    }
}

async fn connection(server: &Server, stream: TcpStream) {
    // Without it, small answers wait for each other; if it can't be had, they do.
    let _ = stream.set_nodelay(true);
    let (read, mut write) = stream.into_split();
    let codec =
        LengthDelimitedCodec::builder().length_field_length(2).max_frame_length(usize::from(u16::MAX)).new_codec();
    let mut frames = FramedRead::new(read, codec);
    let mut open = FuturesUnordered::new();
    let mut ended = false;
    while !ended || !open.is_empty() {
        let mut answer = Vec::new();
        tokio::select! {
            frame = frames.next(), if !ended && open.len() < OPEN_MAX => match frame {
                Some(Ok(packet)) => match server.handle(&packet, Transport::Tcp, &mut answer) {
                    Some(pending) => open.push(server.finish(*pending)),
                    // What can't be read is not worth the connection.
                    None if answer.is_empty() => return,
                    None => {}
                },
                Some(Err(_)) | None => ended = true,
            },
            Some(done) = open.next() => answer = done,
            () = sleep(IDLE), if open.is_empty() => return,
        }
        if answer.is_empty() {
            continue;
        }
        let Ok(size) = u16::try_from(answer.len()) else { return };
        let framed = Bytes::from([&size.to_be_bytes()[..], &answer].concat());
        if !matches!(timeout(WRITE, write.write_all(&framed)).await, Ok(Ok(()))) {
            return;
        }
    }
}
