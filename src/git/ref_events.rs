//! What the kernel tells of a repository's folders → a signal that its refs, or the repository itself, may be others.
// LEAD TO H4: read /tmp/brief/lead_to_H4.md now, then delete this line.
//!
//! An event only says "look again": a path is never trusted, since git moves refs between loose files and `packed-refs`.
//! Of the folders above a repository only their own end or move is asked for, so that whoever is busy beside it (as all
//! are in `/tmp`) costs nothing. Reading raises no event at all, so that a look never causes the next one.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use git2::{Repository, RepositoryOpenFlags};
use inotify::{EventMask, EventOwned, Inotify, WatchMask};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::git::error::{Context, Error};

/// Folders of branches that are watched; with more, the repository is looked at now and then.
const FOLDERS_MAX: usize = 4096;
/// Bytes of events that one read takes: about a hundred events, and one with the longest name at least.
const BUFFER_BYTES: usize = 4096;
/// Reads before what was read is taken in.
const READS_MAX: usize = 64;
/// How often a watch is begun on folders that come and go meanwhile.
const TRIES: usize = 3;

/// What is told of a folder itself.
const ITSELF: WatchMask = WatchMask::MOVE_SELF.union(WatchMask::DELETE_SELF);
/// What comes into a folder.
const COMES: WatchMask = WatchMask::CREATE.union(WatchMask::MOVED_TO);
/// What is written in a folder: git renames what it has written, others may not.
const WRITES: WatchMask =
    COMES.union(WatchMask::MOVED_FROM).union(WatchMask::DELETE).union(WatchMask::CLOSE_WRITE).union(WatchMask::ONLYDIR);

/// What makes a folder a repository, and names or moves refs.
const NAMES: [&str; 7] = [".git", "HEAD", "commondir", "config", "objects", "packed-refs", "refs"];

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

/// Wakes its owner when files that may hold refs change, when the repository goes away and when it comes back; several
/// changes wake once.
#[derive(Debug)]
pub struct RefEvents {
    kernel: AsyncFd<Inotify>,
    /// What each watch is for, by its number.
    roles: HashMap<i32, Role>,
    path: PathBuf,
    /// Whether there was a repository to watch, or only its place.
    is_whole: bool,
    /// Folders as they were when the watch began: device and inode; none for one that was not there.
    watched: Vec<(PathBuf, Option<(u64, u64)>)>,
    /// Something may have happened that was not told.
    has_missed: bool,
}

/// What events of one folder may mean.
#[derive(Debug, Default)]
struct Role {
    /// What in it concerns the repository.
    names: BTreeSet<OsString>,
    /// Its path, where all that is in it are branches.
    branches: Option<PathBuf>,
}

impl Role {
    fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Role {
        Role { names: names.into_iter().map(OsString::from).collect(), branches: None }
    }

    /// Whether an event of the folder, or of what has this name in it, may mean other refs or another repository.
    fn is_news(&self, name: Option<&OsStr>) -> bool {
        let Some(name) = name else { return true };
        // Git writes beside a file and renames: the lock alone tells nothing.
        let is_lock = Path::new(name).extension().is_some_and(|extension| extension == "lock");
        self.names.contains(name) || self.branches.is_some() && !is_lock
    }

    /// One folder may be there for several things.
    fn and(&mut self, other: Role) {
        self.names.extend(other.names);
        self.branches = self.branches.take().or(other.branches);
    }
}

impl RefEvents {
    /// Watches a repository's refs and the way to it; of one that is not there, or not whole yet, what will be its place.
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The kernel gives no watches, or there are too many folders.
    pub fn new(path: &Path) -> Result<Self, Error> {
        let mut new = Self::begin(path)?;
        for _ in 1..TRIES {
            if new.is_current() {
                break;
            }
            // What came or went meanwhile may not have been told of by what was watched then.
            new = Self::begin(path)?;
        }
        Ok(new)
    }

