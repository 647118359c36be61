//! A few new commits of a repository on this machine into the mirror, object by object and without a process.
//!
//! One changed file costs about a millisecond; whatever is larger, or owned by another user, is left to `git fetch`.

use std::path::{Path, PathBuf};

use git2::{ErrorCode, ObjectType, Odb, Oid, Repository};

use crate::git::commit::CommitId;
use crate::git::error::{Context, Error};
use crate::git::links::MODE_SUBMODULE;
use crate::git::loose;
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
    // The ref only: the commit it names may be cut short, which is checked before it is read.
    let name = format!("refs/heads/{branch}");
    let tip = match from.repo.refname_to_id(&name) {
        Ok(id) => CommitId(id),
        Err(e) if e.code() == ErrorCode::NotFound => return Err(no_branch(&from, source, branch)),
        Err(e) => return Err(unreadable(Error::Git { what: format!("reading {name}"), source: e })),
    };
    let ours = |e: Error| Failure::new(FaultKind::LocalCopy, e.to_string());
    let to = Reader::open(mirror).map_err(ours)?;
    if last == Some(tip) {
        return Ok(Copied::Tip(tip));
    }
    if last.is_none() {
        return Ok(Copied::NeedsFetch);
    }
    let (source_odb, target) = (from.odb().map_err(unreadable)?, to.odb().map_err(ours)?);
    let objects = from.repo.commondir().join("objects");
    let mut copy = Copy { repo: &from.repo, objects, source: source_odb, target, left: OBJECTS_MAX };
    if !copy.history(tip.0)? {
        return Ok(Copied::NeedsFetch);
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
        Err(_) if !source.exists() => {
            Err(Failure::new(FaultKind::Missing, format!("{} is not there", source.display())))
        }
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
    /// The source's loose objects.
    objects: PathBuf,
    source: Odb<'a>,
    target: Odb<'a>,
    left: usize,
}

impl Copy<'_> {
    /// Copies a commit after its history, as far as the mirror lacks it: what the mirror has, it has completely.
    fn history(&mut self, tip: Oid) -> Result<bool, Failure> {
        let mut ahead = vec![tip];
        let mut commits = 0;
        while let Some(id) = ahead.last().copied() {
            if self.target.exists(id) {
                ahead.pop();
                continue;
            }
            self.check(id)?;
            let commit = self.repo.find_commit(id).what(|| format!("reading commit {id}")).map_err(unreadable)?;
            let before = ahead.len();
            ahead.extend(commit.parent_ids().filter(|p| !self.target.exists(*p)));
            if ahead.len() > before {
                if ahead.len() > COMMITS_MAX {
                    return Ok(false);
                }
                continue;
            }
            commits += 1;
            if commits > COMMITS_MAX || !self.tree(commit.tree_id(), 0)? || !self.object(id)? {
                return Ok(false);
            }
            ahead.pop();
        }
        Ok(true)
    }

    /// A loose object that is cut short must not reach libgit2.
    fn check(&self, id: Oid) -> Result<(), Failure> {
        if loose::is_whole(&self.objects, &id.to_string()) {
            return Ok(());
        }
        Err(Failure::new(FaultKind::TruncatedPack, format!("object {id} of the repository is cut short")))
    }

    /// Copies a tree after all below it; what the mirror has, it has completely. False when there is too much.
    fn tree(&mut self, id: Oid, depth: usize) -> Result<bool, Failure> {
        if self.target.exists(id) {
            return Ok(true);
        }
        if depth > 256 {
            return Ok(false);
        }
        self.check(id)?;
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
        self.check(id)?;
        let object = self.source.read(id).what(|| format!("reading object {id}")).map_err(unreadable)?;
        let written = self.target.write(object.kind(), object.data());
        written.map(|_| true).map_err(|e| {
            let full = e.message().contains("No space left");
            Failure::new(
                if full { FaultKind::DiskFull } else { FaultKind::LocalCopy },
                format!("copying {id}: {}", e.message()),
            )
        })
    }
}
