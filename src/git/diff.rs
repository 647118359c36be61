//! Two commits into the list of paths that differ; a subtree with the same id is never read.

use git2::{Delta, DiffFindOptions, DiffOptions};

use crate::git::commit::{BlobId, CommitId};
use crate::git::error::{Context, Error};
use crate::git::names;
use crate::git::reader::Reader;
use crate::git::text;

/// Files compared with each other to find renames; over it, renames show as remove and add.
pub const RENAMES_MAX: usize = 500;

/// What happened to a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// New.
    Added,
    /// Gone.
    Removed,
    /// Other bytes, or another mode.
    Modified,
    /// Moved from another path, perhaps with some other bytes. For display only.
    Renamed {
        /// The old path, sanitised.
        from: String,
    },
}

/// One differing path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The path (the new one of a rename), sanitised.
    pub path: String,
    /// What happened.
    pub change: Change,
    /// The blob before.
    pub old: Option<BlobId>,
    /// The blob after.
    pub new: Option<BlobId>,
}

impl Reader {
    /// Paths below `sub_path` that differ between two commits, sorted; `old` None is the empty tree.
    pub fn changed_paths(&self, old: Option<CommitId>, new: CommitId, sub_path: &str) -> Result<Vec<Changed>, Error> {
        let sub_path = names::sub_path(sub_path)?;
        let tree =
            |id: CommitId| self.repo.find_commit(id.0).and_then(|c| c.tree()).what(|| format!("reading commit {id}"));
        let (old, new) = (old.map(tree).transpose()?, tree(new)?);
        let mut options = DiffOptions::new();
        options.disable_pathspec_match(true).include_typechange(true).skip_binary_check(true).ignore_submodules(true);
        if !sub_path.is_empty() {
            options.pathspec(sub_path.as_str());
        }
        let mut diff = self
            .repo
            .diff_tree_to_tree(old.as_ref(), Some(&new), Some(&mut options))
            .what(|| "comparing two trees".into())?;
        let pairs = diff.deltas().filter(|d| matches!(d.status(), Delta::Added | Delta::Deleted)).count();
        if (2..=RENAMES_MAX).contains(&pairs) {
            let mut find = DiffFindOptions::new();
            find.renames(true).rename_limit(RENAMES_MAX);
            diff.find_similar(Some(&mut find)).what(|| "looking for renames".into())?;
        }
        let path = |file: &git2::DiffFile<'_>| text::line_of_bytes(file.path_bytes().unwrap_or_default());
        let blob = |file: &git2::DiffFile<'_>| Some(file.id()).filter(|id| !id.is_zero()).map(BlobId);
        let mut out: Vec<Changed> = diff
            .deltas()
            .map(|delta| {
                let (before, after) = (delta.old_file(), delta.new_file());
                let (at, change) = match delta.status() {
                    Delta::Added => (path(&after), Change::Added),
                    Delta::Deleted => (path(&before), Change::Removed),
                    Delta::Renamed => (path(&after), Change::Renamed { from: path(&before) }),
                    _ => (path(&after), Change::Modified),
                };
                Changed { path: at, change, old: blob(&before), new: blob(&after) }
            })
            .collect();
        out.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(out)
    }
}
