//! The server's side of a SPDY connection: a session, or connections to ports.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::runtime::contract::Runtime;
use crate::runtime::cri::channel::{self, ERROR, STDERR, STDOUT};
use crate::runtime::cri::offer::{self, Stream as Offer};
use crate::runtime::cri::tell::{Client, Output as Told, tell};
use crate::runtime::cri::wanted::Wanted;
use crate::runtime::error::Result;
use crate::runtime::streams::{BoxWrite, Session, TerminalSize};
use crate::spdy::ports;
use crate::spdy::serve::{Connection, Output, Stream, serve};

/// How long a client may take to open its streams (Kubernetes' `DefaultStreamCreationTimeout`).
const OPENED_WITHIN: Duration = Duration::from_secs(30);
/// How long the last words may take to be sent.
const GOODBYE: Duration = Duration::from_secs(30);

/// Serves what the URL led to.
pub async fn run<R, W>(from: R, to: W, offer: Offer, runtime: Arc<dyn Runtime>)
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let (connection, wire) = serve(from, to);
    let work = async {
        match offer {
            Offer::Port { sandbox_id, .. } => {
                let connect = |port| {
                    let (runtime, sandbox_id) = (Arc::clone(&runtime), sandbox_id.clone());
                    async move { runtime.port_forward(&sandbox_id, port).await.map_err(|e| e.to_string()) }
                };
                ports::forward(connection, connect).await;
            }
            Offer::Exec(request) => {
                let wanted = offer::of_exec(&request);
                session(connection, wanted, runtime.exec(request)).await;
            }
            Offer::Attach { request, tty } => {
                let wanted = offer::of_attach(&request, tty);
                session(connection, wanted, runtime.attach(request)).await;
            }
        }
    };
    tokio::pin!(wire);
    tokio::select! {
        () = &mut wire => return,
        () = work => {}
    }
    let _ = tokio::time::timeout(GOODBYE, wire).await;
}

/// The streams of a session, by what they are for.
#[derive(Default)]
struct Streams(HashMap<String, Stream>);

impl Streams {
    fn output(&self, kind: &str) -> Option<Output> {
        self.0.get(kind).map(|stream| stream.output.clone())
    }

    fn input(&mut self, kind: &str) -> Option<mpsc::Receiver<bytes::Bytes>> {
        self.0.get_mut(kind).map(|stream| std::mem::replace(&mut stream.input, mpsc::channel(1).1))
    }
}

/// Waits until the client has opened what belongs to a session; none when it goes before.
async fn gather(connection: &mut Connection, wanted: Wanted) -> Option<Streams> {
    let kinds =
        [true, wanted.stdin, wanted.stdout, wanted.stderr && !wanted.tty, wanted.tty].iter().filter(|is| **is).count();
    let mut streams = Streams::default();
    while streams.0.len() < kinds {
        let stream = connection.next().await?;
        let kind = stream.headers.get("streamtype").cloned().unwrap_or_default();
        streams.0.insert(kind, stream);
    }
    Some(streams)
}

/// The client's end of a session.
struct ToClient {
    stdout: Option<Output>,
    stderr: Option<Output>,
    error: Option<Output>,
}

impl Client for ToClient {
    async fn send(&mut self, channel: u8, bytes: &[u8]) -> bool {
        let to = match channel {
            STDOUT => &self.stdout,
            STDERR => &self.stderr,
            _ => &self.error,
        };
        match to {
            Some(to) => to.data(bytes).await,
            // Nobody asked for it.
            None => true,
        }
    }
}

async fn session(mut connection: Connection, wanted: Wanted, begin: impl Future<Output = Result<Session>>) {
    let gathered = tokio::time::timeout(OPENED_WITHIN, gather(&mut connection, wanted)).await;
    let Ok(Some(mut streams)) = gathered else { return connection.goodbye().await };
    let (stdout, stderr) = (streams.output("stdout"), streams.output("stderr"));
    let mut client = ToClient { stdout, stderr, error: streams.output("error") };
    match begin.await {
        Ok(Session { stdin, stdout, stderr, resize, exit }) => {
            let (typed, sizes) = (streams.input("stdin"), streams.input("resize"));
            tokio::select! {
                () = hear(typed, stdin, sizes, resize) => {}
                () = tell(&mut client, Told { stdout, stderr, exit }) => {}
            }
        }
        Err(e) => {
            client.send(ERROR, &channel::status(&Err(e.to_string()))).await;
        }
    }
    for stream in streams.0.values() {
        stream.output.finish().await;
    }
    connection.goodbye().await;
}

/// Passes on what is typed and how large the terminal is; does not end.
async fn hear(
    typed: Option<mpsc::Receiver<bytes::Bytes>>,
    stdin: Option<BoxWrite>,
    sizes: Option<mpsc::Receiver<bytes::Bytes>>,
    resize: Option<mpsc::Sender<TerminalSize>>,
) {
    let type_in = async {
        let (Some(mut typed), Some(mut stdin)) = (typed, stdin) else { return };
        while let Some(bytes) = typed.recv().await {
            if stdin.write_all(&bytes).await.is_err() || stdin.flush().await.is_err() {
                return;
            }
        }
        let _ = stdin.shutdown().await;
    };
    let size = async {
        let (Some(mut sizes), Some(resize)) = (sizes, resize) else { return };
        while let Some(bytes) = sizes.recv().await {
            // Several may come together, and only the last one matters.
            let last = bytes.split(|byte| *byte == b'\n').filter_map(channel::parse_resize).next_back();
            last.map(|size| resize.try_send(size));
        }
    };
    tokio::join!(type_in, size);
    std::future::pending().await
}
