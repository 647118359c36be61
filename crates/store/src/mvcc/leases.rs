//! Leases: who holds which keys until when.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::kv::{Error, Lease, LeaseId, Result};

/// etcd's bound on the time to live, in seconds (`lease.MaxLeaseTTL`).
pub const TTL_MAX_S: u64 = 9_000_000_000;

/// One lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// How long it lives after each renewal.
    pub ttl_s: u64,
    /// When it dies, by the store's clock.
    pub deadline_ms: u64,
    /// The keys that die with it.
    pub keys: BTreeSet<Bytes>,
}

/// All leases of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leases {
    held: BTreeMap<LeaseId, Held>,
    deadlines: BTreeSet<(u64, LeaseId)>,
    /// The last name that the store itself gave. Never given twice, or a holder of a dead lease
    /// would renew another's.
    pub last_named: i64,
}

impl Leases {
    /// The name and time of a lease that may be granted.
    ///
    /// # Errors
    /// `LeaseExists`, `LeaseTtl`.
    pub fn admit(&self, ttl_s: u64, id: Option<LeaseId>) -> Result<Lease> {
        if ttl_s == 0 || ttl_s > TTL_MAX_S {
            return Err(Error::LeaseTtl { ttl_s, max_s: TTL_MAX_S });
        }
        let id = match id {
            Some(LeaseId::NONE) | None => self.unused(),
            Some(id) if self.held.contains_key(&id) => return Err(Error::LeaseExists(id)),
            Some(id) => id,
        };
        Ok(Lease { id, ttl_s })
    }

    fn unused(&self) -> LeaseId {
        let mut id = self.last_named.wrapping_add(1).max(1);
        while self.held.contains_key(&LeaseId(id)) {
            id = id.wrapping_add(1).max(1);
        }
        LeaseId(id)
    }

    /// Adds a lease with its keys.
    pub fn insert(&mut self, id: LeaseId, held: Held) {
        self.deadlines.insert((held.deadline_ms, id));
        self.held.insert(id, held);
    }

    /// Removes a lease, whose keys are the caller's to delete.
    pub fn remove(&mut self, id: LeaseId) -> Option<Held> {
        let held = self.held.remove(&id)?;
        self.deadlines.remove(&(held.deadline_ms, id));
        Some(held)
    }

    /// A lease.
    ///
    /// # Errors
    /// `LeaseNotFound`.
    pub fn get(&self, id: LeaseId) -> Result<&Held> {
        self.held.get(&id).ok_or(Error::LeaseNotFound(id))
    }

    /// Starts the life of a lease anew at `now_ms`.
    ///
    /// # Errors
    /// `LeaseNotFound`.
    pub fn renew(&mut self, id: LeaseId, now_ms: u64) -> Result<Lease> {
        let held = self.held.get_mut(&id).ok_or(Error::LeaseNotFound(id))?;
        self.deadlines.remove(&(held.deadline_ms, id));
        held.deadline_ms = deadline_ms(now_ms, held.ttl_s);
        self.deadlines.insert((held.deadline_ms, id));
        Ok(Lease { id, ttl_s: held.ttl_s })
    }

    /// Starts the life of every lease anew: no holder could renew while the store was down.
    pub fn renew_all(&mut self, now_ms: u64) {
        self.deadlines.clear();
        for (id, held) in &mut self.held {
            held.deadline_ms = deadline_ms(now_ms, held.ttl_s);
            self.deadlines.insert((held.deadline_ms, *id));
        }
    }

    /// Moves `key` from one lease to another.
    pub fn attach(&mut self, key: &Bytes, from: LeaseId, to: LeaseId) {
        if from == to {
            return;
        }
        if let Some(held) = self.held.get_mut(&from) {
            held.keys.remove(key);
        }
        if let Some(held) = self.held.get_mut(&to) {
            held.keys.insert(key.clone());
        }
    }

    /// The leases that are dead at `now_ms`.
    #[must_use]
    pub fn expired(&self, now_ms: u64) -> Vec<LeaseId> {
        self.deadlines.iter().take_while(|(at, _)| *at <= now_ms).map(|(_, id)| *id).collect()
    }

    /// When the next one dies.
    #[must_use]
    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// All names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<LeaseId> {
        self.held.keys().copied().collect()
    }

    /// All names with their time to live, in order.
    pub fn iter(&self) -> impl Iterator<Item = Lease> {
        self.held.iter().map(|(id, held)| Lease { id: *id, ttl_s: held.ttl_s })
    }
}

/// When a lease of `ttl_s` that starts now dies.
#[must_use]
pub fn deadline_ms(now_ms: u64, ttl_s: u64) -> u64 {
    now_ms.saturating_add(ttl_s.saturating_mul(1000))
}
