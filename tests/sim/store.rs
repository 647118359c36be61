//! The memory store, with a pause before each transaction, so that a crash or another writer fits between any two.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use masthead_store::clock::ManualClock;
use masthead_store::kv::{
    Error, Kv, Lease, LeaseId, Limits, Range, RangeResult, Result, Revision, Txn, TxnResult, WatchRequest, WatchStream,
};
use masthead_store::memory::Memory;
use masthead_store::mvcc::keyspace::Retention;

/// What goes wrong with the next transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not done.
    Refused,
    /// It is done and nobody hears of it.
    Unanswered,
}

/// The store of a simulation.
pub struct Store {
    inner: Memory,
    next: Mutex<Option<Fault>>,
}

impl Store {
    /// An empty store whose transactions hold `ops` operations at most, so that batches fall apart into several.
    pub fn new(ops: usize) -> Arc<Store> {
        let limits = Limits { txn_ops_max: ops, ..Limits::ETCD };
        let inner = Memory::with(Arc::new(ManualClock::new()), limits, Retention::default());
        Arc::new(Store { inner, next: Mutex::new(None) })
    }

    /// The next transaction goes wrong.
    pub fn fail_next(&self, fault: Fault) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    fn take_fault(&self) -> Option<Fault> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The newest revision.
    pub fn now(&self) -> u64 {
        now(self.inner.revision()).expect("the memory store answers").0
    }
}

/// The result of a future that does not wait.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the memory store answers at once")
}

fn unavailable() -> Error {
    Error::Unavailable("simulated".to_owned())
}

/// Is ready when it is looked at the second time.
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Kv for Store {
    fn range(&self, range: Range) -> BoxFuture<'_, Result<RangeResult>> {
        self.inner.range(range)
    }

    fn txn(&self, txn: Txn) -> BoxFuture<'_, Result<TxnResult>> {
        async move {
            Pause(false).await;
            match self.take_fault() {
                None => self.inner.txn(txn).await,
                Some(Fault::Refused) => Err(unavailable()),
                Some(Fault::Unanswered) => self.inner.txn(txn).await.and_then(|_| Err(unavailable())),
            }
        }
        .boxed()
    }

    fn watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<WatchStream>> {
        self.inner.watch(request)
    }

    fn compact(&self, at: Revision) -> BoxFuture<'_, Result<()>> {
        self.inner.compact(at)
    }

    fn lease_grant(&self, ttl_s: u64, id: Option<LeaseId>) -> BoxFuture<'_, Result<Lease>> {
        async move {
            Pause(false).await;
            match self.take_fault() {
                None => self.inner.lease_grant(ttl_s, id).await,
                Some(_) => Err(unavailable()),
            }
        }
        .boxed()
    }

    fn lease_keep_alive(&self, id: LeaseId) -> BoxFuture<'_, Result<Lease>> {
        self.inner.lease_keep_alive(id)
    }

    fn lease_revoke(&self, id: LeaseId) -> BoxFuture<'_, Result<Revision>> {
        self.inner.lease_revoke(id)
    }

    fn lease_list(&self) -> BoxFuture<'_, Result<Vec<LeaseId>>> {
        self.inner.lease_list()
    }

    fn revision(&self) -> BoxFuture<'_, Result<Revision>> {
        self.inner.revision()
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}
