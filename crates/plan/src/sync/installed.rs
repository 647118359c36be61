//! What the store knows of a release: what of it is applied, and how far its hooks have come. Derived, like all there.

use std::collections::BTreeSet;

use masthead_api::key::ObjectKey;
use serde::{Deserialize, Serialize};

use crate::desired::Origin;
use crate::sync::release::{Hook, HookEvent};

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
    /// The objects of what is applied, sorted.
    pub objects: Vec<ObjectKey>,
    /// The hooks of what is applied: who removes the release has no other place to learn of those that run then.
    pub hooks: Vec<Hook>,
    /// Tests that cannot be run, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken_tests: Vec<String>,
    /// Objects that hooks made and that may still be there.
    pub made: BTreeSet<ObjectKey>,
    /// The change under way.
    pub run: Option<Run>,
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
