//! A commit into its reverse on top of a branch, merged in memory: no work tree, no index file.

use git2::MergeOptions;

use crate::git::commit::{Commit, CommitId, Person};
use crate::git::error::{Context, Error};
use crate::git::reader::Reader;
use crate::git::text;
use crate::git::write::Draft;

/// The trailer that names the reverted commit.
pub const TRAILER: &str = "Masthead-Reverts";

/// A revert to be made.
#[derive(Clone, Debug)]
pub struct Revert<'a> {
    /// The commit to be undone. Of a merge, what it brought to its first parent is undone.
    pub commit: CommitId,
    /// The branch the new commit goes on.
    pub branch: &'a str,
    /// Who reverts; author and committer of the new commit.
    pub by: &'a Person,
    /// Further trailers, such as the confirmation of a large delete.
    pub trailers: &'a [(String, String)],
}

/// A revert that no branch has yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drafted {
    /// The branch's tip that it goes on.
    pub tip: CommitId,
    /// The revert.
    pub commit: CommitId,
}

impl Reader {
    /// Makes the revert commit on the branch's tip and moves the branch. Errors are those of [`Reader::draft_revert`], and
    /// [`Error::Moved`] when somebody else was first.
    pub fn revert(&self, revert: &Revert<'_>) -> Result<CommitId, Error> {
        let Drafted { tip, commit } = self.draft_revert(revert)?;
        self.advance(revert.branch, Some(tip), commit)?;
        Ok(commit)
    }

    /// Makes the revert commit on the branch's tip; [`Reader::advance`] moves the branch to it. [`Error::RevertConflicts`]
    /// lists the paths that later commits changed too; nothing is written then.
    pub fn draft_revert(&self, revert: &Revert<'_>) -> Result<Drafted, Error> {
        let missing = || Error::NotFound(format!("branch {}", text::line(revert.branch)));
        let tip = self.tip(revert.branch)?.ok_or_else(missing)?;
        if !self.is_descendant(tip, revert.commit)? {
            return Err(Error::NotFound(format!("commit {} on branch {}", revert.commit.short(), revert.branch)));
        }
        let repo = &self.repo;
        let undone = repo.find_commit(revert.commit.0).what(|| format!("reading commit {}", revert.commit))?;
        let ours = repo.find_commit(tip.0).what(|| format!("reading commit {tip}"))?;
        let mainline = u32::from(undone.parent_count() > 1);
        let mut options = MergeOptions::new();
        options.find_renames(true);
        let mut index = repo
            .revert_commit(&undone, &ours, mainline, Some(&options))
            .what(|| format!("reverting {}", revert.commit))?;
        if index.has_conflicts() {
            let mut paths: Vec<String> = index
                .conflicts()
                .what(|| "listing conflicts".into())?
                .filter_map(Result::ok)
                .filter_map(|c| c.our.or(c.ancestor).or(c.their))
                .map(|entry| text::line_of_bytes(&entry.path))
                .collect();
            paths.sort();
            paths.dedup();
            return Err(Error::RevertConflicts { commit: revert.commit.to_string(), paths });
        }
        let tree = index.write_tree_to(repo).what(|| "writing the reverted tree".into())?;
        let tree = repo.find_tree(tree).what(|| "reading the reverted tree".into())?;
        if tree.id() == ours.tree_id() {
            return Err(Error::NothingChanged(format!("reverting {}", revert.commit.short())));
        }
        let message = message(&Commit::read(&undone), revert.trailers);
        let draft = Draft {
            branch: revert.branch,
            expected: Some(tip),
            message: &message,
            author: revert.by,
            committer: revert.by,
        };
        Ok(Drafted { tip, commit: self.draft_tree(&draft, &tree)? })
    }
}

/// Git's own words, with a trailer that programs can read.
fn message(undone: &Commit, trailers: &[(String, String)]) -> String {
    let merge = match undone.parents.as_slice() {
        [first, _, ..] => format!(", reversing\nchanges made to {first}"),
        _ => String::new(),
    };
    let mut out = format!(
        "Revert \"{}\"\n\nThis reverts commit {}{merge}.\n\n{TRAILER}: {}\n",
        undone.subject, undone.id, undone.id
    );
    for (key, value) in trailers {
        out.push_str(&format!("{}: {}\n", text::line(key), text::line(value)));
    }
    out
}
