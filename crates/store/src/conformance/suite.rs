//! What the cases are made of: a store under test, and keys of their own in it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::StreamExt;

use crate::kv::{Error, KeyRange, Kv, Range, Result, Revision, Txn, TxnResult, WatchBatch, WatchRequest, WatchStream};

/// How long a watch may take to say what it should.
const PATIENCE: Duration = Duration::from_secs(120);

/// A store under test, and its time.
pub trait Fixture: Send + Sync {
    /// The store.
    fn kv(&self) -> Arc<dyn Kv>;

    /// Lets time pass for its leases.
    fn pass(&self, by: Duration) -> BoxFuture<'static, ()>;
}

/// One case's view of the store: keys of its own.
pub struct Case<'a> {
    /// The store.
    pub kv: Arc<dyn Kv>,
    /// Its time.
    pub fixture: &'a dyn Fixture,
    prefix: String,
}

/// A case and its name.
pub type Named = (&'static str, for<'a> fn(&'a Case<'a>) -> BoxFuture<'a, ()>);

/// Names the cases.
#[macro_export]
macro_rules! conformance_cases {
    ($($case:ident),* $(,)?) => {
        /// All cases of this file.
        pub const ALL: &[$crate::conformance::suite::Named] =
            &[$((stringify!($case), |case| Box::pin($case(case)))),*];
    };
}

impl<'a> Case<'a> {
    /// A case of a name.
    pub fn new(fixture: &'a dyn Fixture, name: &str) -> Self {
        Self { kv: fixture.kv(), fixture, prefix: format!("/conformance/{name}/") }
    }

    /// A key of this case.
    #[must_use]
    pub fn key(&self, name: &str) -> Bytes {
        format!("{}{name}", self.prefix).into()
    }

    /// All keys of this case.
    #[must_use]
    pub fn keys(&self) -> KeyRange {
        KeyRange::prefix(self.prefix.clone())
    }

    /// Writes one key.
    pub async fn put(&self, name: &str, value: &str) -> Revision {
        self.kv.put(self.key(name), value.to_owned().into()).await.expect("put")
    }

    /// Deletes one key.
    pub async fn delete(&self, name: &str) -> bool {
        self.kv.delete(self.key(name)).await.expect("delete")
    }

    /// The names and values of this case's keys.
    pub async fn read(&self, range: Range) -> Vec<(String, String)> {
        let read = self.kv.range(range).await.expect("range");
        read.kvs.iter().map(|kv| (self.name(&kv.key), text(&kv.value))).collect()
    }

    /// The same for all of them, now.
    pub async fn all(&self) -> Vec<(String, String)> {
        self.read(Range::new(self.keys())).await
    }

    /// The part of a key that the case chose.
    #[must_use]
    pub fn name(&self, key: &[u8]) -> String {
        text(&key[self.prefix.len()..])
    }

    /// Does a transaction.
    pub async fn txn(&self, txn: Txn) -> TxnResult {
        self.kv.txn(txn).await.expect("txn")
    }

    /// Watches this case's keys.
    pub async fn watch(&self, from: Revision) -> WatchStream {
        let request = WatchRequest::new(self.keys(), from).prev_kv();
        self.kv.watch(request).await.expect("watch")
    }

    /// What the store stands at.
    pub async fn revision(&self) -> Revision {
        self.kv.revision().await.expect("revision")
    }
}

/// The next batch that has events, or why there is none.
pub async fn next(watch: &mut WatchStream) -> Result<WatchBatch> {
    loop {
        let next = tokio::time::timeout(PATIENCE, watch.next()).await;
        match next.expect("the watch says something in time").expect("a watch ends with an error") {
            Ok(batch) if batch.events.is_empty() => {}
            other => return other,
        }
    }
}

/// Bytes that are text.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether two errors are of one kind; what they carry may differ.
#[must_use]
pub fn same_kind(a: &Error, b: &Error) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}
