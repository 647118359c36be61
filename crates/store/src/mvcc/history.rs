//! The kept versions of one key, oldest first.

use crate::kv::{KeyValue, Revision};

/// One version of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// It was written.
    Live(KeyValue),
    /// It was deleted at this revision.
    Dead(Revision),
}

impl Version {
    fn revision(&self) -> Revision {
        match self {
            Self::Live(kv) => kv.mod_revision,
            Self::Dead(revision) => *revision,
        }
    }

    fn live(&self) -> Option<&KeyValue> {
        match self {
            Self::Live(kv) => Some(kv),
            Self::Dead(_) => None,
        }
    }
}

/// All kept versions of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    versions: Vec<Version>,
}

impl History {
    /// The newest version, if the key exists.
    #[must_use]
    pub fn newest(&self) -> Option<&KeyValue> {
        self.versions.last().and_then(Version::live)
    }

    /// The version that was there at `revision`.
    #[must_use]
    pub fn at(&self, revision: Revision) -> Option<&KeyValue> {
        let last = self.versions.last()?;
        if last.revision() <= revision {
            return last.live();
        }
        let after = self.versions.partition_point(|version| version.revision() <= revision);
        self.versions.get(after.checked_sub(1)?)?.live()
    }

    /// Adds a newer version.
    pub fn push(&mut self, version: Version) {
        debug_assert!(self.versions.last().is_none_or(|last| last.revision() < version.revision()));
        self.versions.push(version);
    }

    /// Takes the newest version back.
    pub fn pop(&mut self) {
        self.versions.pop();
    }

    /// Forgets what can't be read at `revision` or later.
    pub fn trim(&mut self, revision: Revision) {
        let after = self.versions.partition_point(|version| version.revision() <= revision);
        let Some(newest) = after.checked_sub(1) else { return };
        let dead = matches!(self.versions[newest], Version::Dead(_));
        self.versions.drain(..if dead { after } else { newest });
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(versions: &[(u64, bool)]) -> History {
        let mut history = History::default();
        for (revision, live) in versions {
            let mod_revision = Revision(*revision);
            history.push(match live {
                true => Version::Live(KeyValue { mod_revision, ..KeyValue::default() }),
                false => Version::Dead(mod_revision),
            });
        }
        history
    }

    #[test]
    fn reads_what_was_there() {
        let history = history(&[(3, true), (5, true), (7, false), (9, true)]);
        for (at, expect) in [(2, None), (3, Some(3)), (4, Some(3)), (6, Some(5)), (8, None), (10, Some(9))] {
            let found = history.at(Revision(at)).map(|kv| kv.mod_revision.0);
            assert_eq!(found, expect, "at {at}");
        }
    }

    #[test]
    fn a_trim_keeps_what_is_readable_from_there_on() {
        let all = [(3, true), (5, true), (7, false), (9, true)];
        for (at, kept) in [(2, &all[..]), (3, &all[..]), (5, &all[1..]), (6, &all[1..])] {
            let mut trimmed = history(&all);
            trimmed.trim(Revision(at));
            assert_eq!(trimmed, history(kept), "at {at}");
        }
        let mut trimmed = history(&all[..3]);
        trimmed.trim(Revision(7));
        assert!(trimmed.is_empty(), "a deletion leaves nothing once it is compacted");
    }
}
