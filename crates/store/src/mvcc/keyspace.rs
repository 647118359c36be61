//! The keys with their versions: commands change it, reads see it at a published revision.
//!
//! A change is made at once and can be taken back until it is published; reads and watches see
//! published revisions alone. So a writer that waits for a disk holds no lock while it does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::kv::{
    Error, Event, EventKind, KeyRange, KeyValue, LeaseId, Limits, Op, OpResult, Range, RangeResult, Result, Revision,
    Txn, TxnResult,
};
use crate::mvcc::check;
use crate::mvcc::command::{Command, Commit, Effect, Reply};
use crate::mvcc::history::{History, Version};
use crate::mvcc::leases::{Held, Leases, deadline_ms};

/// How much history is kept without being asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// At most so many revisions.
    pub revisions_max: u64,
    /// At most so many bytes of keys and values in them.
    pub bytes_max: usize,
}

impl Default for Retention {
    fn default() -> Self {
        // Who reconnects within this sees no gap; the memory of a small cluster stays small.
        Self { revisions_max: 10_000, bytes_max: 16 << 20 }
    }
}

/// All keys, their kept history and the leases.
#[derive(Debug)]
pub struct Keyspace {
    keys: BTreeMap<Bytes, History>,
    /// One for each revision from `trimmed` on, without a gap.
    log: VecDeque<Arc<Commit>>,
    log_bytes: usize,
    current: Revision,
    published: Revision,
    compacted: Revision,
    trimmed: Revision,
    pinned: bool,
    /// The leases.
    pub leases: Leases,
    limits: Limits,
    retention: Retention,
}

impl Keyspace {
    /// An empty one.
    #[must_use]
    pub fn new(limits: Limits, retention: Retention) -> Self {
        Self {
            keys: BTreeMap::new(),
            log: VecDeque::new(),
            log_bytes: 0,
            current: Revision::FIRST,
            published: Revision::FIRST,
            compacted: Revision::ZERO,
            trimmed: Revision::ZERO,
            pinned: false,
            leases: Leases::default(),
            limits,
            retention,
        }
    }

    /// What readers see as the newest revision.
    #[must_use]
    pub fn published(&self) -> Revision {
        self.published
    }

    /// The oldest revision that can be read; zero if none was forgotten.
    #[must_use]
    pub fn compacted(&self) -> Revision {
        self.compacted
    }

    /// Reads at a published revision.
    ///
    /// # Errors
    /// `EmptyKey`, `Compacted`, `FutureRevision`.
    pub fn range(&self, range: &Range) -> Result<RangeResult> {
        check::range(&range.keys)?;
        let at = self.readable(range.revision, self.published)?.unwrap_or(self.published);
        Ok(RangeResult { revision: self.published, ..self.read(range, at) })
    }

    fn readable(&self, asked: Option<Revision>, newest: Revision) -> Result<Option<Revision>> {
        match asked {
            None | Some(Revision::ZERO) => Ok(None),
            Some(asked) if asked > newest => Err(Error::FutureRevision),
            Some(asked) if asked < self.compacted => Err(Error::Compacted { at: Some(self.compacted) }),
            Some(asked) => Ok(Some(asked)),
        }
    }

    fn read(&self, range: &Range, at: Revision) -> RangeResult {
        let mut result = RangeResult::default();
        let limit = range.limit.unwrap_or(usize::MAX);
        for kv in self.live(&range.keys, at) {
            result.count += 1;
            if range.count_only {
                continue;
            }
            if result.kvs.len() == limit {
                result.more = true;
            } else if range.keys_only {
                result.kvs.push(KeyValue { value: Bytes::new(), ..kv.clone() });
            } else {
                result.kvs.push(kv.clone());
            }
        }
        result
    }

