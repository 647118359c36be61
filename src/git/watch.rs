//! The refs of a repository on this machine into a signal at each change of a branch's tip.
//!
//! The file system's events only say "look again": a path is never trusted, since git moves refs between loose files
//! and `packed-refs`. Reading raises events too; those are filtered, so that a look never causes the next one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::{Repository, RepositoryOpenFlags};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::git::commit::CommitId;
use crate::git::error::{Context, Error};
use crate::git::names;
use crate::git::reader::Reader;

/// Seconds between looks without any event: for file systems whose changes the kernel doesn't tell.
const SLOW_LOOK_S: u64 = 60;
/// Seconds until a repository that can't be read is tried again.
const RETRY_S: u64 = 1;

/// The folders and files in which a repository keeps its refs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefPlaces {
    /// Its own git folder: HEAD.
    pub git_dir: PathBuf,
    /// The folder shared by linked work trees: `refs/`, `packed-refs`.
    pub common_dir: PathBuf,
}

/// Where the refs of a bare repository, a work tree, or a linked work tree stand.
pub fn ref_places(path: &Path) -> Result<RefPlaces, Error> {
    let repo = Repository::open_ext(path, RepositoryOpenFlags::NO_SEARCH, std::iter::empty::<&Path>())
        .what(|| format!("opening the repository {}", path.display()))?;
    Ok(RefPlaces { git_dir: repo.path().to_owned(), common_dir: repo.commondir().to_owned() })
}

/// Wakes its owner when files that may hold refs change; several changes wake once.
#[derive(Debug)]
pub struct RefEvents {
    _watcher: RecommendedWatcher,
    woken: mpsc::Receiver<()>,
    /// Folders as they were when the watch began: device and inode.
    watched: Vec<(PathBuf, (u64, u64))>,
}

impl RefEvents {
    /// Watches a repository's refs.
    pub fn new(path: &Path) -> Result<Self, Error> {
        let places = ref_places(path)?;
        let refs = places.common_dir.join("refs");
        let watched = [&places.git_dir, &places.common_dir, &refs].map(|p| Some((p.clone(), identity(p)?)));
        let (wake, woken) = mpsc::channel(1);
        let notify = |e: notify::Error| Error::Io {
            what: format!("watching {}", path.display()),
            source: std::io::Error::other(e),
        };
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error (the queue overflowed) means that anything may have changed.
            if event.map_or(true, |e| is_write(&e.kind)) {
                // Full means that a wake-up is waiting already.
                let _ = wake.try_send(());
            }
        })
        .map_err(notify)?;
        watcher.watch(&places.common_dir, RecursiveMode::NonRecursive).map_err(notify)?;
        watcher.watch(&refs, RecursiveMode::Recursive).map_err(notify)?;
        if places.git_dir != places.common_dir {
            watcher.watch(&places.git_dir, RecursiveMode::NonRecursive).map_err(notify)?;
        }
        Ok(Self { _watcher: watcher, woken, watched: watched.into_iter().flatten().collect() })
    }

    /// Whether the folders that are watched are still those at their paths; a repository that was replaced is not.
    pub fn is_current(&self) -> bool {
        self.watched.iter().all(|(path, id)| identity(path) == Some(*id))
    }

    /// Waits for the next change; false when no more can come.
    pub async fn changed(&mut self) -> bool {
        self.woken.recv().await.is_some()
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()))
}

fn is_write(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

/// The tip of a branch whenever it changes, for a repository that is written by others: also the hosted one, where it
/// catches what a killed hook did not tell.
#[derive(Debug)]
pub struct TipWatch {
    path: PathBuf,
    branch: String,
    events: Option<RefEvents>,
    last: Option<CommitId>,
}

impl TipWatch {
    /// Watches a branch from `last` on.
    pub fn new(path: &Path, branch: &str, last: Option<CommitId>) -> Result<Self, Error> {
        names::branch(branch)?;
        Ok(Self { path: path.to_owned(), branch: branch.to_owned(), events: None, last })
    }

    /// Waits until the branch has another tip than the last one given. A branch or repository that is missing or
    /// unreadable is waited out, never given.
    pub async fn next(&mut self) -> (Option<CommitId>, CommitId) {
        loop {
            if !self.events.as_ref().is_some_and(RefEvents::is_current) {
                // Watched before it is read: a change in between is an event.
                self.events = RefEvents::new(&self.path).ok();
            }
            let tip = self.look().await;
            if let Ok(Some(new)) = tip
                && self.last != Some(new)
            {
                return (self.last.replace(new), new);
            }
            let wait = Duration::from_secs(if tip.is_ok() { SLOW_LOOK_S } else { RETRY_S });
            let alive = match &mut self.events {
                Some(events) => tokio::time::timeout(wait, events.changed()).await.unwrap_or(true),
                None => {
                    tokio::time::sleep(Duration::from_secs(RETRY_S)).await;
                    false
                }
            };
            // A repository that was removed and put back has other inodes than those watched.
            if !alive || tip.is_err() {
                self.events = None;
            }
        }
    }

    async fn look(&self) -> Result<Option<CommitId>, Error> {
        let (path, branch) = (self.path.clone(), self.branch.clone());
        tokio::task::spawn_blocking(move || Reader::open(&path)?.tip(&branch))
            .await
            .map_err(|e| Error::Protocol(e.to_string()))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, ModifyKind, RemoveKind, RenameMode};

    #[test]
    fn reading_does_not_wake() {
        let check = |kind: EventKind, expect: bool| assert_eq!(is_write(&kind), expect, "{kind:?}");
        check(EventKind::Access(AccessKind::Open(AccessMode::Any)), false);
        check(EventKind::Access(AccessKind::Close(AccessMode::Read)), false);
        check(EventKind::Access(AccessKind::Close(AccessMode::Write)), true);
        check(EventKind::Create(CreateKind::File), true);
        check(EventKind::Modify(ModifyKind::Name(RenameMode::To)), true);
        check(EventKind::Remove(RemoveKind::File), true);
    }
}
