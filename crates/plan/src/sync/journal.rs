//! Keys of what changed, one after the other → those that may have changed since a mark, as long as that is remembered.

use std::collections::{BTreeSet, VecDeque};

use masthead_api::key::ObjectKey;

/// How many changes are remembered; who asks for more looks at everything.
pub const KEPT_MAX: usize = 2048;

/// A moment of a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// The last changes of something with keys.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// The mark before the first that is kept.
    first: u64,
    keys: VecDeque<ObjectKey>,
}

impl Journal {
    /// Now.
    pub fn mark(&self) -> Mark {
        Mark(self.first + self.keys.len() as u64)
    }

    /// Notes that something of this key changed.
    pub fn note(&mut self, key: &ObjectKey) {
        if self.keys.len() == KEPT_MAX {
            self.keys.pop_front();
            self.first += 1;
        }
        self.keys.push_back(key.clone());
    }

    /// Notes that everything may be another: nothing is known of any mark before.
    pub fn forget(&mut self) {
        self.first = self.mark().0 + 1;
        self.keys.clear();
    }

    /// What may have changed since a mark of this journal; `None` when that is not remembered.
    pub fn since(&self, mark: Mark) -> Option<BTreeSet<ObjectKey>> {
        let from = usize::try_from(mark.0.checked_sub(self.first)?).ok()?;
        Some(self.keys.iter().skip(from).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use masthead_api::kind::registry::CONFIG_MAP;

    use super::*;

    fn key(number: usize) -> ObjectKey {
        ObjectKey::new(CONFIG_MAP, "n", format!("c{number:05}"))
    }

    #[test]
    fn what_changed_is_remembered_for_a_while() {
        let mut journal = Journal::default();
        let start = journal.mark();
        assert_eq!(journal.since(start), Some(BTreeSet::new()));
        [1, 2, 1].into_iter().for_each(|number| journal.note(&key(number)));
        let later = journal.mark();
        journal.note(&key(3));
        assert_eq!(journal.since(start), Some([1, 2, 3].map(key).into()));
        assert_eq!(journal.since(later), Some([3].map(key).into()));
        assert_eq!(journal.since(journal.mark()), Some(BTreeSet::new()));
        (0..KEPT_MAX - 4).for_each(|number| journal.note(&key(number)));
        assert!(journal.since(start).is_some(), "as many as are kept");
        journal.note(&key(9));
        assert_eq!(journal.since(start), None, "one more");
        assert!(journal.since(later).is_some());
        let before = journal.mark();
        journal.forget();
        assert_eq!((journal.since(before), journal.since(journal.mark())), (None, Some(BTreeSet::new())));
    }
}
