//! The changes of a release that were taken up, and what goes into its next render → what its templates are told of it.
//!
//! Helm counts what somebody asked it for. Here a change is other inputs: chart, values, name or namespace. What was
//! applied before is told what it was told then, so that neither another commit nor a new start makes another text of it,
//! and going back gives the very manifests that were there, as `helm rollback` does.

use serde::{Deserialize, Serialize};

/// Changes that are remembered, the one that is there among them: as many states as a way back is known for.
const KNOWN_MAX: usize = 11;

/// What templates are told: `.Release.Revision`, `.Release.IsUpgrade` and, as its opposite, `.Release.IsInstall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// Which change it is, from 1.
    pub number: u32,
    /// Whether something of the release was applied before it.
    pub is_upgrade: bool,
}

impl Revision {
    /// The first installation.
    pub const FIRST: Revision = Revision { number: 1, is_upgrade: false };
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    /// Stands for all that goes into the render.
    inputs: String,
    revision: Revision,
    /// Whether its objects were applied.
    is_applied: bool,
}

/// The changes of a release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// How many there were, ways back among them.
    count: u32,
    /// Those that are remembered, the newest last.
    known: Vec<Change>,
}

impl Changes {
    /// What the templates are told when they are rendered with these inputs; `was_applied` says whether anything of the
    /// release is applied.
    pub fn told(&self, inputs: &str, was_applied: bool) -> Revision {
        match self.known.iter().rev().find(|change| change.inputs == inputs) {
            Some(change) => change.revision,
            // A record of a version that did not count, which told all of them this.
            None if self.known.is_empty() => Revision::FIRST,
            None => Revision { number: self.count.saturating_add(1), is_upgrade: was_applied },
        }
    }

    /// A change to these inputs begins.
    pub(in crate::sync) fn begin(&mut self, inputs: &str, was_applied: bool) {
        if self.known.last().is_some_and(|newest| newest.inputs == inputs) {
            return;
        }
        let revision = self.told(inputs, was_applied);
        // What was taken up and never applied is nothing to go back to.
        let was_there = self.known.iter().any(|change| change.inputs == inputs && change.is_applied);
        self.known.retain(|change| change.is_applied && change.inputs != inputs);
        self.known.push(Change { inputs: inputs.to_owned(), revision, is_applied: was_there });
        self.count = self.count.saturating_add(1);
        let spare = self.known.len().saturating_sub(KNOWN_MAX);
        self.known.drain(..spare);
    }

    /// The objects of the newest change are applied.
    pub(in crate::sync) fn apply(&mut self) {
        if let Some(newest) = self.known.last_mut() {
            newest.is_applied = true;
        }
    }

    /// How many changes there were.
    pub fn count(&self) -> u32 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted_and_ways_back_are_told_what_was_told_then() {
        let mut changes = Changes::default();
        // Inputs, whether anything is applied, what is told, the count after it, whether it comes to be applied.
        let mut check = |inputs: &str, was_applied: bool, told: (u32, bool), count: u32, applies: bool| {
            let expect = Revision { number: told.0, is_upgrade: told.1 };
            assert_eq!(changes.told(inputs, was_applied), expect, "{inputs} before");
            changes.begin(inputs, was_applied);
            assert_eq!(changes.told(inputs, was_applied), expect, "{inputs} while");
            if applies {
                changes.apply();
            }
            assert_eq!(changes.told(inputs, true), expect, "{inputs} after");
            assert_eq!(changes.count(), count, "{inputs}");
        };
        // The first one fails in a hook: the next is an installation too.
        check("a", false, (1, false), 1, false);
        check("a", false, (1, false), 1, false);
        check("b", false, (2, false), 2, true);
        check("c", true, (3, true), 3, true);
        check("b", true, (2, false), 4, true);
        check("d", true, (5, true), 5, false);
        // Called off, and back to what is applied.
        check("b", true, (2, false), 6, true);
        check("d", true, (7, true), 7, true);
        // Never applied, so that there is no way back to it.
        check("a", true, (8, true), 8, true);
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut changes = Changes::default();
        for at in 0..1000 {
            changes.begin(&at.to_string(), at > 0);
            changes.apply();
        }
        assert_eq!((changes.count(), changes.known.len()), (1000, KNOWN_MAX));
        assert_eq!(changes.told("999", true).number, 1000);
        assert_eq!(changes.told("989", true).number, 990);
        assert_eq!(changes.told("5", true).number, 1001);
    }

    #[test]
    fn a_record_of_before_tells_what_was_told_before() {
        let read: Changes = serde_json::from_str(r#"{"count":0,"known":[]}"#).expect("JSON");
        assert_eq!(read.told("anything", true), Revision::FIRST);
        assert_eq!(read, Changes::default());
    }
}
