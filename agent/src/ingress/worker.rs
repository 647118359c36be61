//! A thread with its own sockets, connections and tasks: nothing of a request is shared between threads.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::ingress::metrics::metrics;
use crate::ingress::options::Options;
use crate::ingress::pool::Pool;
use crate::ingress::serve;
use crate::ingress::tls::Live;

/// The wait after the system could not give a connection.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// How often unused connections are looked through.
const SWEEP: Duration = Duration::from_secs(15);

/// What all tasks of a worker share.
pub struct Worker {
    /// Settings.
    pub options: Arc<Options>,
    /// Routes.
    pub live: Arc<Live>,
    /// Connections to pods.
    pub pool: Rc<Pool>,
    /// TLS.
    pub tls: TlsAcceptor,
    /// The node stops.
    pub stop: CancellationToken,
    /// Connections of clients, of all workers.
    open: Arc<AtomicUsize>,
    own: Cell<usize>,
}

/// What the workers are given.
#[derive(Clone)]
pub struct Common {
    /// Settings.
    pub options: Arc<Options>,
    /// Routes.
    pub live: Arc<Live>,
    /// TLS.
    pub tls: TlsAcceptor,
    /// Connections of clients.
    pub open: Arc<AtomicUsize>,
    /// The node stops.
    pub stop: CancellationToken,
}

/// A socket to listen on.
pub struct Listen {
    /// The socket.
    pub listener: std::net::TcpListener,
    /// TLS is spoken on it.
    pub is_tls: bool,
}

/// Starts tasks of hyper on this thread.
#[derive(Clone, Copy, Debug)]
pub struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local
where
    F::Output: 'static,
{
    fn execute(&self, task: F) {
        spawn_local(task);
    }
}

/// Starts a worker, which takes sockets until `stop`, and then ends its connections.
///
/// # Errors
/// The system gives no thread.
pub fn start(
    number: usize,
    common: Common,
    sockets: mpsc::UnboundedReceiver<Listen>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("ingress-{number}")).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "an Ingress worker can't start");
                return;
            }
        };
        LocalSet::new().block_on(&runtime, run(common, sockets));
    })
}

async fn run(common: Common, mut sockets: mpsc::UnboundedReceiver<Listen>) {
    let Common { options, live, tls, open, stop } = common;
    let pool = Rc::new(Pool::new(options.keep_alive, options.keep_alive_max));
    let worker = Rc::new(Worker { options, live, pool, tls, stop, open, own: Cell::new(0) });
    loop {
        tokio::select! {
            socket = sockets.recv() => match socket {
                Some(Listen { listener, is_tls }) => match TcpListener::from_std(listener) {
                    Ok(listener) => drop(spawn_local(accept(worker.clone(), listener, is_tls))),
                    Err(error) => tracing::error!(%error, "a socket can't be listened on"),
                },
                None => break,
            },
            () = sleep(SWEEP), if !worker.pool.is_empty() => worker.pool.sweep(Instant::now()),
            () = worker.stop.cancelled() => break,
        }
    }
    worker.stop.cancelled().await;
    let end = Instant::now() + worker.options.drain;
    // Each connection ends by itself, within the same bound.
    while worker.own.get() > 0 && Instant::now() < end {
        sleep(Duration::from_millis(5)).await;
    }
}

async fn accept(worker: Rc<Worker>, listener: TcpListener, is_tls: bool) {
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = worker.stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => take(&worker, stream, peer, is_tls),
            Err(error) => {
                tracing::warn!(%error, "the Ingress can't take a connection");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
    // Those that the kernel has taken for us already are served, too.
    while let Some(Ok((stream, peer))) = listener.accept().now_or_never() {
        take(&worker, stream, peer, is_tls);
    }
}

fn take(worker: &Rc<Worker>, stream: tokio::net::TcpStream, peer: std::net::SocketAddr, is_tls: bool) {
    let open = Open::new(worker);
    metrics().iter().for_each(|m| m.accepted.inc());
    if worker.open.load(Ordering::Relaxed) > worker.options.connections_max {
        tracing::warn!(max = worker.options.connections_max, "too many connections; one is closed");
        return;
    }
    let worker = worker.clone();
    spawn_local(async move {
        serve::connection(worker, stream, peer, is_tls).await;
        drop(open);
    });
}

/// A connection, counted as long as it lives.
struct Open(Rc<Worker>);

impl Open {
    fn new(worker: &Rc<Worker>) -> Self {
        worker.open.fetch_add(1, Ordering::Relaxed);
        worker.own.set(worker.own.get() + 1);
        metrics().iter().for_each(|m| m.connections.inc());
        Self(worker.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.own.set(self.0.own.get() - 1);
        metrics().iter().for_each(|m| m.connections.dec());
    }
}
