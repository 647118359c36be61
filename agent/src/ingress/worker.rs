//! A thread with its own sockets, connections and tasks: nothing of a request is shared between threads.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_local;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::ingress::access::Log;
use crate::ingress::direct::relay::ANSWER_BYTES;
use crate::ingress::live::Live;
use crate::ingress::metrics::metrics;
use crate::ingress::options::Options;
use crate::ingress::pool::Pool;
use crate::ingress::serve;
use crate::ingress::table::Table;

/// The wait after the system could not give a connection.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// How often unused connections are looked through.
const SWEEP: Duration = Duration::from_secs(15);
/// Free room for answers that a worker holds.
const BUFFERS_MAX: usize = 64;

/// What all tasks of a worker share.
pub struct Worker {
    /// Settings.
    pub options: Arc<Options>,
    /// Connections to pods.
    pub pool: Rc<Pool>,
    /// Where requests are logged.
    pub log: Log,
    /// The node stops.
    pub stop: CancellationToken,
    /// The node stops, and all who sleep have been woken.
    pub stopping: Cell<bool>,
    tables: RefCell<Tables>,
    buffers: RefCell<Vec<Vec<u8>>>,
    sleepers: Rc<RefCell<Sleepers>>,
    /// Connections of clients, of all workers.
    open: Arc<AtomicUsize>,
    own: Cell<usize>,
}

/// The table as this worker knows it: others' threads are asked only whether there is a newer one.
struct Tables {
    newest: watch::Receiver<Arc<Table>>,
    known: Arc<Table>,
}

/// Tasks that are woken when the node stops.
#[derive(Default)]
struct Sleepers {
    number: u64,
    wakers: HashMap<u64, Waker>,
}

/// One of them, as long as it lives.
pub struct Sleeper {
    all: Rc<RefCell<Sleepers>>,
    number: u64,
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.all.borrow_mut().wakers.remove(&self.number);
    }
}

impl Worker {
    fn new(common: Common) -> Self {
        let Common { options, live, open, log, stop } = common;
        let mut newest = live.follow();
        let known = newest.borrow_and_update().clone();
        Self {
            pool: Rc::new(Pool::new(options.keep_alive, options.keep_alive_max)),
            log: Log::new(&options.access_log, log),
            options,
            stop,
            stopping: Cell::new(false),
            tables: RefCell::new(Tables { newest, known }),
            buffers: RefCell::default(),
            sleepers: Rc::default(),
            open,
            own: Cell::new(0),
        }
    }

    /// Routes.
    pub fn table(&self) -> Arc<Table> {
        let mut tables = self.tables.borrow_mut();
        if tables.newest.has_changed().unwrap_or(false) {
            let newest = tables.newest.borrow_and_update().clone();
            tables.known = newest;
        }
        tables.known.clone()
    }

    /// Room for an answer.
    pub fn buffer(&self) -> Vec<u8> {
        self.buffers.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(ANSWER_BYTES))
    }

    /// Takes room back.
    pub fn give_buffer(&self, mut buffer: Vec<u8>) {
        let mut all = self.buffers.borrow_mut();
        if buffer.capacity() >= ANSWER_BYTES && buffer.capacity() < 2 * ANSWER_BYTES && all.len() < BUFFERS_MAX {
            buffer.clear();
            all.push(buffer);
        }
    }

    /// Has a task woken when the node stops.
    pub fn sleeper(&self, waker: &Waker) -> Sleeper {
        let mut all = self.sleepers.borrow_mut();
        all.number += 1;
        let number = all.number;
        all.wakers.insert(number, waker.clone());
        Sleeper { all: self.sleepers.clone(), number }
    }

    fn wake_all(&self) {
        self.stopping.set(true);
        self.sleepers.borrow().wakers.values().for_each(Waker::wake_by_ref);
    }
}

/// What the workers are given.
#[derive(Clone)]
pub struct Common {
    /// Settings.
    pub options: Arc<Options>,
    /// Routes.
    pub live: Arc<Live>,
    /// Connections of clients.
    pub open: Arc<AtomicUsize>,
    /// Who writes the log, where it is a file.
    pub log: Option<SyncSender<Vec<u8>>>,
    /// The node stops.
    pub stop: CancellationToken,
}

/// A socket to listen on.
pub struct Listen {
    /// The socket.
    pub listener: std::net::TcpListener,
    /// TLS, when it is spoken on it.
    pub tls: Option<TlsAcceptor>,
    /// It is closed.
    pub stop: CancellationToken,
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

async fn run(common: Common, mut sockets: mpsc::UnboundedReceiver<Listen>) {
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
    let end = Instant::now() + worker.options.drain;
    // Each connection ends by itself, within the same bound.
    while worker.own.get() > 0 && Instant::now() < end {
        sleep(Duration::from_millis(5)).await;
    }
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
    if worker.open.load(Ordering::Relaxed) > worker.options.connections_max {
        tracing::warn!(max = worker.options.connections_max, "too many connections; one is closed");
        return;
    }
    let (worker, tls) = (worker.clone(), tls.clone());
    spawn_local(async move {
        serve::connection(worker, stream, peer, tls).await;
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
