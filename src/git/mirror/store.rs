//! The mirror on disk: made, checked, its branch moved, and replaced as a whole when it is damaged.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use git2::{ObjectType, Oid, Repository, RepositoryInitOptions};

use crate::git::commit::CommitId;
use crate::git::error::{Context, Error};
use crate::git::hosted;
use crate::git::links::MODE_SUBMODULE;
use crate::git::loose;
use crate::git::mirror::fault::{Failure, FaultKind};
use crate::git::reader::Reader;

/// Settings for git children that work on the mirror; they replace the user's own.
pub const GLOBAL_CONFIG: &str = "masthead.gitconfig";

/// How a fetched tip stands to the last good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is the first.
    First,
    /// It is the same.
    Same,
    /// It contains the last good one.
    Forward,
    /// It shares history but does not contain it.
    Rewritten,
    /// It shares nothing with it.
    Unrelated,
}

/// The ref into which a branch is fetched before it is judged.
pub fn incoming(branch: &str) -> String {
    format!("refs/masthead/incoming/{branch}")
}

/// Opens the mirror or makes it; locks of a killed predecessor are removed. Nobody else writes it.
pub fn ensure(path: &Path) -> Result<(), Error> {
    if !path.exists() {
        let mut options = RepositoryInitOptions::new();
        options.bare(true).mkpath(true).external_template(false);
        Repository::init_opts(path, &options).what(|| format!("making the mirror {}", path.display()))?;
    }
    let repo = Repository::open_bare(path).what(|| format!("opening the mirror {}", path.display()))?;
    let mut config = repo
        .config()
        .and_then(|c| c.open_level(git2::ConfigLevel::Local))
        .what(|| "opening the mirror's settings".into())?;
    for (key, value) in [
        ("gc.autoDetach", "false"),
        ("fetch.unpackLimit", "1"),
        ("gc.pruneExpire", "3.months.ago"),
        ("core.hooksPath", "/dev/null"),
    ] {
        if config.get_string(key).ok().as_deref() != Some(value) {
            config.set_str(key, value).what(|| format!("setting {key} of the mirror"))?;
        }
    }
    // The path was given by the user, so a repository of another owner is meant.
    let file = path.join(GLOBAL_CONFIG);
    let text = "[safe]\n\tdirectory = *\n";
    if fs::read(&file).ok().as_deref() != Some(text.as_bytes()) {
        fs::write(&file, text).what(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// What must be done before a mirror left by an earlier run is read: objects that were cut short are moved aside.
pub fn mend(path: &Path) {
    let objects = path.join("objects");
    if !objects.is_dir() {
        return;
    }
    match loose::sweep(&objects) {
        Ok(0) => {}
        Ok(moved) => tracing::warn!(moved, mirror = %path.display(), "the mirror had damaged objects"),
        Err(error) => tracing::warn!(%error, "looking for damaged objects"),
    }
}

/// Removes packs that a killed or failed git left unfinished; the size of the largest.
pub fn drop_unfinished(path: &Path) -> u64 {
    let mut largest = 0;
    for entry in fs::read_dir(path.join("objects/pack")).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(b"tmp_") {
            largest = entry.metadata().map_or(largest, |m| largest.max(m.len()));
            // What can't be removed now is tried again after the next failure.
            let _ = fs::remove_file(entry.path());
        }
    }
    largest
}

/// Removes locks left by a killed git, when none of ours is running.
pub fn unlock(path: &Path) {
    hosted::remove_stale_locks(path, Duration::ZERO);
}

/// How `new` stands to `last`; a failure when its tree is empty or objects are missing.
pub fn judge(mirror: &Reader, last: Option<CommitId>, new: CommitId) -> Result<Judgement, Failure> {
    let damaged = |e: Error| Failure::new(FaultKind::LocalCopy, e.to_string());
    let tree = mirror
        .repo
        .find_commit(new.0)
        .and_then(|c| c.tree())
        .what(|| format!("reading commit {new}"))
        .map_err(damaged)?;
    if tree.is_empty() {
        let why = format!("commit {} has no file at all: an empty tree is never applied", new.short());
        return Err(Failure::new(FaultKind::EmptyTree, why));
    }
    if last == Some(new) {
        return Ok(Judgement::Same);
    }
    let known = last.and_then(|id| mirror.repo.find_commit(id.0).and_then(|c| c.tree()).ok());
    complete(mirror, tree.id(), known.as_ref().map(git2::Tree::id)).map_err(damaged)?;
    let Some(last) = last else { return Ok(Judgement::First) };
    if mirror.is_descendant(new, last).map_err(damaged)? {
        return Ok(Judgement::Forward);
    }
    let related = mirror.is_related(new, last).map_err(damaged)?;
    Ok(if related { Judgement::Rewritten } else { Judgement::Unrelated })
}

/// Whether all objects of a tree are there; subtrees that `known` has at its root too are not walked.
fn complete(mirror: &Reader, tree: Oid, known: Option<Oid>) -> Result<(), Error> {
    let odb = mirror.odb()?;
    let mut seen: HashSet<Oid> = HashSet::new();
    if let Some(known) = known {
        let known = mirror.repo.find_tree(known).what(|| format!("reading tree {known}"))?;
        seen.extend(known.iter().map(|e| e.id()));
    }
    let mut ahead = vec![tree];
    while let Some(id) = ahead.pop() {
        let tree = mirror.repo.find_tree(id).what(|| format!("reading tree {id}"))?;
        for entry in &tree {
            if entry.filemode() == MODE_SUBMODULE || !seen.insert(entry.id()) {
                continue;
            }
            match entry.kind() {
                Some(ObjectType::Tree) => ahead.push(entry.id()),
                _ if !odb.exists(entry.id()) => {
                    let source =
                        git2::Error::new(git2::ErrorCode::NotFound, git2::ErrorClass::Odb, "the object is missing");
                    return Err(Error::Git { what: format!("blob {}", entry.id()), source });
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Moves the mirror's branch (and HEAD) to a tip that was judged good.
pub fn accept(mirror: &Reader, branch: &str, new: CommitId) -> Result<(), Error> {
    let name = format!("refs/heads/{branch}");
    mirror.repo.reference(&name, new.0, true, "masthead: fetched").what(|| format!("moving {name} of the mirror"))?;
    mirror.repo.set_head(&name).what(|| format!("pointing HEAD of the mirror at {branch}"))
}

/// Puts `fresh` in the place of `path`; a crash in between leaves one of both to start from.
pub fn swap(path: &Path, fresh: &Path) -> Result<(), Error> {
    let old = path.with_extension("old");
    remove(&old)?;
    if path.exists() {
        fs::rename(path, &old).what(|| format!("moving {} away", path.display()))?;
    }
    fs::rename(fresh, path).what(|| format!("moving {} into place", fresh.display()))?;
    remove(&old)
}

/// Removes a folder that may not be there.
pub fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.what(|| format!("removing {}", path.display())),
    }
}
