//! Streams of `portforward.k8s.io` → connections to ports, of each of which one stream carries the data and one the error.

use std::collections::HashMap;
use std::io;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::spdy::serve::{Connection, Stream};

/// Connections of which one of the two streams has come.
const HALVES_MAX: usize = 256;
/// Bytes that are passed on at a time.
const CHUNK: usize = 32 << 10;

/// Passes bytes between the other side and the ports that it asks for, until it has gone.
///
/// `connect` leads to a port; its error is for the user.
pub async fn forward<F, D>(mut connection: Connection, connect: impl Fn(u16) -> F)
where
    F: Future<Output = Result<D, String>>,
    D: AsyncRead + AsyncWrite,
{
    let mut halves: HashMap<String, Stream> = HashMap::new();
    let mut pairs = FuturesUnordered::new();
    loop {
        let stream = tokio::select! {
            stream = connection.next() => stream,
            Some(()) = pairs.next() => continue,
        };
        let Some(stream) = stream else { return };
        let key = request_id(&stream);
        match halves.remove(&key) {
            Some(other) if is_data(&other) != is_data(&stream) => {
                let (data, error) = if is_data(&stream) { (stream, other) } else { (other, stream) };
                pairs.push(pair(data, error, &connect));
            }
            // Too many that are never whole: the newest is refused by silence, as those before it.
            _ if halves.len() >= HALVES_MAX => {}
            _ => drop(halves.insert(key, stream)),
        }
    }
}

fn is_data(stream: &Stream) -> bool {
    stream.headers.get("streamtype").is_some_and(|kind| kind == "data")
}

/// What the two streams of a connection have in common. Clients without it open the error's stream right before the data's.
fn request_id(stream: &Stream) -> String {
    let first = if is_data(stream) { stream.id.saturating_sub(2) } else { stream.id };
    stream.headers.get("requestid").cloned().unwrap_or_else(|| first.to_string())
}

async fn pair<F, D>(mut data: Stream, error: Stream, connect: &impl Fn(u16) -> F)
where
    F: Future<Output = Result<D, String>>,
    D: AsyncRead + AsyncWrite,
{
    let port = data.headers.get("port").map(String::as_str).unwrap_or_default();
    let connected = match port.parse() {
        Ok(port @ 1..) => connect(port).await,
        _ => Err(format!("{port:?} is no port")),
    };
    let passed = match connected {
        Ok(duplex) => pass(&mut data, duplex).await.map_err(|error| error.to_string()),
        Err(why) => Err(why),
    };
    if let Err(why) = passed {
        error.output.data(why.as_bytes()).await;
    }
    data.output.finish().await;
    error.output.finish().await;
}

/// Moves the bytes of one connection, until the port's side ends it; or it fails, as one does that leads elsewhere.
async fn pass(stream: &mut Stream, duplex: impl AsyncRead + AsyncWrite) -> io::Result<()> {
    let (mut from, mut to) = tokio::io::split(duplex);
    let Stream { input, output, .. } = stream;
    let send = async {
        while let Some(bytes) = input.recv().await {
            if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
                break;
            }
        }
        // Who is gone needs no end; who has said everything still listens.
        let _ = to.shutdown().await;
        std::future::pending().await
    };
    let receive = async {
        let mut buffer = vec![0; CHUNK];
        loop {
            let n = from.read(&mut buffer).await?;
            if n == 0 || !output.data(&buffer[..n]).await {
                return Ok(());
            }
        }
    };
    tokio::select! {
        never = send => never,
        passed = receive => passed,
    }
}