    fn begin(path: &Path) -> Result<Self, Error> {
        let watching = |source| Error::Io { what: format!("watching {}", path.display()), source };
        let path = std::path::absolute(path).map_err(watching)?;
        let places = ref_places(&path).ok();
        let way = Way::new(&path, places.as_ref());
        let refs = places.as_ref().map(|places| places.common_dir.join("refs"));
        let heads = refs.as_ref().map(|refs| refs.join("heads"));
        // Taken before the watch begins: who is replaced in between is not current.
        let folders = way.folders.iter().chain(&refs).chain(&heads);
        let watched = folders.map(|folder| (folder.clone(), identity(folder))).collect();
        let kernel = listen().map_err(watching)?;
        let (roles, is_whole) = (HashMap::new(), places.is_some());
        let mut new = RefEvents { kernel, roles, path: path.clone(), is_whole, watched, has_missed: false };
        new.add_way(&way);
        for folder in &way.ends {
            match new.add(folder, ITSELF | WRITES, Role::named(NAMES)) {
                Err(error) if is_whole => return Err(watching(error)),
                _ => {}
            }
        }
        if let (Some(refs), Some(heads)) = (&refs, heads) {
            new.add(refs, ITSELF | WRITES, Role::named(["heads"])).map_err(watching)?;
            new.add_branches(heads).map_err(watching)?;
        }
        Ok(new)
    }

    /// Whether what is watched is still what is there: no folder was replaced, and no repository came to be.
    pub fn is_current(&self) -> bool {
        !self.has_missed
            && self.watched.iter().all(|(path, id)| identity(path) == *id)
            && (self.is_whole || ref_places(&self.path).is_err())
    }

