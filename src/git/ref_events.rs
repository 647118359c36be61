//! What the file system tells of a repository's folders → a signal that its refs, or the repository itself, may be others.
//!
//! The events only say "look again": a path is never trusted, since git moves refs between loose files and `packed-refs`.
//! Reading raises events too; those are filtered, so that a look never causes the next one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use git2::{Repository, RepositoryOpenFlags};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::git::error::{Context, Error};

/// The folders and files in which a repository keeps its refs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RefPlaces {
    /// Its own git folder: HEAD.
    git_dir: PathBuf,
    /// The folder shared by linked work trees: `refs/`, `packed-refs`.
    common_dir: PathBuf,
}

/// Where the refs of a bare repository, a work tree, or a linked work tree stand.
fn ref_places(path: &Path) -> Result<RefPlaces, Error> {
    let repo = Repository::open_ext(path, RepositoryOpenFlags::NO_SEARCH, std::iter::empty::<&Path>())
        .what(|| format!("opening the repository {}", path.display()))?;
    Ok(RefPlaces { git_dir: repo.path().to_owned(), common_dir: repo.commondir().to_owned() })
}

/// Device, inode, and when it was made where the file system tells.
type Identity = (u64, u64, Option<SystemTime>);

/// Wakes its owner when files that may hold refs change, when the repository goes away and when it comes back; several
/// changes wake once.
#[derive(Debug)]
pub struct RefEvents {
    _watcher: RecommendedWatcher,
    woken: mpsc::Receiver<()>,
    path: PathBuf,
    /// Whether there was a repository to watch, or only its place.
    is_whole: bool,
    /// Folders as they were when the watch began; none for one that was not there.
    watched: Vec<(PathBuf, Option<Identity>)>,
}

impl RefEvents {
    /// Watches a repository's refs and the way to it; of one that is not there, or not whole yet, what will be its place.
    pub fn new(path: &Path) -> Result<Self, Error> {
        let places = ref_places(path).ok();
        let concern = Concern::new(path, places.as_ref());
        // Taken before the watch begins: who is replaced in between is not current.
        let watched = concern.folders().map(|folder| (folder.clone(), identity(folder))).collect();
        let (wake, woken) = mpsc::channel(1);
        let notify = |e: notify::Error| Error::Io {
            what: format!("watching {}", path.display()),
            source: std::io::Error::other(e),
        };
        let heard = concern.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error (the queue overflowed) means that anything may have changed.
            if event.map_or(true, |e| e.need_rescan() || is_write(&e.kind) && heard.is_news(&e.paths)) {
                // Full means that a wake-up is waiting already.
                let _ = wake.try_send(());
            }
        })
        .map_err(notify)?;
        for folder in &concern.way {
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {}
                // What lies above it tells when it comes; what may not be watched is looked at now and then.
                Err(error) => tracing::trace!(folder = %folder.display(), %error, "not watched"),
            }
        }
        for folder in &concern.insides {
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Err(error) if places.is_some() => return Err(notify(error)),
                _ => {}
            }
        }
        if let Some(refs) = &concern.refs {
            watcher.watch(refs, RecursiveMode::Recursive).map_err(notify)?;
        }
        Ok(Self { _watcher: watcher, woken, path: path.to_owned(), is_whole: places.is_some(), watched })
    }

    /// Whether what is watched is still what is there: no folder was replaced, and no repository came to be.
    pub fn is_current(&self) -> bool {
        self.watched.iter().all(|(path, id)| identity(path) == *id)
            && (self.is_whole || ref_places(&self.path).is_err())
    }

    /// Waits for the next change; false when no more can come.
    pub async fn changed(&mut self) -> bool {
        self.woken.recv().await.is_some()
    }
}

/// Which paths' events concern a repository.
#[derive(Clone, Debug)]
struct Concern {
    /// The folders on the way to it, itself the last: renaming or removing any takes it away.
    way: BTreeSet<PathBuf>,
    /// Its own folders, whose files matter.
    insides: BTreeSet<PathBuf>,
    /// The folder of its refs, with all below.
    refs: Option<PathBuf>,
}

