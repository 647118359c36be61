//! A branch and some paths of it → when anything below these paths changed last, as the branch itself saw it.

use std::path::Path;

use git2::{ErrorCode, Oid, Tree};

use crate::git::commit::{BlobId, CommitId};
use crate::git::error::{Context, Error};
use crate::git::reader::Reader;

/// Commits looked at on the way back; what has not changed in as many is taken to be as old as the last of them.
pub const COMMITS_MAX: usize = 20_000;

/// Whether what is at a path in two commits is the same for who asks, although its ids differ.
pub type IsSame<'a> = &'a dyn Fn(&str, Option<BlobId>, Option<BlobId>) -> bool;

impl Reader {
    /// The committer's time of the newest commit, along first parents from `tip`, that changed something at one of the
    /// paths, files or folders. `known` is a commit for which the answer is known already.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn last_change(
        &self,
        tip: CommitId,
        paths: &[&str],
        known: Option<(CommitId, i64)>,
        is_same: IsSame<'_>,
    ) -> Result<i64, Error> {
        let reading = |id: Oid| move || format!("reading commit {id}");
        let mut commit = self.repo.find_commit(tip.0).what(reading(tip.0))?;
        let mut here = ids(&commit.tree().what(reading(commit.id()))?, paths)?;
        for _ in 0..COMMITS_MAX {
            if let Some((id, time_s)) = known
                && id.0 == commit.id()
            {
                return Ok(time_s);
            }
            let Some(parent) = commit.parent_id(0).ok() else { break };
            let parent = self.repo.find_commit(parent).what(reading(parent))?;
            let before = ids(&parent.tree().what(reading(parent.id()))?, paths)?;
            let differs = paths
                .iter()
                .zip(here.iter().zip(&before))
                .any(|(path, (now, then))| now != then && !is_same(path, now.map(BlobId), then.map(BlobId)));
            if differs {
                break;
            }
            (commit, here) = (parent, before);
        }
        Ok(commit.committer().when().seconds())
    }
}

/// The ids of what is at some paths; `""` is the tree itself.
fn ids(tree: &Tree<'_>, paths: &[&str]) -> Result<Vec<Option<Oid>>, Error> {
    let one = |path: &&str| {
        if path.is_empty() {
            return Ok(Some(tree.id()));
        }
        match tree.get_path(Path::new(path)) {
            Ok(entry) => Ok(Some(entry.id())),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(source) => Err(Error::Git { what: format!("reading {path}"), source }),
        }
    };
    paths.iter().map(one).collect()
}
