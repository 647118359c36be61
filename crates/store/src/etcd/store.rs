//! An etcd cluster as a store: each call is one of etcd's own.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use etcd_client::{
    Certificate, Client, CompactionOptions, ConnectOptions, GetOptions, Identity, LeaseGrantOptions, TlsOptions,
    Txn as EtcdTxn, WatchOptions, WatchStream as EtcdWatch,
};
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, StreamExt};

use crate::etcd::address::{Address, Password};
use crate::etcd::convert;
use crate::kv::{
    Error, Kv, Lease, LeaseId, Limits, Range, RangeResult, Result, Revision, Txn, TxnResult, WatchBatch, WatchRequest,
    WatchStream,
};
use crate::mvcc::check;
use crate::mvcc::leases::TTL_MAX_S;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call may take; a watch lives on.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// When a silent connection is probed, and how long the answer may take.
const PROBE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));
/// Keys of one page of a read without a limit.
const PAGE: usize = 1000;
/// Bytes of a file of certificates, a key or a password at most.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Bytes of one answer: a page of the largest values is far below.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// Why a cluster could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address names a file that can't be read.
    #[error("etcd address: cannot read {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No member answers, or none lets us in.
    #[error("etcd at {endpoints}: {source}")]
    Connect {
        /// All of them.
        endpoints: String,
        /// Why not.
        source: Error,
    },
}

/// A store kept by an etcd cluster, version 3.4 or newer.
#[derive(Clone)]
pub struct Etcd {
    client: Client,
}

impl Etcd {
    /// Connects, and reads once to be sure.
    ///
    /// # Errors
    /// `File`, `Connect`.
    pub async fn connect(address: &Address) -> Result<Self, ConnectError> {
        let mut options = ConnectOptions::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_timeout(CALL_TIMEOUT)
            .with_keep_alive(PROBE.0, PROBE.1)
            .with_require_leader(true)
            .with_auto_token_refresh(true);
        if let Some((user, password)) = &address.user {
            let password = match password {
                Password::Given(password) => password.clone(),
                Password::File(path) => text(path)?.trim_end_matches('\n').to_owned(),
            };
            options = options.with_user(user, password);
        }
        let mut scheme = "http";
        if let Some(tls) = &address.tls {
            scheme = "https";
            let mut with = TlsOptions::new().ca_certificate(Certificate::from_pem(text(&tls.ca)?));
            if let Some((cert, key)) = &tls.identity {
                with = with.identity(Identity::from_pem(text(cert)?, text(key)?));
            }
            if let Some(name) = &tls.server_name {
                with = with.domain_name(name);
            }
            options = options.with_tls(with);
        }
        let urls: Vec<String> = address.endpoints.iter().map(|endpoint| format!("{scheme}://{endpoint}")).collect();
        let failed = |source| ConnectError::Connect { endpoints: urls.join(","), source };
        let client = Client::connect(&urls, Some(options)).await.map_err(|error| failed(convert::error(&error)))?;
        let store = Self { client };
        store.revision().await.map_err(failed)?;
        Ok(store)
    }

    async fn page(&self, range: &Range) -> Result<RangeResult> {
        let (key, options) = convert::get_options(range);
        let mut kv = self.client.kv_client().max_decoding_message_size(ANSWER_BYTES_MAX);
        let response = kv.get(key, Some(options)).await.map_err(|e| convert::error(&e))?;
        Ok(convert::range_result(response, range))
    }

    /// Reads page by page, all at the revision of the first.
    async fn read(&self, mut range: Range) -> Result<RangeResult> {
        check::range(&range.keys)?;
        if range.keys.bounds().is_none() {
            range.limit = Some(0);
        }
        if range.count_only || range.limit.is_some_and(|limit| limit <= PAGE) {
            return self.page(&range).await;
        }
        let wanted = range.limit.unwrap_or(usize::MAX);
        let mut result = self.page(&range.clone().limit(PAGE)).await?;
        range.revision = range.revision.filter(|at| *at != Revision::ZERO).or(Some(result.revision));
        while result.more && result.kvs.len() < wanted {
            let Some(last) = result.kvs.last() else { break };
            // The least key after the last one: itself and a zero byte.
            range.keys.start = [last.key.as_ref(), &[0]].concat().into();
            let limit = PAGE.min(wanted - result.kvs.len());
            let next = self.page(&range.clone().limit(limit)).await?;
            result.more = next.more;
            result.kvs.extend(next.kvs);
        }
        Ok(result)
    }