    fn live<'a>(&'a self, keys: &'a KeyRange, at: Revision) -> impl Iterator<Item = &'a KeyValue> + 'a {
        keys.bounds()
            .into_iter()
            .flat_map(|bounds| self.keys.range::<[u8], _>(bounds))
            .filter_map(move |(_, history)| history.at(at))
    }

    /// Up to `count` keys after `after` as they were at `at`, which the caller has pinned.
    #[must_use]
    pub fn page(&self, after: Option<&Bytes>, at: Revision, count: usize) -> Vec<KeyValue> {
        let start = after.map_or(std::ops::Bound::Unbounded, |key| std::ops::Bound::Excluded(key.as_ref()));
        let keys = self.keys.range::<[u8], _>((start, std::ops::Bound::Unbounded));
        keys.filter_map(|(_, history)| history.at(at)).take(count).cloned().collect()
    }

    /// The commits from `from` on that are published; none if `from` is forgotten.
    pub fn commits(&self, from: Revision) -> impl Iterator<Item = &Arc<Commit>> {
        let first = self.log.front().map_or(Revision::ZERO, |commit| commit.revision);
        let skip = usize::try_from(from.0.saturating_sub(first.0)).unwrap_or(usize::MAX);
        self.log.iter().skip(skip).take_while(|commit| commit.revision <= self.published)
    }

    /// Does a command. Its effects are seen by later commands at once, by readers when published.
    ///
    /// # Errors
    /// Those of [`crate::kv::Kv`]; then nothing is done.
    pub fn execute(&mut self, command: Command, now_ms: u64) -> Result<(Reply, Vec<Effect>)> {
        match command {
            Command::Txn(txn) => {
                let (result, effect) = self.txn(txn)?;
                Ok((Reply::Txn(result), effect.into_iter().collect()))
            }
            Command::Compact(at) => {
                let effect = self.accept_compaction(at)?;
                Ok((Reply::Done, vec![effect]))
            }
            Command::Grant { ttl_s, id } => {
                let lease = self.leases.admit(ttl_s, id)?;
                let last_named_before = self.leases.last_named;
                if id.is_none_or(|id| id == LeaseId::NONE) {
                    self.leases.last_named = lease.id.0;
                }
                let deadline_ms = deadline_ms(now_ms, ttl_s);
                self.leases.insert(lease.id, Held { ttl_s, deadline_ms, keys: Default::default() });
                let last_named = self.leases.last_named;
                let effect = Effect::Grant { lease, last_named_before, last_named };
                Ok((Reply::Granted(lease), vec![effect]))
            }
            Command::Revoke(id) => {
                let effects = self.revoke(id)?;
                Ok((Reply::Revoked(self.current), effects))
            }
            Command::Expire => {
                let mut effects = Vec::new();
                for id in self.leases.expired(now_ms) {
                    effects.extend(self.revoke(id)?);
                }
                Ok((Reply::Done, effects))
            }
            Command::Leases => Ok((Reply::Leases(self.leases.names()), Vec::new())),
        }
    }

    fn txn(&mut self, txn: Txn) -> Result<(TxnResult, Option<Effect>)> {
        check::txn(&txn, &self.limits)?;
        let succeeded =
            txn.compare.iter().all(|compare| compare.holds(self.keys.get(&compare.key).and_then(History::newest)));
        let ops = if succeeded { txn.success } else { txn.failure };
        // In etcd's order: the leases of all steps, then the revisions of all steps.
        for op in &ops {
            if let Op::Put { lease, .. } = op
                && *lease != LeaseId::NONE
            {
                self.leases.get(*lease)?;
            }
        }
        for op in &ops {
            if let Op::Get { range } = op {
                self.readable(range.revision, self.current)?;
            }
        }
        let revision = self.current.next();
        let mut events = Vec::with_capacity(ops.len());
        let responses = ops.into_iter().map(|op| self.step(op, revision, &mut events)).collect();
        let effect = self.commit(revision, events);
        Ok((TxnResult { succeeded, revision: self.current, responses }, effect))
    }

    fn step(&mut self, op: Op, revision: Revision, events: &mut Vec<Event>) -> OpResult {
        match op {
            Op::Put { key, value, lease } => {
                events.push(self.put(key, value, lease, revision));
                OpResult::Put
            }
            Op::Delete { keys } => {
                let doomed: Vec<Bytes> = self.live(&keys, revision).map(|kv| kv.key.clone()).collect();
                let deleted = doomed.len() as u64;
                events.extend(doomed.iter().filter_map(|key| self.delete(key, revision)));
                OpResult::Delete { deleted }
            }
            Op::Get { range } => {
                let asked = range.revision.filter(|asked| *asked != Revision::ZERO);
                let seen = if events.is_empty() { self.current } else { revision };
                let read = self.read(&range, asked.unwrap_or(revision));
                OpResult::Get(RangeResult { revision: seen, ..read })
            }
        }
    }

    fn put(&mut self, key: Bytes, value: Bytes, lease: LeaseId, revision: Revision) -> Event {
        let history = self.keys.entry(key.clone()).or_default();
        let prev = history.newest().cloned();
        let kv = KeyValue {
            key,
            value,
            create_revision: prev.as_ref().map_or(revision, |prev| prev.create_revision),
            mod_revision: revision,
            version: prev.as_ref().map_or(0, |prev| prev.version) + 1,
            lease,
        };
        history.push(Version::Live(kv.clone()));
        let before = prev.as_ref().map_or(LeaseId::NONE, |prev| prev.lease);
        self.leases.attach(&kv.key, before, lease);
        Event { kind: EventKind::Put, kv, prev }
    }

    fn delete(&mut self, key: &Bytes, revision: Revision) -> Option<Event> {
        let history = self.keys.get_mut(key)?;
        let prev = history.newest().cloned()?;
        history.push(Version::Dead(revision));
        self.leases.attach(key, prev.lease, LeaseId::NONE);
        let kv = KeyValue { key: prev.key.clone(), mod_revision: revision, ..KeyValue::default() };
        Some(Event { kind: EventKind::Delete, kv, prev: Some(prev) })
    }

    fn commit(&mut self, revision: Revision, events: Vec<Event>) -> Option<Effect> {
        if events.is_empty() {
            return None;
        }
        let commit = Arc::new(Commit { revision, events });
        self.current = revision;
        self.log_bytes += bytes_of(&commit);
        self.log.push_back(commit.clone());
        Some(Effect::Commit(commit))
    }

    fn revoke(&mut self, id: LeaseId) -> Result<Vec<Effect>> {
        let keys = self.leases.get(id)?.keys.clone();
        let revision = self.current.next();
        let events = keys.iter().filter_map(|key| self.delete(key, revision)).collect();
        let mut effects: Vec<Effect> = self.commit(revision, events).into_iter().collect();
        if let Some(held) = self.leases.remove(id) {
            effects.push(Effect::Revoke { id, held });
        }
        Ok(effects)
    }

    fn accept_compaction(&mut self, at: Revision) -> Result<Effect> {
        if at > self.current {
            return Err(Error::FutureRevision);
        }
        if at <= self.compacted {
            return Err(Error::Compacted { at: Some(self.compacted) });
        }
        let before = std::mem::replace(&mut self.compacted, at);
        Ok(Effect::Compact { at, before })
    }

    /// Takes back what was not published, the newest first.
    pub fn undo(&mut self, effects: Vec<Effect>) {
        for effect in effects.into_iter().rev() {
            match effect {
                Effect::Commit(commit) => self.undo_commit(&commit),
                Effect::Grant { lease, last_named_before, .. } => {
                    self.leases.remove(lease.id);
                    self.leases.last_named = last_named_before;
                }
                Effect::Revoke { id, held } => self.leases.insert(id, held),
                Effect::Compact { before, .. } => self.compacted = before,
            }
        }
    }

    fn undo_commit(&mut self, commit: &Commit) {
        debug_assert_eq!(commit.revision, self.current);
        debug_assert!(commit.revision > self.published);
        for event in commit.events.iter().rev() {
            let key = &event.kv.key;
            if let Some(history) = self.keys.get_mut(key) {
                history.pop();
                if history.is_empty() {
                    self.keys.remove(key);
                }
            }
            let before = event.prev.as_ref().map_or(LeaseId::NONE, |prev| prev.lease);
            self.leases.attach(key, event.kv.lease, before);
        }
        self.log.pop_back();
        self.log_bytes -= bytes_of(commit);
        self.current = Revision(commit.revision.0 - 1);
    }

    /// Lets readers see all that was done, and forgets history beyond what is to be kept.
    /// Returns the revision that was seen before.
    pub fn publish(&mut self) -> Revision {
        let before = std::mem::replace(&mut self.published, self.current);
        let window = self.current.0.saturating_sub(self.retention.revisions_max);
        self.compacted = self.compacted.max(Revision(window));
        if !self.pinned {
            self.trim();
        }
        before
    }

    fn trim(&mut self) {
        while let Some(front) = self.log.front() {
            let over = self.log_bytes > self.retention.bytes_max && front.revision < self.current;
            if over {
                self.compacted = self.compacted.max(front.revision.next());
            }
            if self.trimmed >= self.compacted {
                break;
            }
            // The commit at the compacted revision stays for watches, its predecessors' values go.
            let commit = Arc::clone(front);
            if commit.revision > self.trimmed && commit.revision <= self.compacted {
                self.trim_keys(&commit);
            }
            if commit.revision >= self.compacted {
                self.trimmed = self.compacted;
                break;
            }
            self.trimmed = self.trimmed.max(commit.revision);
            self.log_bytes -= bytes_of(&commit);
            self.log.pop_front();
        }
    }

    fn trim_keys(&mut self, commit: &Commit) {
        for event in &commit.events {
            if let Some(history) = self.keys.get_mut(&event.kv.key) {
                history.trim(commit.revision);
                if history.is_empty() {
                    self.keys.remove(&event.kv.key);
                }
            }
        }
    }

    /// Keeps all that is kept now until [`Keyspace::unpin`]; returns the oldest such revision.
    pub fn pin(&mut self) -> Revision {
        self.pinned = true;
        self.trimmed.max(Revision::FIRST)
    }

    /// Lets history go again.
    pub fn unpin(&mut self) {
        self.pinned = false;
    }

    /// Starts from an image of the keys at `base`, before which all is forgotten.
    pub fn restore_base(&mut self, base: Revision, compacted: bool) {
        self.current = base;
        self.published = base;
        if compacted {
            self.compacted = base;
            self.trimmed = base;
        }
    }

    /// Adds a key of the image.
    pub fn restore_key(&mut self, kv: KeyValue) {
        self.leases.attach(&kv.key, LeaseId::NONE, kv.lease);
        self.keys.entry(kv.key.clone()).or_default().push(Version::Live(kv));
    }

    /// Adds the commit that made the image's revision, for watches alone.
    pub fn restore_base_commit(&mut self, revision: Revision, changes: Vec<Change>) {
        let events = changes.into_iter().filter_map(|change| match change {
            Change::Put { key, .. } => {
                let kv = self.keys.get(&key)?.newest()?.clone();
                Some(Event { kind: EventKind::Put, kv, prev: None })
            }
            Change::Delete { key } => {
                let kv = KeyValue { key, mod_revision: revision, ..KeyValue::default() };
                Some(Event { kind: EventKind::Delete, kv, prev: None })
            }
        });
        let commit = Commit { revision, events: events.collect() };
        self.log_bytes += bytes_of(&commit);
        self.log.push_back(Arc::new(commit));
    }

    /// Makes again what a kept commit did; `false` if it does not follow what is there.
    pub fn replay(&mut self, revision: Revision, changes: Vec<Change>) -> bool {
        if revision != self.current.next() || changes.is_empty() {
            return false;
        }
        let mut events = Vec::with_capacity(changes.len());
        for change in changes {
            let event = match change {
                Change::Put { key, value, lease } => Some(self.put(key, value, lease, revision)),
                Change::Delete { key } => self.delete(&key, revision),
            };
            match event {
                Some(event) => events.push(event),
                None => return false,
            }
        }
        self.commit(revision, events);
        true
    }

    /// Makes again what a kept compaction did.
    pub fn replay_compaction(&mut self, at: Revision) {
        self.compacted = self.compacted.max(at.min(self.current));
    }
}

/// One change of a commit as it is kept: what can't be worked out again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A key was written.
    Put {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
        /// Its lease.
        lease: LeaseId,
    },
    /// A key was deleted.
    Delete {
        /// The key.
        key: Bytes,
    },
}

fn bytes_of(commit: &Commit) -> usize {
    commit.events.iter().map(|event| event.kv.key.len() + event.kv.value.len()).sum()
}
