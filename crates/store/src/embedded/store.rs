//! The embedded store: opens a directory, hands commands to its one writer, reads from memory.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt, ready};
use tokio::sync::mpsc::{self, Sender, WeakSender};
use tokio::sync::oneshot;

use crate::clock::{Clock, SystemClock};
use crate::embedded::committer::{Committer, Job};
use crate::embedded::disk::{Disk, SystemDisk};
use crate::embedded::error::Error as OpenError;
use crate::embedded::layout;
use crate::embedded::recover::{Recovered, recover};
use crate::kv::{
    Error, Kv, Lease, LeaseId, Limits, Range, RangeResult, Result, Revision, Txn, TxnResult, WatchRequest, WatchStream,
};
use crate::mvcc::command::{Command, Reply};
use crate::mvcc::engine::Engine;
use crate::mvcc::housekeeping::{self, Expire};
use crate::mvcc::keyspace::Retention;

/// How often a lock that somebody holds is tried again: the kernel tells nobody when it is given back.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// What it takes at most.
    pub limits: Limits,
    /// How much history it keeps.
    pub retention: Retention,
    /// Bytes of log after which a snapshot replaces it. The directory holds at most about two
    /// snapshots and three times the greater of this and a snapshot.
    pub log_bytes_max: u64,
    /// Commands that wait for the writer before a caller waits for a place.
    pub queue_max: usize,
    /// How long another holder of the directory may take to go.
    pub patience: Duration,
    /// What the leases live by.
    pub clock: Arc<dyn Clock>,
    /// What makes bytes durable.
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits { txn_ops_max: 1024, request_bytes_max: 8 << 20, ..Limits::ETCD },
            retention: Retention::default(),
            log_bytes_max: 32 << 20,
            queue_max: 4096,
            patience: Duration::from_secs(2),
            clock: Arc::new(SystemClock::new()),
            disk: Arc::new(SystemDisk),
        }
    }
}

/// A store in a directory, which it locks. Dropping it waits for what is being written.
pub struct Embedded {
    engine: Arc<Engine>,
    queue: Option<Sender<Job>>,
    committer: Option<JoinHandle<()>>,
    lock: File,
}

impl Embedded {
    /// Opens the store in `dir`, or begins one. To be called within tokio.
    ///
    /// Leases live for their whole time again: nobody could renew one while the store was closed.
    ///
    /// # Errors
    /// `Locked`, `Corrupt`, `NewerFormat`, `Io`.
    pub async fn open(dir: impl Into<PathBuf>, options: Options) -> Result<Self, OpenError> {
        let dir = dir.into();
        let path = dir.clone();
        let opened = tokio::task::spawn_blocking(move || Self::start(dir, options)).await;
        let (store, weak) =
            opened.map_err(|source| OpenError::Io { what: "open", path, source: std::io::Error::other(source) })??;
        let engine = Arc::downgrade(&store.engine);
        tokio::spawn(housekeeping::run(engine, expire(weak)));
        Ok(store)
    }

    fn start(dir: PathBuf, options: Options) -> Result<(Self, WeakSender<Job>), OpenError> {
        layout::make_dir(&dir).map_err(OpenError::io("create", &dir))?;
        let Options { limits, retention, log_bytes_max, queue_max, patience, clock, disk } = options;
        let lock = lock(&dir, patience)?;
        let Recovered { mut space, log, snapshot_bytes } = recover(&dir, Arc::clone(&disk), limits, retention)?;
        space.leases.renew_all(clock.now_ms());
        let engine = Arc::new(Engine::new(space, limits, clock));
        let (queue, jobs) = mpsc::channel(queue_max.max(1));
        let committer = Committer {
            engine: Arc::clone(&engine),
            log,
            dir: dir.clone(),
            disk,
            log_bytes_max,
            snapshot_bytes,
            failing: false,
        };
        let thread = Builder::new().name("store-commit".into());
        let committer =
            thread.spawn(move || committer.run(jobs)).map_err(OpenError::io("start the writer of", &dir))?;
        let weak = queue.downgrade();
        let store = Self { engine, queue: Some(queue), committer: Some(committer), lock };
        Ok((store, weak))
    }

    async fn execute(&self, command: Command) -> Result<Reply> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(Error::Closed)?;
        queue.send(Job { command, reply }).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

/// Locks a store's directory; a holder that is just going, such as one that was killed, is waited for.
fn lock(dir: &Path, patience: Duration) -> Result<File, OpenError> {
    let path = dir.join(layout::LOCK);
    let file = layout::open(&path).map_err(OpenError::io("open", &path))?;
    let until = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOOK_AGAIN),
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked(dir.to_owned())),
            Err(TryLockError::Error(source)) => return Err(OpenError::io("lock", &path)(source)),
        }
    }
}

fn expire(queue: WeakSender<Job>) -> Expire {
    Box::new(move || {
        let (reply, answer) = oneshot::channel();
        // Not awaited, nor is the sender kept: who drops the store waits for the last sender. If
        // the queue is full, the housekeeping tries again.
        drop(queue.upgrade()?.try_send(Job { command: Command::Expire, reply }));
        Some(answer.map(drop).boxed())
    })
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(committer) = self.committer.take() {
            drop(committer.join());
        }
        // Said aloud: a child that this process is just forking keeps the file open for a moment,
        // and with it the lock.
        drop(self.lock.unlock());
    }
}

impl Kv for Embedded {
    fn range(&self, range: Range) -> BoxFuture<'_, Result<RangeResult>> {
        ready(self.engine.range(&range)).boxed()
    }

    fn txn(&self, txn: Txn) -> BoxFuture<'_, Result<TxnResult>> {
        async move { self.execute(Command::Txn(txn)).await?.txn() }.boxed()
    }

    fn watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<WatchStream>> {
        ready(self.engine.watch(request)).boxed()
    }

    fn compact(&self, at: Revision) -> BoxFuture<'_, Result<()>> {
        async move { self.execute(Command::Compact(at)).await?.done() }.boxed()
    }

    fn lease_grant(&self, ttl_s: u64, id: Option<LeaseId>) -> BoxFuture<'_, Result<Lease>> {
        async move { self.execute(Command::Grant { ttl_s, id }).await?.granted() }.boxed()
    }

    fn lease_keep_alive(&self, id: LeaseId) -> BoxFuture<'_, Result<Lease>> {
        ready(self.engine.renew(id)).boxed()
    }

    fn lease_revoke(&self, id: LeaseId) -> BoxFuture<'_, Result<Revision>> {
        async move { self.execute(Command::Revoke(id)).await?.revoked() }.boxed()
    }

    fn lease_list(&self) -> BoxFuture<'_, Result<Vec<LeaseId>>> {
        async move { self.execute(Command::Leases).await?.leases() }.boxed()
    }

    fn revision(&self) -> BoxFuture<'_, Result<Revision>> {
        ready(Ok(self.engine.read().published())).boxed()
    }

    fn limits(&self) -> Limits {
        self.engine.limits()
    }
}