    /// Waits for the next change; false when no more can come. Nothing is lost when it is dropped.
    pub async fn changed(&mut self) -> bool {
        loop {
            if self.has_missed {
                // Who looks sees that this is not current, and begins anew.
                return true;
            }
            match self.read().await {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), %error, "the repository is not watched any more");
                    return false;
                }
            }
        }
    }

    /// Takes in what waits, or waits for something; says whether it is news.
    async fn read(&mut self) -> io::Result<bool> {
        let mut ready = self.kernel.readable_mut().await?;
        let mut buffer = [0; BUFFER_BYTES];
        let mut events: Vec<EventOwned> = Vec::new();
        for _ in 0..READS_MAX {
            let read = ready.try_io(|kernel| {
                let found = kernel.get_mut().read_events(&mut buffer)?;
                events.extend(found.map(|event| event.to_owned()));
                Ok(())
            });
            match read {
                Ok(Err(error)) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Ok(_) => {}
                // There is nothing more.
                Err(_) => break,
            }
        }
        let mut is_news = false;
        for event in &events {
            is_news |= self.take(event);
        }
        Ok(is_news)
    }

    fn take(&mut self, event: &EventOwned) -> bool {
        if event.mask.contains(EventMask::Q_OVERFLOW) {
            self.has_missed = true;
            return true;
        }
        let number = event.wd.get_watch_descriptor_id();
        if event.mask.contains(EventMask::IGNORED) {
            self.roles.remove(&number);
            return false;
        }
        let Some(role) = self.roles.get(&number) else { return false };
        let is_news = role.is_news(event.name.as_deref());
        let is_new_folder =
            event.mask.contains(EventMask::ISDIR) && event.mask.intersects(EventMask::CREATE | EventMask::MOVED_TO);
        if let (Some(folder), Some(name)) = (&role.branches, &event.name)
            && is_new_folder
        {
            let added = self.add_branches(folder.join(name));
            self.has_missed |= added.is_err();
        }
        is_news
    }

    fn add(&mut self, path: &Path, mask: WatchMask, role: Role) -> io::Result<()> {
        // Two paths may lead to one folder, whose masks then add up.
        let watch = self.kernel.get_ref().watches().add(path, mask | WatchMask::MASK_ADD)?;
        self.roles.entry(watch.get_watch_descriptor_id()).or_default().and(role);
        Ok(())
    }

    /// Watches the folders on the way for their own end; what may not be watched is looked at now and then.
    fn add_way(&mut self, way: &Way) {
        let folders = way.folders.iter().map(|folder| (folder, ITSELF | WatchMask::ONLYDIR, Role::default()));
        let links = way.links.iter().map(|link| (link, ITSELF | WatchMask::DONT_FOLLOW, Role::default()));
        let awaited = way.awaited.iter().map(|(folder, name)| {
            let names = BTreeSet::from([name.clone()]);
            (folder, ITSELF | COMES | WatchMask::ONLYDIR, Role { names, branches: None })
        });
        for (path, mask, role) in folders.chain(links).chain(awaited) {
            match self.add(path, mask, role) {
                Ok(()) => {}
                // What lies above it tells when it comes.
                Err(error) => tracing::trace!(path = %path.display(), %error, "not watched"),
            }
        }
    }

    /// Watches a folder of branches and all folders in it.
    fn add_branches(&mut self, folder: PathBuf) -> io::Result<()> {
        let is_gone =
            |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
        let mut open = vec![folder];
        while let Some(folder) = open.pop() {
            if self.roles.len() >= FOLDERS_MAX {
                return Err(io::Error::other(format!("more than {FOLDERS_MAX} folders of refs (FOLDERS_MAX)")));
            }
            let role = Role { branches: Some(folder.clone()), ..Role::default() };
            // Watched first, so that what is made while it is listed is told.
            let listed = self.add(&folder, ITSELF | WRITES, role).and_then(|()| std::fs::read_dir(&folder));
            match listed {
                Ok(entries) => {
                    for entry in entries {
                        let entry = entry?;
                        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                            open.push(entry.path());
                        }
                    }
                }
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[expect(
    deprecated,
    reason = "what takes its place is unsafe, for descriptors that may change; an Inotify keeps its own"
)]
fn listen() -> io::Result<AsyncFd<Inotify>> {
    AsyncFd::with_interest(Inotify::init()?, Interest::READABLE)
}

/// The way to a repository.
#[derive(Debug, Default)]
struct Way {
    /// The folders of the repository itself: its own, and the one shared by linked work trees.
    ends: BTreeSet<PathBuf>,
    /// These and all above: renaming or removing any takes the repository away.
    folders: BTreeSet<PathBuf>,
    /// Links among them.
    links: BTreeSet<PathBuf>,
    /// The nearest folders that are there, above those that are not, and what is to come in them.
    awaited: BTreeSet<(PathBuf, OsString)>,
}

impl Way {
    fn new(path: &Path, places: Option<&RefPlaces>) -> Way {
        let ends: BTreeSet<PathBuf> = match places {
            Some(places) => [&places.git_dir, &places.common_dir].map(|place| place.components().collect()).into(),
            // What becomes a repository here is being made in one of the two.
            None => [path.to_owned(), path.join(".git")].into(),
        };
        let mut way = Way { ends, ..Way::default() };
        for end in way.ends.iter().map(PathBuf::as_path).chain([path]) {
            // The path as it is written, and where its links lead.
            let real = std::fs::canonicalize(end).ok();
            for end in [Some(end), real.as_deref()].into_iter().flatten() {
                way.folders.extend(end.ancestors().map(Path::to_owned));
                let missing = end.ancestors().take_while(|folder| identity(folder).is_none()).last();
                if let Some((folder, name)) = missing.and_then(|missing| missing.parent().zip(missing.file_name())) {
                    way.awaited.insert((folder.to_owned(), name.to_owned()));
                }
            }
        }
        let is_link = |path: &&PathBuf| std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
        way.links = way.folders.iter().filter(is_link).cloned().collect();
        way
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    struct Bed {
        dir: TempDir,
    }

    impl Bed {
        /// A bare repository in `a/b/repo.git`.
        fn new() -> Bed {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir_all(dir.path().join("a/b")).unwrap();
            Repository::init_bare(dir.path().join("a/b/repo.git")).unwrap();
            Bed { dir }
        }

        fn at(&self, path: &str) -> PathBuf {
            self.dir.path().join(path)
        }

        fn watch(&self, path: &str) -> RefEvents {
            let events = RefEvents::new(&self.at(path)).unwrap();
            assert!(events.is_current());
            events
        }
    }

    /// What waits is told by the kernel before a call that made it returns: nothing is waited for but what must come.
    async fn woken(events: &mut RefEvents) {
        tokio::time::timeout(Duration::from_secs(60), events.changed()).await.expect("it wakes");
    }

    /// How many events wait that the kernel had to tell of.
    fn told(events: &mut RefEvents) -> usize {
        let mut buffer = [0; BUFFER_BYTES];
        match events.kernel.get_mut().read_events(&mut buffer) {
            Ok(found) => found.count(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        }
    }

    fn is_news(events: &mut RefEvents) -> bool {
        let mut buffer = [0; BUFFER_BYTES];
        let read = events.kernel.get_mut().read_events(&mut buffer);
        let found: Vec<EventOwned> = match read {
            Ok(found) => found.map(|event| event.to_owned()).collect(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) => panic!("{error}"),
        };
        found.iter().fold(false, |news, event| news | events.take(event))
    }

    #[tokio::test]
    async fn whoever_is_busy_beside_a_repository_or_reads_it_costs_nothing() {
        let bed = Bed::new();
        let mut events = bed.watch("a/b/repo.git");
        for folder in ["", "a", "a/b"] {
            for i in 0..20 {
                let (file, other) = (bed.at(folder).join(format!("f{i}")), bed.at(folder).join(format!("g{i}")));
                fs::write(&file, "text").unwrap();
                fs::read(&file).unwrap();
                fs::rename(&file, &other).unwrap();
                fs::remove_file(&other).unwrap();
                fs::create_dir(&file).unwrap();
                fs::remove_dir(&file).unwrap();
            }
        }
        for file in ["HEAD", "config"] {
            fs::read(bed.at("a/b/repo.git").join(file)).unwrap();
        }
        fs::write(bed.at("a/b/repo.git/objects/one"), "").unwrap();
        assert_eq!(told(&mut events), 0);
        fs::write(bed.at("a/b/repo.git/refs/heads/main"), "x").unwrap();
        woken(&mut events).await;
        assert!(events.is_current());
    }

    #[tokio::test]
    async fn what_is_written_in_a_repository_is_news_where_it_may_move_refs() {
        let bed = Bed::new();
        let mut events = bed.watch("a/b/repo.git");
        let mut check = |path: &str, expect: bool| {
            fs::write(bed.at("a/b/repo.git").join(path), "x").unwrap();
            assert_eq!(is_news(&mut events), expect, "{path}");
        };
        check("refs/heads/main", true);
        check("refs/heads/main.lock", false);
        check("packed-refs", true);
        check("packed-refs.lock", false);
        check("HEAD", true);
        check("FETCH_HEAD", false);
        check("objects/one", false);
        check("refs/tags/one", false);
        fs::create_dir_all(bed.at("a/b/repo.git/refs/heads/team/of")).unwrap();
        assert!(is_news(&mut events));
        let file = bed.at("a/b/repo.git/refs/heads/team/of/three");
        fs::write(&file, "x").unwrap();
        assert!(is_news(&mut events), "a folder that came is watched as well");
        fs::rename(&file, file.with_extension("lock")).unwrap();
        assert!(is_news(&mut events), "a branch that goes");
        assert!(events.is_current());
    }

    #[tokio::test]
    async fn a_repository_that_goes_away_and_comes_back_wakes() {
        let bed = Bed::new();
        for (from, to) in [("a/b/repo.git", "a/other"), ("a/b", "a/other"), ("a", "other")] {
            let mut events = bed.watch("a/b/repo.git");
            fs::rename(bed.at(from), bed.at(to)).unwrap();
            woken(&mut events).await;
            assert!(!events.is_current(), "{from}");
            let mut events = bed.watch("a/b/repo.git");
            fs::write(bed.dir.path().join("beside"), "").unwrap();
            assert!(!is_news(&mut events), "what comes beside it is none");
            fs::rename(bed.at(to), bed.at(from)).unwrap();
            woken(&mut events).await;
            assert!(!events.is_current(), "{from}");
        }
        let mut events = bed.watch("a/b/repo.git");
        fs::remove_dir_all(bed.at("a")).unwrap();
        woken(&mut events).await;
        assert!(!events.is_current());
        // Folder by folder, each of which has to be there before the next can be watched.
        for folder in ["a", "a/b", "a/b/repo.git"] {
            let mut events = bed.watch("a/b/repo.git");
            fs::create_dir(bed.at(folder)).unwrap();
            woken(&mut events).await;
            assert!(!events.is_current(), "{folder}");
        }
        let mut events = bed.watch("a/b/repo.git");
        Repository::init_bare(bed.at("a/b/repo.git")).unwrap();
        woken(&mut events).await;
        assert!(!events.is_current());
    }

    #[tokio::test]
    async fn a_link_that_leads_elsewhere_wakes() {
        let bed = Bed::new();
        Repository::init_bare(bed.at("other.git")).unwrap();
        symlink(bed.at("a/b"), bed.at("link")).unwrap();
        let mut events = bed.watch("link/repo.git");
        fs::create_dir(bed.at("c")).unwrap();
        Repository::init_bare(bed.at("c/repo.git")).unwrap();
        symlink(bed.at("c"), bed.at("new")).unwrap();
        fs::rename(bed.at("new"), bed.at("link")).unwrap();
        woken(&mut events).await;
        assert!(!events.is_current());
        let mut events = bed.watch("link/repo.git");
        fs::write(bed.at("c/repo.git/refs/heads/main"), "x").unwrap();
        woken(&mut events).await;
        assert!(events.is_current());
    }
}