    async fn commit(&self, txn: Txn) -> Result<TxnResult> {
        check::txn(&txn, &Limits::ETCD)?;
        let Txn { compare, success, failure } = txn;
        let call = EtcdTxn::new()
            .when(compare.into_iter().map(convert::compare).collect::<Vec<_>>())
            .and_then(success.iter().map(convert::op).collect::<Vec<_>>())
            .or_else(failure.iter().map(convert::op).collect::<Vec<_>>());
        let mut kv = self.client.kv_client().max_decoding_message_size(ANSWER_BYTES_MAX);
        let response = kv.txn(call).await.map_err(|e| convert::error(&e))?;
        convert::txn_result(&response, &success, &failure)
    }

    async fn start_watch(&self, request: WatchRequest) -> Result<WatchStream> {
        check::range(&request.keys)?;
        if request.keys.bounds().is_none() {
            return Ok(stream::pending().boxed());
        }
        let (key, end) = convert::keys(&request.keys);
        let mut options = WatchOptions::new().with_start_revision(convert::signed(request.from.0));
        if let Some(end) = end {
            options = options.with_range(end);
        }
        if request.prev_kv {
            options = options.with_prev_key();
        }
        if request.progress {
            options = options.with_progress_notify();
        }
        let mut client = self.client.watch_client().max_decoding_message_size(ANSWER_BYTES_MAX);
        let mut watch = client.watch(key, Some(options)).await.map_err(|e| convert::error(&e))?;
        // The first message says that the watch stands: what is written from now on is seen.
        let first = watch.message().await.map_err(|e| convert::error(&e))?;
        let first = first.ok_or_else(|| Error::Unavailable("the watch ended".to_owned()))?;
        let mut pending = VecDeque::new();
        match convert::batches(&first) {
            Ok(batches) => pending.extend(batches),
            Err(error) => return Ok(stream::iter([Err(error)]).boxed()),
        }
        Ok(stream::unfold(Some(Feed { watch, pending }), Feed::next).boxed())
    }
}

struct Feed {
    watch: EtcdWatch,
    pending: VecDeque<WatchBatch>,
}

impl Feed {
    async fn next(feed: Option<Self>) -> Option<(Result<WatchBatch>, Option<Self>)> {
        let mut feed = feed?;
        loop {
            if let Some(batch) = feed.pending.pop_front() {
                return Some((Ok(batch), Some(feed)));
            }
            let message = match feed.watch.message().await {
                Ok(Some(message)) => message,
                Ok(None) => return Some((Err(Error::Unavailable("the watch ended".into())), None)),
                Err(error) => return Some((Err(convert::error(&error)), None)),
            };
            match convert::batches(&message) {
                Ok(batches) => feed.pending.extend(batches),
                Err(error) => return Some((Err(error), None)),
            }
        }
    }
}

fn text(path: &Path) -> Result<String, ConnectError> {
    let read = || {
        let mut text = String::new();
        // The size that a file tells is not that of a device or a pipe.
        let read = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
        if read as u64 > FILE_BYTES_MAX {
            return Err(std::io::Error::other(format!("more than {FILE_BYTES_MAX} bytes (FILE_BYTES_MAX)")));
        }
        Ok(text)
    };
    read().map_err(|source| ConnectError::File { path: path.to_owned(), source })
}

/// etcd's text for a lease names none.
fn named(error: Error, id: LeaseId) -> Error {
    match error {
        Error::LeaseNotFound(_) => Error::LeaseNotFound(id),
        Error::LeaseExists(_) => Error::LeaseExists(id),
        other => other,
    }
}

