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

impl References {
    /// Notes what a pod refers to now. Says whether its node needs other objects than before.
    pub fn set(&mut self, uid: &str, node: &str, keys: BTreeSet<ObjectKey>) -> bool {
        let known = self.pods.get(uid);
        if known.is_some_and(|known| known.node == node && known.keys == keys) {
            return false;
        }
        // What both name must not seem to go in between.
        let came = self.count(node, &keys);
        let went = self.forget(uid);
        if !keys.is_empty() {
            self.pods.insert(uid.to_owned(), Referring { node: node.to_owned(), keys });
        }
        came || went
    }

    /// Forgets a pod. Says whether its node needs fewer objects.
    pub fn forget(&mut self, uid: &str) -> bool {
        let Some(Referring { node, keys }) = self.pods.remove(uid) else { return false };
        let Some(counts) = self.nodes.get_mut(&node) else { return false };
        let mut went = false;
        for key in &keys {
            let Some(count) = counts.get_mut(key) else { continue };
            *count -= 1;
            if *count == 0 {
                counts.remove(key);
                went = true;
                if let Some(nodes) = self.objects.get_mut(key) {
                    nodes.remove(&node);
                    if nodes.is_empty() {
                        self.objects.remove(key);
                    }
                }
            }
        }
        if counts.is_empty() {
            self.nodes.remove(&node);
        }
        went
    }

    fn count(&mut self, node: &str, keys: &BTreeSet<ObjectKey>) -> bool {
        let mut came = false;
        for key in keys {
            let count = self.nodes.entry(node.to_owned()).or_default().entry(key.clone()).or_default();
            *count += 1;
            if *count == 1 {
                came = true;
                self.objects.entry(key.clone()).or_default().insert(node.to_owned());
            }
        }
        came
    }

    /// The objects that pods of a node refer to.
    pub fn of_node(&self, node: &str) -> impl Iterator<Item = &ObjectKey> {
        self.nodes.get(node).into_iter().flat_map(BTreeMap::keys)
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

    /// Against plain maps, by seed: counts never go wrong, and a change is told when the set of a node is another.
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
                let before = [of_node(&plain, "n0"), of_node(&plain, "n1")];
                let told = if random(3) == 0 {
                    plain.remove(&uid);
                    references.forget(&uid)
                } else {
                    let keys: BTreeSet<ObjectKey> =
                        (0..random(3)).map(|_| ObjectKey::new(SECRET, "n", format!("s{}", random(3)))).collect();
                    plain.insert(uid.clone(), (node.clone(), keys.clone()));
                    references.set(&uid, &node, keys)
                };
                let after = [of_node(&plain, "n0"), of_node(&plain, "n1")];
                for (node, wanted) in ["n0", "n1"].into_iter().zip(&after) {
                    assert_eq!(references.of_node(node).cloned().collect::<BTreeSet<_>>(), *wanted, "seed {seed}");
                    let named = |key: &ObjectKey| references.nodes_of(key).any(|on| on == node);
                    assert!(wanted.iter().all(named), "seed {seed}");
                }
                // What a node needs no more and needs again at once may be told of needlessly, never the other way round.
                assert!(told || before == after, "seed {seed}: {before:?} → {after:?}");
            }
            for uid in plain.keys() {
                references.forget(uid);
            }
            assert!(references.nodes.is_empty() && references.objects.is_empty() && references.pods.is_empty());
        }
    }
}
