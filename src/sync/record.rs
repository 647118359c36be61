//! What became of a commit: the record that the store keeps, `masthead log` shows and the git note tells.

use std::fmt;

use bytes::Bytes;
use masthead_api::key::ObjectKey;
use masthead_plan::desired::CommitFacts;
use masthead_plan::sync::installed::Installed;
use masthead_plan::sync::release::ReleaseKey;
use masthead_store::kv::Op;
use masthead_store::objects::OWN_ROOT;
use serde::{Deserialize, Serialize};

/// The key below [`OWN_ROOT`] that names the newest commit whose writes are all done.
pub const REPOSITORY: &str = "repository";

/// The prefix below [`OWN_ROOT`] of the records of commits.
pub const COMMITS: &str = "commits/";

/// The prefix below [`OWN_ROOT`] of the records of releases, by namespace and name.
pub const INSTALLED: &str = "installed/";

/// What hooks did that a record of a commit names.
pub const HOOKS_MAX: usize = 100;

/// Records kept; the oldest go first.
pub const RECORDS_MAX: usize = 1000;

/// Objects that a record names; what a larger commit changed is known from what git last asked for.
pub const CHANGED_MAX: usize = 200;

/// Where a commit is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Its writes are being made.
    Applying,
    /// All is written and rolls out.
    Progressing,
    /// All that it changed is up.
    Healthy,
    /// It could not be planned, or what it changed did not come up.
    Failed,
    /// A newer commit took its place before it was healthy.
    Superseded,
    /// It was not applied: the tree is invalid, or it needs a confirmation.
    Refused,
}

impl Outcome {
    /// Whether nothing more happens by itself.
    pub fn is_final(self) -> bool {
        !matches!(self, Outcome::Applying | Outcome::Progressing)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Applying => "applying",
            Outcome::Progressing => "progressing",
            Outcome::Healthy => "healthy",
            Outcome::Failed => "failed",
            Outcome::Superseded => "superseded",
            Outcome::Refused => "refused",
        })
    }
}

/// One commit and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommitRecord {
    /// Counts the commits that were taken up, from 1.
    pub sequence: u64,
    /// The commit.
    pub commit: CommitFacts,
    /// Where it stands.
    pub outcome: Outcome,
    /// What it changed: `2 to create, 1 to change, …`.
    pub summary: String,
    /// Why it stands there; empty when all is well.
    pub detail: String,
    /// When it was taken up, in Unix seconds.
    pub started_s: i64,
    /// When it came to its outcome, in Unix seconds.
    pub finished_s: Option<i64>,
    /// Milliseconds from taking it up to its outcome.
    pub took_ms: Option<u64>,
    /// Store keys of the objects that it changed, whose health decides; at most [`CHANGED_MAX`].
    pub changed: Vec<String>,
    /// How many more it changed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub changed_more: usize,
    /// Store keys of what the commits that it superseded had changed and that was not up when it took their place; at
    /// most [`CHANGED_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inherited: Vec<String>,
    /// What hooks of its releases did, a line each; at most [`HOOKS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl CommitRecord {
    /// Notes what it changed.
    pub fn set_changed<'a>(&mut self, keys: impl ExactSizeIterator<Item = &'a ObjectKey>) {
        self.changed_more = keys.len().saturating_sub(CHANGED_MAX);
        self.changed = keys.take(CHANGED_MAX).map(ObjectKey::store_key).collect();
    }

    /// One line for a person, also the git note's text.
    pub fn line(&self) -> String {
        let took = self.took_ms.map(|ms| format!(" after {}", seconds(ms))).unwrap_or_default();
        let detail = if self.detail.is_empty() { String::new() } else { format!(": {}", self.detail) };
        format!("{}{took}{detail} ({})", self.outcome, self.summary)
    }

    /// The write that keeps it.
    pub fn put(&self) -> Result<Op, serde_json::Error> {
        Ok(Op::put(format!("{OWN_ROOT}{COMMITS}{}", self.commit.id), serde_json::to_vec(self)?))
    }

    /// The write that forgets it.
    pub fn forget(&self) -> Op {
        Op::delete(format!("{OWN_ROOT}{COMMITS}{}", self.commit.id))
    }
}

/// The write that keeps how far a release has come, or, without it, forgets the release.
///
/// # Errors
/// It has no JSON form.
pub fn put_installed(key: &ReleaseKey, installed: Option<&Installed>) -> Result<Op, serde_json::Error> {
    let name = format!("{OWN_ROOT}{INSTALLED}{}/{}", key.namespace, key.name);
    Ok(match installed {
        Some(installed) => Op::put(name, serde_json::to_vec(installed)?),
        None => Op::delete(name),
    })
}

/// The release that a key below [`INSTALLED`] is about.
pub fn release_of(rest: &str) -> Option<ReleaseKey> {
    let (namespace, name) = rest.split_once('/')?;
    Some(ReleaseKey { namespace: namespace.to_owned(), name: name.to_owned() })
}

/// Milliseconds as `0.8 s`, `42 s` or `3m05s`.
pub fn seconds(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        10_000..120_000 => format!("{} s", ms / 1000),
        _ => format!("{}m{:02}s", ms / 60_000, ms % 60_000 / 1000),
    }
}

/// The newest commit whose writes are all done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedCommit {
    /// Its full id.
    pub commit: String,
    /// The branch it was on.
    pub branch: String,
}

impl AppliedCommit {
    /// The write that keeps it.
    pub fn put(&self) -> Result<Op, serde_json::Error> {
        Ok(Op::put(format!("{OWN_ROOT}{REPOSITORY}"), Bytes::from(serde_json::to_vec(self)?)))
    }
}

/// Reads what [`AppliedCommit::put`] wrote.
///
/// # Errors
/// The bytes are something else.
pub fn read_applied(body: &[u8]) -> Result<AppliedCommit, serde_json::Error> {
    serde_json::from_slice(body)
}
