//! Random steps, done on several stores at once: each must answer what the first one does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::FutureExt;
use futures::stream::StreamExt;

use crate::conformance::suite::same_kind;
use crate::kv::{
    Compare, KeyRange, Kv, LeaseId, Op, Range, Relation, Result, Revision, Target, Txn, WatchBatch, WatchRequest,
};

/// How long a store may take to tell a watcher what another has told.
const PATIENCE: Duration = Duration::from_secs(120);

/// A seeded generator (xorshift64*).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The generator of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }
}

/// One random step.
#[derive(Debug, Clone)]
pub enum Step {
    /// A transaction.
    Txn(Txn),
    /// A read.
    Range(Range),
    /// A compaction.
    Compact(Revision),
    /// A grant.
    Grant(u64, LeaseId),
    /// A revocation.
    Revoke(LeaseId),
    /// A list of the leases.
    Leases,
    /// A watch of what is there to be seen.
    Watch(WatchRequest),
}

/// Makes steps that are sometimes right and sometimes wrong.
#[derive(Debug, Clone)]
pub struct Model {
    random: Random,
    compacted: u64,
}

impl Model {
    /// The steps of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), compacted: 0 }
    }

    /// The next step, where the stores stand at `now`.
    pub fn step(&mut self, now: Revision) -> Step {
        match self.random.below(100) {
            0..60 => Step::Txn(self.txn(now)),
            60..75 => Step::Range(self.range(now)),
            75..78 => {
                let at = self.near(now);
                if at.0 > self.compacted && at <= now {
                    self.compacted = at.0;
                }
                Step::Compact(at)
            }
            78..83 => Step::Grant(3600, LeaseId(1 + self.random.below(4).cast_signed())),
            83..87 => Step::Revoke(LeaseId(1 + self.random.below(5).cast_signed())),
            87..90 => Step::Leases,
            _ => {
                // Not from the compacted revision itself: etcd 3.4 has lost its deletions.
                let from = 1 + self.random.below(now.0 + 1);
                let from = if from == self.compacted { from + 1 } else { from };
                let mut watch = WatchRequest::new(self.keys(), Revision(from));
                watch.prev_kv = self.random.below(2) == 0;
                Step::Watch(watch)
            }
        }
    }

    fn near(&mut self, now: Revision) -> Revision {
        let from = self.compacted.saturating_sub(2);
        Revision(from + self.random.below(now.0 + 2 - from))
    }

    fn key(&mut self) -> Bytes {
        self.random.one(&["a", "b", "b/1", "b/2", "c", "d", "e"]).into()
    }

    fn keys(&mut self) -> KeyRange {
        match self.random.below(4) {
            0 => KeyRange::key(self.key()),
            1 => KeyRange::prefix(self.key()),
            2 => KeyRange::between(self.key(), self.key()),
            _ => KeyRange::all(),
        }
    }

    fn range(&mut self, now: Revision) -> Range {
        let mut range = Range::new(self.keys());
        range.revision = (self.random.below(2) == 0).then(|| self.near(now));
        range.limit = (self.random.below(3) == 0).then(|| self.random.below(4) as usize);
        range.keys_only = self.random.below(4) == 0;
        range.count_only = self.random.below(6) == 0;
        range
    }

    fn op(&mut self, now: Revision) -> Op {
        match self.random.below(10) {
            0..5 => {
                let lease = if self.random.below(3) == 0 { self.random.below(4).cast_signed() } else { 0 };
                let value = self.random.below(1000).to_string().into();
                Op::Put { key: self.key(), value, lease: LeaseId(lease) }
            }
            5..7 => Op::Delete { keys: self.keys() },
            _ => Op::Get { range: self.range(now) },
        }
    }

    fn compare(&mut self, now: Revision) -> Compare {
        use Relation::{Equal, Greater, Less, NotEqual};
        let relation = self.random.one(&[Equal, Greater, Less, NotEqual]);
        let target = match self.random.below(5) {
            0 => Target::ModRevision(self.near(now)),
            1 => Target::CreateRevision(self.random.one(&[Revision::ZERO, now])),
            2 => Target::Version(self.random.below(4)),
            3 => Target::Value(self.random.below(1000).to_string().into()),
            _ => Target::Lease(LeaseId(self.random.below(4).cast_signed())),
        };
        Compare::new(self.key(), relation, target)
    }

    fn txn(&mut self, now: Revision) -> Txn {
        Txn {
            compare: (0..self.random.below(3)).map(|_| self.compare(now)).collect(),
            success: (0..self.random.below(4)).map(|_| self.op(now)).collect(),
            failure: (0..self.random.below(3)).map(|_| self.op(now)).collect(),
        }
    }
}

/// Does `count` steps on all `stores` and compares.
///
/// # Panics
/// If one answers otherwise than the first.
pub async fn agree(model: &mut Model, stores: &[(&str, Arc<dyn Kv>)], count: usize) {
    let (_, first) = &stores[0];
    for n in 0..count {
        let now = first.revision().await.expect("revision");
        let step = model.step(now);
        let expect = answer(first.as_ref(), &step, 0).await;
        let seen = match &expect {
            Ok(Answer::Watch(batches)) => batches.len(),
            // An error is waited for as well.
            Err(_) => 1,
            Ok(_) => 0,
        };
        for (name, store) in &stores[1..] {
            let got = answer(store.as_ref(), &step, seen).await;
            let same = match (&expect, &got) {
                (Ok(expect), Ok(got)) => expect == got,
                (Err(expect), Err(got)) => same_kind(expect, got),
                _ => false,
            };
            assert!(same, "step {n}, {name}: {step:?}\nexpected {expect:?}\n     got {got:?}");
        }
    }
}

/// What a store answers to a step, to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To a transaction.
    Txn(crate::kv::TxnResult),
    /// To a read.
    Range(crate::kv::RangeResult),
    /// What the store stands at.
    Revision(Revision),
    /// The leases.
    Leases(Vec<LeaseId>),
    /// What was to be seen, until nothing was.
    Watch(Vec<WatchBatch>),
}

/// Does a step. A watch takes what is there at once, and waits until it has `seen` batches.
///
/// # Errors
/// The store's.
pub async fn answer(store: &dyn Kv, step: &Step, seen: usize) -> Result<Answer> {
    Ok(match step.clone() {
        Step::Txn(txn) => Answer::Txn(store.txn(txn).await?),
        Step::Range(range) => Answer::Range(store.range(range).await?),
        Step::Compact(at) => {
            store.compact(at).await?;
            Answer::Revision(store.revision().await?)
        }
        Step::Grant(ttl_s, id) => {
            store.lease_grant(ttl_s, Some(id)).await?;
            Answer::Revision(store.revision().await?)
        }
        Step::Revoke(id) => Answer::Revision(store.lease_revoke(id).await?),
        Step::Leases => Answer::Leases(store.lease_list().await?),
        Step::Watch(request) => {
            let mut watch = store.watch(request).await?;
            let mut batches = Vec::new();
            loop {
                let next = if batches.len() < seen {
                    tokio::time::timeout(PATIENCE, watch.next()).await.ok()
                } else {
                    watch.next().now_or_never()
                };
                match next {
                    Some(Some(batch)) => batches.push(batch?),
                    Some(None) | None => break,
                }
            }
            Answer::Watch(batches)
        }
    })
}
