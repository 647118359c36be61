//! A branch into the list of its commits, newest first, each with its note.

use git2::Sort;

use crate::git::commit::{Commit, CommitId};
use crate::git::error::{Context, Error};
use crate::git::reader::Reader;

/// A commit and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The commit.
    pub commit: Commit,
    /// Its note under `refs/notes/masthead`, sanitised.
    pub note: Option<String>,
}

impl Reader {
    /// Up to `limit` commits from `tip` backwards; `first_parent` follows the branch itself, without what was merged.
    pub fn log(&self, tip: CommitId, limit: usize, first_parent: bool) -> Result<Vec<Logged>, Error> {
        let mut walk = self.repo.revwalk().what(|| "walking the history".into())?;
        walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME).what(|| "sorting the history".into())?;
        if first_parent {
            walk.simplify_first_parent().what(|| "walking the first parents".into())?;
        }
        walk.push(tip.0).what(|| format!("reading commit {tip}"))?;
        walk.take(limit)
            .map(|id| {
                let id = CommitId(id.what(|| format!("walking the history of {tip}"))?);
                Ok(Logged { commit: self.commit(id)?, note: self.note(id)? })
            })
            .collect()
    }
}
