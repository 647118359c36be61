//! Objects of one kind and namespace → a sorted set by name that is shared until it is written.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use masthead_api::object::Object;

/// An object that is ordered and found by its name.
#[derive(Clone, Debug)]
struct Named(Arc<Object>);

impl Named {
    fn name(&self) -> &str {
        &self.0.key().name
    }
}

impl Borrow<str> for Named {
    fn borrow(&self) -> &str {
        self.name()
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Named) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Named {}

impl PartialOrd for Named {
    fn partial_cmp(&self, other: &Named) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Named {
    fn cmp(&self, other: &Named) -> Ordering {
        self.name().cmp(other.name())
    }
}

/// All objects of one kind in one namespace, by name.
///
/// A clone shares the set; the first write after it copies one pointer an object.
#[derive(Clone, Debug, Default)]
pub struct Shard(Arc<BTreeSet<Named>>);

impl Shard {
    /// The object of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Object>> {
        self.0.get(name).map(|named| &named.0)
    }

    /// Puts an object in place of the one of its name.
    pub fn put(&mut self, object: Arc<Object>) {
        Arc::make_mut(&mut self.0).replace(Named(object));
    }

    /// Takes the object of this name out.
    pub fn remove(&mut self, name: &str) {
        Arc::make_mut(&mut self.0).remove(name);
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many objects it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All objects by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.0.iter().map(|named| &named.0)
    }
}
