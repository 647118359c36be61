//! A few new commits of a repository on this machine into the mirror, object by object and without a process.
//!
//! One changed file costs about a millisecond; whatever is larger, or owned by another user, is left to `git fetch`.

use std::path::Path;

use git2::{ErrorCode, ObjectType, Odb, Oid, Repository};

use crate::git::commit::CommitId;
use crate::git::error::{Context, Error};
use crate::git::links::MODE_SUBMODULE;
use crate::git::mirror::fault::{Failure, FaultKind};
use crate::git::mirror::store;
use crate::git::reader::Reader;

/// New commits that are copied here.
const COMMITS_MAX: usize = 32;
/// Objects that are copied here.
const OBJECTS_MAX: usize = 4000;

/// What a look at the source gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// The branch's tip, now complete in the mirror's incoming ref.
    Tip(CommitId),
    /// Too much for this way, or not allowed to read it: fetch.
    NeedsFetch,
}

/// Looks at a branch of `source` and copies what the mirror lacks.
pub fn sync(source: &Path, mirror: &Path, branch: &str, last: Option<CommitId>) -> Result<Copied, Failure> {
    let Some(from) = open(source)? else { return Ok(Copied::NeedsFetch) };
    let Some(tip) = from.tip(branch).map_err(unreadable)? else { return Err(no_branch(&from, source, branch)) };
    let ours = |e: Error| Failure::new(FaultKind::LocalCopy, e.to_string());
    let to = Reader::open(mirror).map_err(ours)?;
    if last == Some(tip) {
        return Ok(Copied::Tip(tip));
    }
    let Some(last) = last else { return Ok(Copied::NeedsFetch) };
    let mut walk = from.repo.revwalk().what(|| "walking the history".into()).map_err(unreadable)?;
    // Parents before children, so that a commit in the mirror always has its history there.
    let ready = walk.set_sorting(git2::Sort::TOPOLOGICAL | git2::Sort::REVERSE).and_then(|()| walk.push(tip.0)).and_then(|()| walk.hide(last.0));
    if ready.is_err() {
        return Ok(Copied::NeedsFetch);
    }
    let commits: Vec<Oid> = walk
        .take(COMMITS_MAX + 1)
        .collect::<Result<_, _>>()
        .what(|| format!("walking the history of {branch}"))
        .map_err(unreadable)?;
    if commits.len() > COMMITS_MAX {
        return Ok(Copied::NeedsFetch);
    }
    let (source, target) = (from.odb().map_err(unreadable)?, to.odb().map_err(ours)?);
    let mut copy = Copy { repo: &from.repo, source, target, left: OBJECTS_MAX };
    for id in commits {
        let tree = from.repo.find_commit(id).map(|c| c.tree_id()).what(|| format!("reading commit {id}")).map_err(unreadable)?;
        if !copy.tree(tree, 0)? || !copy.object(id)? {
            return Ok(Copied::NeedsFetch);
        }
    }
    let name = store::incoming(branch);
    to.repo.reference(&name, tip.0, true, "masthead: copied").what(|| format!("moving {name}")).map_err(ours)?;
    Ok(Copied::Tip(tip))
}

/// Opens the source; None when it belongs to another user.
fn open(source: &Path) -> Result<Option<Reader>, Failure> {
    match Reader::open(source) {
        Ok(reader) => Ok(Some(reader)),
        Err(Error::Git { source: e, .. }) if e.code() == ErrorCode::Owner => Ok(None),
        Err(_) if !source.exists() => Err(Failure::new(FaultKind::Missing, format!("{} is not there", source.display()))),
        Err(e) => {
            let text = e.to_string();
            let kind = if text.contains("extension") { FaultKind::Unsupported } else { FaultKind::NotGit };
            Err(Failure::new(kind, text))
        }
    }
}

fn no_branch(from: &Reader, source: &Path, branch: &str) -> Failure {
    let any = from.repo.references_glob("refs/heads/*").is_ok_and(|mut refs| refs.next().is_some());
    if any {
        return Failure::new(FaultKind::BranchMissing, format!("{} has no branch {branch}", source.display()));
    }
    Failure::new(FaultKind::EmptyRepository, format!("{} has no commit yet", source.display()))
}

/// A source that can't be read to its end is a fault of the source.
fn unreadable(e: Error) -> Failure {
    Failure::new(if e.is_corrupt() { FaultKind::TruncatedPack } else { FaultKind::Other }, e.to_string())
}

struct Copy<'a> {
    repo: &'a Repository,
    source: Odb<'a>,
    target: Odb<'a>,
    left: usize,
}

impl Copy<'_> {
    /// Copies a tree after all below it; what the mirror has, it has completely. False when there is too much.
    fn tree(&mut self, id: Oid, depth: usize) -> Result<bool, Failure> {
        if self.target.exists(id) {
            return Ok(true);
        }
        if depth > 256 {
            return Ok(false);
        }
        let tree = self.repo.find_tree(id).what(|| format!("reading tree {id}")).map_err(unreadable)?;
        for entry in &tree {
            let fits = match entry.kind() {
                Some(ObjectType::Tree) => self.tree(entry.id(), depth + 1)?,
                _ if entry.filemode() == MODE_SUBMODULE => true,
                _ => self.object(entry.id())?,
            };
            if !fits {
                return Ok(false);
            }
        }
        self.object(id)
    }

    fn object(&mut self, id: Oid) -> Result<bool, Failure> {
        if self.target.exists(id) {
            return Ok(true);
        }
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        let object = self.source.read(id).what(|| format!("reading object {id}")).map_err(unreadable)?;
        let written = self.target.write(object.kind(), object.data());
        written.map(|_| true).map_err(|e| {
            let full = e.message().contains("No space left");
            Failure::new(if full { FaultKind::DiskFull } else { FaultKind::LocalCopy }, format!("copying {id}: {}", e.message()))
        })
    }
}
