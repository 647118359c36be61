//! Attachments by key, in buckets that clones share: a change copies one bucket, a comparison reads what differs.
//!
//! Every node holds all services of the cluster, and most changes are of one endpoint. So a map of all nodes' common
//! attachments is kept once and shared, and neither the control plane nor an agent walks it for a change. What a node alone
//! has changes with each of its pods, and is kept in the same way, in fewer buckets.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::object::{Attachment, AttachmentKey};

/// How many parts the map of all nodes has: with 15,000 entries a change copies about sixty.
const BUCKETS: usize = 256;
/// How many parts the map of one node has: with 1,000 entries a change copies about sixteen.
const OWN_BUCKETS: usize = 64;

type Bucket = BTreeMap<AttachmentKey, Arc<Attachment>>;

/// Attachments by key. A clone costs nothing, and a change after it copies a bucket.
#[derive(Clone, Default)]
pub struct Shared<const COUNT: usize = BUCKETS> {
    /// Empty, or `COUNT` of them.
    buckets: Arc<Vec<Arc<Bucket>>>,
    len: usize,
}

/// Which of so many buckets a key is in (FNV-1a).
fn bucket_of(key: &AttachmentKey, count: usize) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in [&key.kind, &key.namespace, &key.name].into_iter().flat_map(|text| text.bytes().chain([0xff])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    ((hash ^ (hash >> 32)) % count as u64) as usize
}

impl<const COUNT: usize> Shared<COUNT> {
    /// The attachment of a key.
    pub fn get(&self, key: &AttachmentKey) -> Option<&Arc<Attachment>> {
        self.buckets.get(bucket_of(key, COUNT))?.get(key)
    }

    /// Adds or replaces one; what is the same stays the same allocation. Says whether that changed anything.
    pub fn insert(&mut self, attachment: Arc<Attachment>) -> bool {
        if self.get(&attachment.key).is_some_and(|known| is_same(known, &attachment)) {
            return false;
        }
        let buckets = Arc::make_mut(&mut self.buckets);
        if buckets.is_empty() {
            // All are the same empty one until something is in them.
            buckets.resize(COUNT, Arc::default());
        }
        let bucket = Arc::make_mut(&mut buckets[bucket_of(&attachment.key, COUNT)]);
        if bucket.insert(attachment.key.clone(), attachment).is_none() {
            self.len += 1;
        }
        true
    }

    /// Takes one out. Says whether it was there.
    pub fn remove(&mut self, key: &AttachmentKey) -> bool {
        if self.get(key).is_none() {
            return false;
        }
        let bucket = &mut Arc::make_mut(&mut self.buckets)[bucket_of(key, COUNT)];
        Arc::make_mut(bucket).remove(key);
        self.len -= 1;
        true
    }

    /// All, in an order that the keys alone decide.
    pub fn iter(&self) -> impl Iterator<Item = (&AttachmentKey, &Arc<Attachment>)> {
        self.buckets.iter().flat_map(|bucket| bucket.iter())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keys that may differ from those of `other`: all of the buckets that are not the same allocation.
    fn suspects<'a>(&'a self, other: &'a Self, keys: &mut Vec<&'a AttachmentKey>) {
        if Arc::ptr_eq(&self.buckets, &other.buckets) {
            return;
        }
        for at in 0..COUNT {
            let (mine, theirs) = (self.buckets.get(at), other.buckets.get(at));
            if let (Some(mine), Some(theirs)) = (mine, theirs)
                && Arc::ptr_eq(mine, theirs)
            {
                continue;
            }
            let of = |bucket: Option<&'a Arc<Bucket>>| bucket.into_iter().flat_map(|bucket| bucket.iter());
            let differs = |there: Option<&'a Arc<Bucket>>, key: &AttachmentKey, here: &Arc<Attachment>| {
                there.and_then(|bucket| bucket.get(key)).is_none_or(|there| !is_same(there, here))
            };
            keys.extend(of(mine).filter(|(key, here)| differs(theirs, key, here)).map(|(key, _)| key));
            keys.extend(of(theirs).filter(|(key, here)| differs(mine, key, here)).map(|(key, _)| key));
        }
    }
}

