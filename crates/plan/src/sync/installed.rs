//! What the store knows of a release: what of it is applied, and how far its hooks have come.
//!
//! All of it is derived or observed. What neither a render nor a node could tell again is its witness, which is kept in
//! git, so that a store that is lost takes no history with it: no hook runs again, and no release is taken for new.

use std::collections::BTreeSet;

use masthead_api::key::ObjectKey;
use serde::{Deserialize, Serialize};

use crate::origin::Origin;
use crate::sync::release::{Hook, HookEvent, has_end};
use crate::sync::revision::Changes;

/// Digests of former states that are remembered, so that a way back is known for one (Helm's `--history-max`).
pub const FORMER_MAX: usize = 10;

/// One release that was applied, or is on its way to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Installed {
    /// The commit that changed it last.
    pub commit: String,
    /// Where it is written.
    pub origin: Origin,
    /// The digest of what is applied; none before the first time.
    pub applied: Option<String>,
    /// Whether it was once installed to the end, post-install hooks included.
    pub is_settled: bool,
    /// Digests of what was applied before, the newest last; at most [`FORMER_MAX`].
    pub former: Vec<String>,
    /// Its changes, as its templates are told of them.
    #[serde(default)]
    pub changes: Changes,
    /// The objects of what is applied, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectKey>,
    /// The hooks of what is applied: who removes the release has no other place to learn of those that run then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
    /// Tests that cannot be run, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken_tests: Vec<String>,
    /// Objects that hooks made and that may still be there.
    pub made: BTreeSet<ObjectKey>,
    /// Objects without an end that hooks made and that went with a lost store: they are made again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lost: BTreeSet<ObjectKey>,
    /// The change under way.
    pub run: Option<Run>,
}

impl Installed {
    /// What of it is kept in git: neither manifests nor what is known again as soon as the release is rendered.
    pub fn witness(&self) -> Installed {
        Installed {
            commit: self.commit.clone(),
            origin: self.origin.clone(),
            applied: self.applied.clone(),
            is_settled: self.is_settled,
            former: self.former.clone(),
            changes: self.changes.clone(),
            objects: Vec::new(),
            hooks: Vec::new(),
            broken_tests: Vec::new(),
            made: self.made.clone(),
            lost: self.lost.clone(),
            run: self.run.clone(),
        }
    }

    /// A witness as the record of a store that knows nothing else: what ran when the store was lost runs once more, as no
    /// end of it could be known; objects that hooks made and that had no end are to be made again.
    #[must_use]
    pub fn restored(mut self) -> Installed {
        self.lost.extend(self.made.iter().filter(|key| !has_end(key)).cloned());
        if let Some(run) = &mut self.run {
            run.active = None;
            run.ending.clear();
        }
        self
    }
}

/// A part of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The hooks before it.
    Pre,
    /// The objects.
    Main,
    /// The hooks after it.
    Post,
}

/// A change of a release on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The commit that asked for it.
    pub commit: String,
    /// The digest of what is to be applied; none when the release is removed.
    pub digest: Option<String>,
    /// Which hooks come before.
    pub pre: HookEvent,
    /// Which come after.
    pub post: HookEvent,
    /// Where it is.
    pub phase: Phase,
    /// Which hook of the phase is the next, by its place in their order.
    pub next: usize,
    /// Places of those hooks of the phase that have come to a good end, so that they do not run again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<usize>,
    /// Whether what the hooks of the phase leave is deleted as their policies say.
    #[serde(default)]
    pub is_clean: bool,
    /// The hook that runs.
    pub active: Option<Active>,
    /// Objects that its hooks made.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub made: BTreeSet<ObjectKey>,
    /// Objects that hooks of changes made which were called off before their end: whatever their delete policies say,
    /// they make room.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub left: BTreeSet<ObjectKey>,
    /// Objects of an earlier change whose hooks were under way, by key and uid: they end first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ending: Vec<(ObjectKey, String)>,
    /// Why it does not go on.
    pub failed: Option<Failed>,
}

/// A hook that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    /// Its object.
    pub key: ObjectKey,
    /// The uid with which it was made.
    pub uid: String,
    /// Since when, in Unix seconds.
    pub since_s: i64,
}

/// A hook that failed; it runs again with the next commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The commit with which it did.
    pub commit: String,
    /// Which, and why: `pre-upgrade hook Job default/migrate failed: …`.
    pub why: String,
}