impl Kv for Etcd {
    fn range(&self, range: Range) -> BoxFuture<'_, Result<RangeResult>> {
        self.read(range).boxed()
    }

    fn txn(&self, txn: Txn) -> BoxFuture<'_, Result<TxnResult>> {
        self.commit(txn).boxed()
    }

    fn watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<WatchStream>> {
        self.start_watch(request).boxed()
    }

    fn compact(&self, at: Revision) -> BoxFuture<'_, Result<()>> {
        async move {
            let options = CompactionOptions::new().with_physical();
            let mut kv = self.client.kv_client();
            let done = kv.compact(convert::signed(at.0), Some(options)).await;
            done.map(drop).map_err(|e| convert::error(&e))
        }
        .boxed()
    }

    fn lease_grant(&self, ttl_s: u64, id: Option<LeaseId>) -> BoxFuture<'_, Result<Lease>> {
        async move {
            if ttl_s == 0 || ttl_s > TTL_MAX_S {
                return Err(Error::LeaseTtl { ttl_s, max_s: TTL_MAX_S });
            }
            let id = id.unwrap_or(LeaseId::NONE);
            let options = LeaseGrantOptions::new().with_id(id.0);
            let granted = self.client.lease_client().grant(convert::signed(ttl_s), Some(options)).await;
            let granted = granted.map_err(|e| named(convert::error(&e), id))?;
            let ttl_s = u64::try_from(granted.ttl()).unwrap_or_default();
            Ok(Lease { id: LeaseId(granted.id()), ttl_s })
        }
        .boxed()
    }

    fn lease_keep_alive(&self, id: LeaseId) -> BoxFuture<'_, Result<Lease>> {
        async move {
            let mut client = self.client.lease_client();
            match client.keep_alive(id.0).await {
                // The first renewal is done by then; its answer is kept by the client.
                Ok((keeper, _answers)) => {
                    let left = client.time_to_live(keeper.id(), None).await;
                    let left = left.map_err(|e| named(convert::error(&e), id))?;
                    let ttl_s = u64::try_from(left.granted_ttl()).unwrap_or_default();
                    Ok(Lease { id, ttl_s })
                }
                Err(etcd_client::Error::LeaseKeepAliveError(text)) if text.contains("not found") => {
                    Err(Error::LeaseNotFound(id))
                }
                Err(error) => Err(named(convert::error(&error), id)),
            }
        }
        .boxed()
    }

    fn lease_revoke(&self, id: LeaseId) -> BoxFuture<'_, Result<Revision>> {
        async move {
            let revoked = self.client.lease_client().revoke(id.0).await;
            let revoked = revoked.map_err(|e| named(convert::error(&e), id))?;
            Ok(convert::revision(revoked.header()))
        }
        .boxed()
    }

    fn lease_list(&self) -> BoxFuture<'_, Result<Vec<LeaseId>>> {
        async move {
            let leases = self.client.lease_client().leases().await;
            let leases = leases.map_err(|e| convert::error(&e))?;
            let mut names: Vec<LeaseId> = leases.leases().iter().map(|lease| LeaseId(lease.id())).collect();
            names.sort_unstable();
            Ok(names)
        }
        .boxed()
    }

    fn revision(&self) -> BoxFuture<'_, Result<Revision>> {
        async move {
            let options = GetOptions::new().with_count_only();
            let response = self.client.kv_client().get([0], Some(options)).await;
            Ok(convert::revision(response.map_err(|e| convert::error(&e))?.header()))
        }
        .boxed()
    }

    fn limits(&self) -> Limits {
        Limits::ETCD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_has_no_end_is_refused() {
        let said = |path: &str| text(Path::new(path)).map_err(|error| error.to_string());
        assert!(said("/dev/zero").unwrap_err().contains("FILE_BYTES_MAX"));
        assert_eq!(said("/dev/null"), Ok(String::new()));
    }
}
