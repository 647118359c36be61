//! What all tasks of a thread share, its connections among it: nothing of a request is shared between threads.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::task::Waker;

use tokio::sync::{Notify, watch};
use tokio::task::spawn_local;
use tokio_util::sync::CancellationToken;

use crate::ingress::access::Log;
use crate::ingress::live::Live;
use crate::ingress::metrics::metrics;
use crate::ingress::options::Options;
use crate::ingress::pool::Pool;
use crate::ingress::table::Table;

/// Bytes of an answer that are held: its head, or a part of its body.
pub const ANSWER_BYTES: usize = 64 << 10;
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
    /// One of its own is closed.
    closed: Notify,
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
    /// One of this thread.
    pub fn new(common: Common) -> Self {
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
            closed: Notify::new(),
        }
    }

    /// Routes.
    pub fn table(&self) -> Arc<Table> {
        self.look_up(Arc::clone)
    }

    /// What is found in the routes as they are now.
    pub fn look_up<R>(&self, look: impl FnOnce(&Arc<Table>) -> R) -> R {
        let mut tables = self.tables.borrow_mut();
        if tables.newest.has_changed().unwrap_or(false) {
            let newest = tables.newest.borrow_and_update().clone();
            tables.known = newest;
        }
        look(&tables.known)
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

    /// Wakes all who sleep: the node stops.
    pub fn wake_all(&self) {
        self.stopping.set(true);
        self.sleepers.borrow().wakers.values().for_each(Waker::wake_by_ref);
    }

    /// Waits until no client has a connection with this worker.
    pub async fn all_closed(&self) {
        while self.own.get() > 0 {
            self.closed.notified().await;
        }
    }

    /// Whether clients have more connections, with all workers, than they may.
    pub fn is_overrun(&self) -> bool {
        self.open.load(Ordering::Relaxed) > self.options.connections_max
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

/// A connection, counted as long as it lives.
pub struct Open(Rc<Worker>);

impl Open {
    /// One more.
    pub fn new(worker: &Rc<Worker>) -> Self {
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
        self.0.closed.notify_one();
        metrics().iter().for_each(|m| m.connections.dec());
    }
}
