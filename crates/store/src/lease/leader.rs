//! One leader of many: a key that dies with its lease, and a term that fences every write.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{Either, select};
use futures::stream::StreamExt;

use crate::clock::Clock;
use crate::kv::{
    Compare, Error, EventKind, KeyRange, Kv, LeaseId, Op, Range, Relation, Result, Revision, Target, Txn, WatchRequest,
};

/// A term as a condition: a write that carries it fails once another leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The key of the election.
    pub key: Bytes,
    /// The revision that created it: terms rise and no two are alike.
    pub term: Revision,
}

impl Fence {
    /// The condition to add to every write of the leader.
    #[must_use]
    pub fn compare(&self) -> Compare {
        Compare::new(self.key.clone(), Relation::Equal, Target::CreateRevision(self.term))
    }
}

/// Why a term ended.
#[derive(Debug, Clone)]
pub enum Lost {
    /// The lease died, or somebody deleted the key.
    Deposed,
    /// The lease could not be renewed for its whole time; another may lead by now.
    Expired(Error),
}

/// One who would lead.
pub struct Candidate {
    /// The store.
    pub kv: Arc<dyn Kv>,
    /// The clock by which leases are renewed.
    pub clock: Arc<dyn Clock>,
    /// The key of the election.
    pub key: Bytes,
    /// Who it is, for others to read.
    pub name: Bytes,
    /// How long after a crash another may lead, in seconds.
    pub ttl_s: u64,
}

impl Candidate {
    /// Waits until it leads.
    ///
    /// # Errors
    /// The store's. To campaign again is safe: a lease that was left behind dies by itself.
    pub async fn campaign(&self) -> Result<Leadership> {
        loop {
            let read = self.kv.range(Range::key(self.key.clone())).await?;
            if !read.kvs.is_empty() {
                self.wait_for_vacancy(read.revision).await?;
            }
            let before_ms = self.clock.now_ms();
            let lease = self.kv.lease_grant(self.ttl_s, None).await?;
            let claim = Op::Put { key: self.key.clone(), value: self.name.clone(), lease: lease.id };
            let txn = Txn::of(vec![claim]).when(Compare::absent(self.key.clone()));
            let claimed = self.kv.txn(txn).await?;
            if claimed.succeeded {
                return Ok(Leadership {
                    kv: Arc::clone(&self.kv),
                    clock: Arc::clone(&self.clock),
                    fence: Fence { key: self.key.clone(), term: claimed.revision },
                    lease: lease.id,
                    ttl_ms: lease.ttl_s.saturating_mul(1000),
                    deadline_ms: before_ms.saturating_add(lease.ttl_s.saturating_mul(1000)),
                });
            }
            self.kv.lease_revoke(lease.id).await?;
        }
    }

    async fn wait_for_vacancy(&self, seen: Revision) -> Result<()> {
        wait_for_deletion(self.kv.as_ref(), &self.key, seen.next()).await
    }
}

/// Returns when the key is deleted at or after `from`, or when that can't be known.
async fn wait_for_deletion(kv: &dyn Kv, key: &Bytes, from: Revision) -> Result<()> {
    let mut watch = kv.watch(WatchRequest::new(KeyRange::key(key.clone()), from)).await?;
    while let Some(batch) = watch.next().await {
        match batch {
            Ok(batch) if batch.events.iter().any(|event| event.kind == EventKind::Delete) => break,
            Ok(_) => {}
            // To look again is right in both cases.
            Err(Error::Compacted { .. } | Error::SlowWatcher { .. }) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A term that lasts while [`Leadership::hold`] runs.
pub struct Leadership {
    kv: Arc<dyn Kv>,
    clock: Arc<dyn Clock>,
    fence: Fence,
    lease: LeaseId,
    ttl_ms: u64,
    deadline_ms: u64,
}

impl Leadership {
    /// The term, for every write of the leader.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Renews the lease until the term ends. To be run beside the leader's work, which is to be
    /// dropped when this returns.
    pub async fn hold(&mut self) -> Lost {
        let again_ms = (self.ttl_ms / 10).max(1);
        let deposed = deposed(Arc::clone(&self.kv), Arc::clone(&self.clock), self.fence.clone(), again_ms);
        match select(pin!(deposed), pin!(self.keep())).await {
            Either::Left(((), _)) => Lost::Deposed,
            Either::Right((lost, _)) => lost,
        }
    }

    async fn keep(&mut self) -> Lost {
        loop {
            // At a third of its life, which leaves two thirds to try again.
            let renew_at_ms = self.deadline_ms.saturating_sub(self.ttl_ms / 3 * 2);
            self.clock.wait_until(renew_at_ms).await;
            if let Some(lost) = self.renew().await {
                return lost;
            }
        }
    }

    /// Renews once, and tries again until the lease is over by our own clock.
    async fn renew(&mut self) -> Option<Lost> {
        loop {
            // Counted from before the call: the store's own count begins later.
            let before_ms = self.clock.now_ms();
            let renew = self.kv.lease_keep_alive(self.lease);
            let error = match select(renew, self.clock.wait_until(self.deadline_ms)).await {
                Either::Left((Ok(_), _)) => {
                    self.deadline_ms = before_ms.saturating_add(self.ttl_ms);
                    return None;
                }
                Either::Left((Err(Error::LeaseNotFound(_)), _)) => return Some(Lost::Deposed),
                Either::Left((Err(error), _)) => error,
                Either::Right(_) => Error::Unavailable("the lease was not renewed in time".into()),
            };
            let again_ms = before_ms.saturating_add((self.ttl_ms / 10).max(1));
            if again_ms >= self.deadline_ms {
                return Some(Lost::Expired(error));
            }
            self.clock.wait_until(again_ms).await;
        }
    }

    /// Gives the term up at once, so that another need not wait for the lease.
    ///
    /// # Errors
    /// The store's; the lease dies by itself then.
    pub async fn resign(self) -> Result<()> {
        match self.kv.lease_revoke(self.lease).await {
            Ok(_) | Err(Error::LeaseNotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Who leads, and in which term.
    ///
    /// # Errors
    /// The store's.
    pub async fn leader(kv: &dyn Kv, key: Bytes) -> Result<Option<(Bytes, Fence)>> {
        let found = kv.get(key.clone()).await?;
        Ok(found.map(|kv| (kv.value, Fence { key, term: kv.create_revision })))
    }
}

/// Resolves once the term's key is gone for sure.
async fn deposed(kv: Arc<dyn Kv>, clock: Arc<dyn Clock>, fence: Fence, again_ms: u64) {
    loop {
        let check = Txn::of(Vec::new()).when(fence.compare());
        if let Ok(now) = kv.txn(check).await {
            if !now.succeeded {
                return;
            }
            // However the watch ends, the key itself says whether the term did: look at once.
            if wait_for_deletion(kv.as_ref(), &fence.key, now.revision.next()).await.is_ok() {
                continue;
            }
        }
        clock.wait_until(clock.now_ms().saturating_add(again_ms)).await;
    }
}

#[cfg(test)]
mod tests;