/// Whether two attachments of one key say the same.
fn is_same(a: &Arc<Attachment>, b: &Arc<Attachment>) -> bool {
    Arc::ptr_eq(a, b) || a.digest == b.digest
}

/// The attachments of one node: those that all nodes have, and its own.
///
/// An agent keeps all in one layer; the control plane gives every node the same common layer. A key that is in both
/// layers counts once, as the common layer has it.
#[derive(Clone, Default)]
pub struct Attachments {
    common: Shared,
    own: Shared<OWN_BUCKETS>,
}

/// One attachment before and after; at least one side is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// As it was; absent when it is new.
    pub old: Option<Arc<Attachment>>,
    /// As it is; absent when it is gone.
    pub new: Option<Arc<Attachment>>,
}

impl Difference {
    /// The key of the attachment.
    pub fn key(&self) -> Option<&AttachmentKey> {
        self.new.as_ref().or(self.old.as_ref()).map(|attachment| &attachment.key)
    }
}

impl Attachments {
    /// Exchanges the layer that all nodes have.
    pub fn set_common(&mut self, common: Shared) {
        self.common = common;
    }

    /// Adds or replaces one of the node's own. Says whether that changed anything.
    pub fn insert_own(&mut self, attachment: Arc<Attachment>) -> bool {
        self.own.insert(attachment)
    }

    /// Takes out one of the node's own. Says whether it was there.
    pub fn remove_own(&mut self, key: &AttachmentKey) -> bool {
        self.own.remove(key)
    }

    /// The attachment of a key.
    pub fn get(&self, key: &AttachmentKey) -> Option<&Arc<Attachment>> {
        self.common.get(key).or_else(|| self.own.get(key))
    }

    /// Whether there is one of this key.
    pub fn contains_key(&self, key: &AttachmentKey) -> bool {
        self.get(key).is_some()
    }

    /// Adds or replaces one.
    pub fn insert(&mut self, attachment: Arc<Attachment>) {
        self.own.remove(&attachment.key);
        self.common.insert(attachment);
    }

    /// Takes one out.
    pub fn remove(&mut self, key: &AttachmentKey) {
        self.common.remove(key);
        self.own.remove(key);
    }

    /// All, each key once.
    pub fn iter(&self) -> impl Iterator<Item = (&AttachmentKey, &Arc<Attachment>)> {
        self.common.iter().chain(self.own.iter().filter(|(key, _)| self.common.get(key).is_none()))
    }

    /// All, without their keys.
    pub fn values(&self) -> impl Iterator<Item = &Arc<Attachment>> {
        self.iter().map(|(_, attachment)| attachment)
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &AttachmentKey> {
        self.iter().map(|(key, _)| key)
    }

    /// Those of one kind.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Arc<Attachment>> {
        self.values().filter(move |attachment| attachment.key.kind == kind)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.common.len() + self.own.iter().filter(|(key, _)| self.common.get(key).is_none()).count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.common.is_empty() && self.own.is_empty()
    }

    /// What is new, gone or says something else than in `old`; the cost follows what differs, not what there is.
    pub fn since(&self, old: &Attachments) -> Vec<Difference> {
        let mut keys = Vec::new();
        old.common.suspects(&self.common, &mut keys);
        old.own.suspects(&self.own, &mut keys);
        keys.sort_unstable();
        keys.dedup();
        let pairs = keys.into_iter().map(|key| (old.get(key).cloned(), self.get(key).cloned()));
        pairs
            .filter(|pair| !matches!(pair, (Some(old), Some(new)) if is_same(old, new)))
            .map(|(old, new)| Difference { old, new })
            .collect()
    }
}

impl PartialEq for Attachments {
    fn eq(&self, other: &Self) -> bool {
        self.since(other).is_empty()
    }
}

