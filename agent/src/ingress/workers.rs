//! Sockets → their clients' connections, each served to its end by the thread whose socket took it.

use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::ingress::metrics::metrics;
use crate::ingress::serve;
use crate::ingress::worker::{Common, Open, Worker};

/// The wait after the system could not give a connection.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// How often unused connections are looked through.
const SWEEP: Duration = Duration::from_secs(15);

/// Sockets that wait for a worker to take them; who opens more waits.
pub const SOCKETS_MAX: usize = 64;

/// A socket to listen on.
pub struct Listen {
    /// The socket.
    pub listener: std::net::TcpListener,
    /// TLS, when it is spoken on it.
    pub tls: Option<TlsAcceptor>,
    /// It is closed.
    pub stop: CancellationToken,
}

/// Starts a worker, which takes sockets until `stop`, and then ends its connections.
///
/// # Errors
/// The system gives no thread.
pub fn start(number: usize, common: Common, sockets: mpsc::Receiver<Listen>) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("ingress-{number}")).spawn(move || {
        let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "an Ingress worker can't start");
                return;
            }
        };
        runtime.block_on(run(common, sockets));
    })
}

async fn run(common: Common, mut sockets: mpsc::Receiver<Listen>) {
    let mut tables = common.live.follow();
    let worker = Rc::new(Worker::new(common));
    spawn_local(worker.log.clone().flush());
    loop {
        tokio::select! {
            socket = sockets.recv() => match socket {
                Some(Listen { listener, tls, stop }) => match TcpListener::from_std(listener) {
                    Ok(listener) => drop(spawn_local(accept(worker.clone(), listener, tls, stop))),
                    Err(error) => tracing::error!(%error, "a socket can't be listened on"),
                },
                None => break,
            },
            Ok(()) = tables.changed() => worker.pool.leave(),
            () = sleep(SWEEP), if !worker.pool.is_empty() => worker.pool.sweep(Instant::now()),
            () = worker.stop.cancelled() => break,
        }
    }
    worker.stop.cancelled().await;
    worker.wake_all();
    // Each connection ends by itself, within the same bound.
    let _ = timeout(worker.options.drain, worker.all_closed()).await;
}

async fn accept(worker: Rc<Worker>, listener: TcpListener, tls: Option<TlsAcceptor>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => take(&worker, stream, peer, &tls),
            Err(error) => {
                tracing::warn!(%error, "the Ingress can't take a connection");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
    // Those that the kernel has taken for us already are served, too.
    while let Some(Ok((stream, peer))) = listener.accept().now_or_never() {
        take(&worker, stream, peer, &tls);
    }
}

fn take(worker: &Rc<Worker>, stream: tokio::net::TcpStream, peer: std::net::SocketAddr, tls: &Option<TlsAcceptor>) {
    let open = Open::new(worker);
    metrics().iter().for_each(|m| m.accepted.inc());
    if worker.is_overrun() {
        tracing::warn!(max = worker.options.connections_max, "too many connections; one is closed");
        return;
    }
    let (worker, tls) = (worker.clone(), tls.clone());
    spawn_local(async move {
        serve::connection(worker, stream, peer, tls).await;
        drop(open);
    });
}
