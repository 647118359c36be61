//! A text that many objects have in common (an owner's uid, a node's name) → the keys of those objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use masthead_api::key::ObjectKey;

/// Sets of object keys by a text; empty sets are not kept. A clone shares all until it is written.
#[derive(Clone, Debug, Default)]
pub struct Index(Arc<BTreeMap<Arc<str>, Arc<BTreeSet<ObjectKey>>>>);

impl Index {
    /// Enters a key under a text.
    pub fn add(&mut self, text: &str, key: &ObjectKey) {
        let map = Arc::make_mut(&mut self.0);
        match map.get_mut(text) {
            Some(set) => {
                Arc::make_mut(set).insert(key.clone());
            }
            None => {
                map.insert(text.into(), Arc::new(BTreeSet::from([key.clone()])));
            }
        }
    }

    /// Takes a key out from under a text.
    pub fn remove(&mut self, text: &str, key: &ObjectKey) {
        let map = Arc::make_mut(&mut self.0);
        if let Some(set) = map.get_mut(text) {
            let set = Arc::make_mut(set);
            set.remove(key);
            if set.is_empty() {
                map.remove(text);
            }
        }
    }

    /// The keys under a text, in order.
    pub fn keys<'i>(&'i self, text: &str) -> impl Iterator<Item = &'i ObjectKey> + use<'i> {
        self.0.get(text).into_iter().flat_map(|set| set.iter())
    }

    /// All keys, by text.
    pub fn all(&self) -> impl Iterator<Item = &ObjectKey> {
        self.0.values().flat_map(|set| set.iter())
    }

    /// How many keys are under a text.
    pub fn count(&self, text: &str) -> usize {
        self.0.get(text).map_or(0, |set| set.len())
    }
}