impl Eq for Attachments {}

impl std::fmt::Debug for Attachments {
    /// Keys only: contents may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.keys()).finish()
    }
}

impl FromIterator<Arc<Attachment>> for Attachments {
    fn from_iter<I: IntoIterator<Item = Arc<Attachment>>>(all: I) -> Self {
        let mut common = Shared::default();
        for attachment in all {
            common.insert(attachment);
        }
        Self { common, own: Shared::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(name: u64, content: u64) -> Arc<Attachment> {
        let json = format!(r#"{{"metadata":{{"name":"a{name}"}},"data":{content}}}"#);
        Arc::new(Attachment::parse("X", json.into()).unwrap())
    }

    /// Against plain maps, by seed: what is in both layers counts once, and `since` names exactly what differs.
    #[test]
    fn differences_are_those_of_plain_maps() {
        for seed in 1..200_u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut random = |below: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state % below
            };
            let mut pick = || {
                let (mut common, mut all) = (Shared::default(), Attachments::default());
                let mut plain = BTreeMap::new();
                for name in 0..12 {
                    let one = attachment(name, random(3));
                    match random(5) {
                        0 => drop(common.insert(one)),
                        1 => assert!(all.insert_own(one.clone()) && !all.insert_own(one)),
                        2 => {
                            common.insert(one);
                            all.insert_own(attachment(name, 9));
                        }
                        3 => assert!(all.insert_own(one.clone()) && all.remove_own(&one.key)),
                        _ => assert!(!all.remove_own(&one.key)),
                    }
                }
                all.set_common(common);
                plain.extend(all.iter().map(|(key, one)| (key.clone(), one.digest)));
                assert_eq!(all.len(), plain.len());
                assert!(plain.iter().all(|(key, digest)| all.get(key).unwrap().digest == *digest));
                (all, plain)
            };
            let ((old, before), (new, after)) = (pick(), pick());
            let mut expect: Vec<&AttachmentKey> =
                before.keys().chain(after.keys()).filter(|key| before.get(key) != after.get(key)).collect();
            expect.sort_unstable();
            expect.dedup();
            let differences = new.since(&old);
            let got: Vec<&AttachmentKey> = differences.iter().filter_map(Difference::key).collect();
            assert_eq!(got, expect, "seed {seed}");
            let mut made = old.clone();
            for difference in &differences {
                match (&difference.old, &difference.new) {
                    (_, Some(new)) => made.insert(new.clone()),
                    (Some(old), None) => made.remove(&old.key),
                    (None, None) => panic!("neither side"),
                }
            }
            assert_eq!(made, new, "seed {seed}");
            assert!(made.since(&new).is_empty());
        }
    }

    #[test]
    fn a_change_shares_all_other_buckets() {
        let old: Attachments = (0..2000).map(|name| attachment(name, 0)).collect();
        let mut new = old.clone();
        new.insert(attachment(7, 1));
        let shared =
            old.common.buckets.iter().zip(new.common.buckets.iter()).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!(shared, BUCKETS - 1);
        assert_eq!(new.since(&old).len(), 1);
        // Said again, it is the same.
        let mut again = new.clone();
        again.insert(attachment(7, 1));
        assert!(Arc::ptr_eq(&again.common.buckets, &new.common.buckets));
        // What a node alone has is shared in the same way.
        let mut old = Attachments::default();
        (0..2000).for_each(|name| assert!(old.insert_own(attachment(name, 0))));
        let mut new = old.clone();
        assert!(new.insert_own(attachment(7, 1)) && new.remove_own(&attachment(8, 0).key));
        let pairs = old.own.buckets.iter().zip(new.own.buckets.iter());
        assert!(pairs.filter(|(a, b)| Arc::ptr_eq(a, b)).count() >= OWN_BUCKETS - 2);
        assert_eq!((new.since(&old).len(), new.len()), (2, 1999));
    }
}
