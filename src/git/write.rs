//! A set of path edits into a commit on a branch, written only if the branch still is where the writer saw it.

use git2::{FileMode, Oid, Repository, Tree, build::TreeUpdateBuilder};

use crate::git::commit::{CommitId, Person};
use crate::git::error::{Context, Error};
use crate::git::names;
use crate::git::reader::Reader;

/// One change of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Writes a file, new or not.
    Put {
        /// Path from the root of the repository.
        path: String,
        /// The whole content.
        bytes: Vec<u8>,
    },
    /// Removes a file that is there.
    Delete {
        /// Path from the root of the repository.
        path: String,
    },
}

/// A commit to be made.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    /// The branch it goes on.
    pub branch: &'a str,
    /// The tip its author has seen; None for the first commit of a branch.
    pub expected: Option<CommitId>,
    /// The whole message.
    pub message: &'a str,
    /// Who wrote the change.
    pub author: &'a Person,
    /// Who makes the commit.
    pub committer: &'a Person,
}

impl Reader {
    /// Makes a commit of `edits` on top of `draft.expected` and moves the branch to it. Hooks don't run: the caller
    /// tells who has to know. [`Error::Moved`] when somebody else was first, [`Error::NothingChanged`] when the tree
    /// stays the same.
    pub fn commit_edits(&self, draft: &Draft<'_>, edits: &[Edit]) -> Result<CommitId, Error> {
        let repo = &self.repo;
        let base = match draft.expected {
            Some(id) => repo.find_commit(id.0).and_then(|c| c.tree()).what(|| format!("reading commit {id}"))?,
            None => empty_tree(repo)?,
        };
        let mut update = TreeUpdateBuilder::new();
        for edit in edits {
            match edit {
                Edit::Put { path, bytes } => {
                    names::path(path)?;
                    // An executable stays one; a link becomes a file.
                    let executable = base.get_path(std::path::Path::new(path)).is_ok_and(|e| e.filemode() == 0o100_755);
                    let mode = if executable { FileMode::BlobExecutable } else { FileMode::Blob };
                    let blob = repo.blob(bytes).what(|| format!("writing {path}"))?;
                    update.upsert(path.as_str(), blob, mode);
                }
                Edit::Delete { path } => {
                    names::path(path)?;
                    if base.get_path(std::path::Path::new(path)).is_err() {
                        return Err(Error::NotFound(format!("file {path}")));
                    }
                    update.remove(path.as_str());
                }
            }
        }
        let tree = update.create_updated(repo, &base).what(|| "writing the new tree".into())?;
        let tree = repo.find_tree(tree).what(|| "reading the new tree".into())?;
        self.commit_tree(draft, &tree)
    }

    /// Makes a commit of a tree on top of `draft.expected` and moves the branch to it.
    pub(in crate::git) fn commit_tree(&self, draft: &Draft<'_>, tree: &Tree<'_>) -> Result<CommitId, Error> {
        let id = self.draft_tree(draft, tree)?;
        self.advance(draft.branch, draft.expected, id)?;
        Ok(id)
    }

    /// Makes a commit of a tree on top of `draft.expected`; the branch stays where it is.
    pub(in crate::git) fn draft_tree(&self, draft: &Draft<'_>, tree: &Tree<'_>) -> Result<CommitId, Error> {
        names::branch(draft.branch)?;
        let parent = match draft.expected {
            Some(id) => Some(self.repo.find_commit(id.0).what(|| format!("reading commit {id}"))?),
            None => None,
        };
        if parent.as_ref().is_some_and(|p| p.tree_id() == tree.id()) {
            return Err(Error::NothingChanged(format!("this commit on {}", draft.branch)));
        }
        let (author, committer) = (draft.author.signature()?, draft.committer.signature()?);
        let parents: Vec<_> = parent.iter().collect();
        // No ref is given here: `advance` is the compare-and-swap.
        let id = self
            .repo
            .commit(None, &author, &committer, draft.message, tree, &parents)
            .what(|| format!("writing a commit for {}", draft.branch))?;
        Ok(CommitId(id))
    }

    /// Moves a branch from `expected` (None: there is none yet) to `new`, or says where it is.
    pub fn advance(&self, branch: &str, expected: Option<CommitId>, new: CommitId) -> Result<(), Error> {
        let name = format!("refs/heads/{branch}");
        let moved = match expected {
            Some(old) => self.repo.reference_matching(&name, new.0, true, old.0, "masthead: commit"),
            None => self.repo.reference(&name, new.0, false, "masthead: first commit"),
        };
        let show = |id: Option<CommitId>| id.map_or("nothing".to_owned(), |id| id.short());
        match moved {
            Ok(_) => Ok(()),
            Err(e) => {
                let found = self.tip(branch)?;
                if found == expected {
                    return Err(e).what(|| format!("moving branch {branch}"));
                }
                Err(Error::Moved { branch: branch.into(), expected: show(expected), found: show(found) })
            }
        }
    }
}

fn empty_tree(repo: &Repository) -> Result<Tree<'_>, Error> {
    let id: Oid = repo.treebuilder(None).and_then(|b| b.write()).what(|| "writing the empty tree".into())?;
    repo.find_tree(id).what(|| "reading the empty tree".into())
}
