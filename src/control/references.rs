//! What each pod refers to → which objects a node's pods refer to, and which nodes an object's change concerns.

use std::collections::{BTreeMap, BTreeSet};

use masthead_api::key::ObjectKey;

/// References of the pods of all nodes, by pod, by node and by object.
#[derive(Default)]
pub struct References {
    pods: BTreeMap<String, Referring>,
    /// How many pods of a node refer to an object.
    nodes: BTreeMap<String, BTreeMap<ObjectKey, usize>>,
    /// Nodes with pods that refer to an object.
    objects: BTreeMap<ObjectKey, BTreeSet<String>>,
}

/// A pod that refers to something.
struct Referring {
    node: String,
    keys: BTreeSet<ObjectKey>,
}

/// Objects that nodes need now and did not, or need no more, by node.
pub type Needs = BTreeMap<String, BTreeSet<ObjectKey>>;

impl References {
    /// Notes what a pod refers to now. What its node may need, or need no more, is added to `needs`.
    pub fn set(&mut self, uid: &str, node: &str, keys: BTreeSet<ObjectKey>, needs: &mut Needs) {
        let known = self.pods.get(uid);
        if known.is_some_and(|known| known.node == node && known.keys == keys) {
            return;
        }
        // What both name must not seem to go in between.
        self.count(node, &keys, needs);
        self.forget(uid, needs);
        if !keys.is_empty() {
            self.pods.insert(uid.to_owned(), Referring { node: node.to_owned(), keys });
        }
    }

    /// Forgets a pod. What its node needs no more is added to `needs`.
    pub fn forget(&mut self, uid: &str, needs: &mut Needs) {
        let Some(Referring { node, keys }) = self.pods.remove(uid) else { return };
        let Some(counts) = self.nodes.get_mut(&node) else { return };
        for key in keys {
            let Some(count) = counts.get_mut(&key) else { continue };
            *count -= 1;
            if *count > 0 {
                continue;
            }
            counts.remove(&key);
            if let Some(nodes) = self.objects.get_mut(&key) {
                nodes.remove(&node);
                if nodes.is_empty() {
                    self.objects.remove(&key);
                }
            }
            needs.entry(node.clone()).or_default().insert(key);
        }
        if counts.is_empty() {
            self.nodes.remove(&node);
        }
    }

    fn count(&mut self, node: &str, keys: &BTreeSet<ObjectKey>, needs: &mut Needs) {
        for key in keys {
            let count = self.nodes.entry(node.to_owned()).or_default().entry(key.clone()).or_default();
            *count += 1;
            if *count == 1 {
                self.objects.entry(key.clone()).or_default().insert(node.to_owned());
                needs.entry(node.to_owned()).or_default().insert(key.clone());
            }
        }
    }

    /// Whether pods of a node refer to an object.
    pub fn is_needed(&self, node: &str, key: &ObjectKey) -> bool {
        self.nodes.get(node).is_some_and(|counts| counts.contains_key(key))
    }

    /// The nodes with pods that refer to an object.
    pub fn nodes_of(&self, key: &ObjectKey) -> impl Iterator<Item = &String> {
        self.objects.get(key).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use masthead_api::kind::registry::SECRET;

    use super::*;

    /// Against plain maps, by seed: counts never go wrong, and what a node needs or needs no more is told.
    #[test]
    fn references_are_those_of_plain_maps() {
        for seed in 1..100_u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut random = |below: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state % below
            };
            let mut references = References::default();
            let mut plain: BTreeMap<String, (String, BTreeSet<ObjectKey>)> = BTreeMap::new();
            let of_node =
                |plain: &BTreeMap<String, (String, BTreeSet<ObjectKey>)>, node: &str| -> BTreeSet<ObjectKey> {
                    plain.values().filter(|(on, _)| on == node).flat_map(|(_, keys)| keys.clone()).collect()
                };
            for _ in 0..200 {
                let (uid, node) = (format!("u{}", random(4)), format!("n{}", random(2)));
                let before = ["n0", "n1"].map(|node| of_node(&plain, node));
                let mut needs = Needs::new();
                if random(3) == 0 {
                    plain.remove(&uid);
                    references.forget(&uid, &mut needs);
                } else {
                    let keys: BTreeSet<ObjectKey> =
                        (0..random(3)).map(|_| ObjectKey::new(SECRET, "n", format!("s{}", random(3)))).collect();
                    plain.insert(uid.clone(), (node.clone(), keys.clone()));
                    references.set(&uid, &node, keys, &mut needs);
                }
                for (node, before) in ["n0", "n1"].into_iter().zip(before) {
                    let after = of_node(&plain, node);
                    for key in (0..3).map(|n| ObjectKey::new(SECRET, "n", format!("s{n}"))) {
                        assert_eq!(references.is_needed(node, &key), after.contains(&key), "seed {seed}");
                        assert_eq!(references.nodes_of(&key).any(|on| on == node), after.contains(&key), "seed {seed}");
                        // What a node needs no more and needs again at once may be told of needlessly, never the other
                        // way round.
                        let is_told = needs.get(node).is_some_and(|keys| keys.contains(&key));
                        assert!(is_told || before.contains(&key) == after.contains(&key), "seed {seed}: {key}");
                    }
                }
            }
            for uid in plain.keys() {
                references.forget(uid, &mut Needs::new());
            }
            assert!(references.nodes.is_empty() && references.objects.is_empty() && references.pods.is_empty());
        }
    }
}
