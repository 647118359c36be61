//! What one commit asks for: every object of its tree, decoded, validated, defaulted and keyed, with where it was written.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use masthead_api::key::ObjectKey;
use masthead_api::object::Object;
use serde::{Deserialize, Serialize};

use crate::origin::Origin;
use crate::sync::release::{ReleaseKey, WantedRelease};

/// One object as a commit wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The manifest after defaulting.
    pub object: Arc<Object>,
    /// Where it starts.
    pub origin: Origin,
}

impl Wanted {
    /// A fault of it.
    pub(crate) fn problem(&self, field: String, message: String) -> Problem {
        let key = self.object.key();
        Problem {
            path: self.origin.path.to_string(),
            line: self.origin.line,
            object: format!("{}/{}", key.kind.info().kind, key.name),
            field,
            message,
            hint: String::new(),
        }
    }
}

/// The commit behind a desired state: what reasons and records name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitFacts {
    /// The full hexadecimal id.
    pub id: String,
    /// The author's name.
    pub author: String,
    /// The author's mail address.
    pub email: String,
    /// The committer's time in Unix seconds.
    pub time_s: i64,
    /// The first line of the message.
    pub subject: String,
}

impl CommitFacts {
    /// The first ten digits of the id.
    pub fn short(&self) -> &str {
        self.id.get(..10).unwrap_or(&self.id)
    }
}

/// All that a commit's tree asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// The commit.
    pub commit: CommitFacts,
    /// The objects by key; one file each.
    pub objects: BTreeMap<ObjectKey, Wanted>,
    /// Installed charts as wholes.
    pub releases: BTreeMap<ReleaseKey, Arc<WantedRelease>>,
}

/// A fault in what a user wrote: where, what about, what is wrong, and what would help.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// The path from the root of the repository.
    pub path: String,
    /// The line, from 1; 0 when the fault is the file's as a whole.
    pub line: u32,
    /// `Kind/name`, empty when the fault comes before any object.
    pub object: String,
    /// The field's path as Kubernetes writes it; may be empty.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: String,
}

impl fmt::Display for Problem {
    /// `path:line: kind/name: field: what is wrong (hint)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        for part in [&self.object, &self.field].into_iter().filter(|part| !part.is_empty()) {
            write!(f, ": {part}")?;
        }
        write!(f, ": {}", self.message)?;
        if !self.hint.is_empty() {
            write!(f, " ({})", self.hint)?;
        }
        Ok(())
    }
}