impl Concern {
    fn new(path: &Path, places: Option<&RefPlaces>) -> Self {
        let insides: BTreeSet<PathBuf> = match places {
            Some(places) => [&places.git_dir, &places.common_dir].map(|p| p.components().collect()).into(),
            // What becomes a repository here is being made in one of the two.
            None => [path.to_owned(), path.join(".git")].into(),
        };
        let refs = places.map(|places| places.common_dir.join("refs"));
        let mut way = BTreeSet::new();
        for end in insides.iter().map(PathBuf::as_path).chain([path]) {
            // The path as it is written, and where its links lead.
            let real = std::fs::canonicalize(end).ok();
            for end in [Some(end), real.as_deref()].into_iter().flatten() {
                way.extend(way_to(end).map(Path::to_owned));
            }
        }
        Self { way, insides, refs }
    }

    fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        self.way.iter().chain(&self.refs)
    }

    /// Whether an event of these paths may mean another tip, or another repository.
    fn is_news(&self, paths: &[PathBuf]) -> bool {
        let is_inside = |path: &Path| {
            path.parent().is_some_and(|folder| self.insides.contains(folder))
                || self.refs.as_ref().is_some_and(|refs| path.starts_with(refs))
        };
        // Git writes beside a file and renames: the lock alone tells nothing.
        let is_lock = |path: &Path| path.extension().is_some_and(|extension| extension == "lock");
        paths.is_empty() || paths.iter().any(|path| self.way.contains(path) || is_inside(path) && !is_lock(path))
    }
}

/// A folder and those above it. One that everybody may write in, as `/tmp`, is as busy as they are: its events are asked
/// for only while what comes next on the way is not there. Below it each folder tells its own end.
fn way_to(end: &Path) -> impl Iterator<Item = &Path> {
    let mut next_is_there = false;
    end.ancestors().filter(move |folder| {
        let is_left_out = folder.as_os_str().is_empty() || next_is_there && is_everybodys(folder);
        next_is_there = folder.exists();
        !is_left_out
    })
}

/// Whether the sticky bit is set.
fn is_everybodys(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(folder).is_ok_and(|found| found.mode() & 0o1000 != 0)
}

/// Which folder a path leads to. A file system gives the number of a removed folder to the next that is made, which the
/// time of its making tells apart.
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino(), m.created().ok()))
}

fn is_write(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
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

    #[test]
    fn a_folder_of_everybody_is_not_listened_to_but_for_what_is_to_come() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let shared = dir.path().join("shared");
        let (place, repository) = (shared.join("place"), shared.join("place/repo.git"));
        std::fs::create_dir_all(&place).unwrap();
        std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o1777)).unwrap();
        let check = |folder: &Path, expect: bool| {
            assert_eq!(way_to(&repository).any(|asked| asked == folder), expect, "{}", folder.display());
        };
        for folder in [&repository, &place, &dir.path().to_owned()] {
            check(folder, true);
        }
        check(&shared, false);
        std::fs::remove_dir(&place).unwrap();
        check(&place, true);
        check(&shared, true);
    }

    #[test]
    fn what_concerns_a_repository() {
        let places = RefPlaces { git_dir: "/srv/git/a/.git/".into(), common_dir: "/srv/git/a/.git/".into() };
        let there = Concern::new(Path::new("/srv/git/a"), Some(&places));
        let away = Concern::new(Path::new("/srv/git/a"), None);
        let check = |paths: &[&str], expect: (bool, bool)| {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            assert_eq!((there.is_news(&paths), away.is_news(&paths)), expect, "{paths:?}");
        };
        check(&["/srv/git/a/.git/refs/heads/team/main"], (true, false));
        check(&["/srv/git/a/.git/refs/heads/main.lock"], (false, false));
        check(&["/srv/git/a/.git/refs/heads/main.lock", "/srv/git/a/.git/refs/heads/main"], (true, false));
        check(&["/srv/git/a/.git/packed-refs"], (true, true));
        check(&["/srv/git/a/.git/objects/ab/cd"], (false, false));
        check(&["/srv/git/a/web.yaml"], (false, true));
        check(&["/srv/git/a"], (true, true));
        check(&["/srv/git/a", "/srv/git/b"], (true, true));
        check(&["/srv/git"], (true, true));
        check(&["/srv/git/b"], (false, false));
        check(&["/srv/git/a/.git"], (true, true));
        check(&[], (true, true));
    }
}
