//! The data directory: who owns it now, and where its daemon answers.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::daemon::lacking::Lacking;

/// The file that is locked, which a data directory is known by.
pub const LOCK: &str = "lock";

/// What may be in a directory that no daemon had yet: what a node, `image import` and `down --keep-repository` leave.
const WITHOUT_LOCK: [&str; 4] = ["images", "logs", "node", "repo.git"];

/// The folder that a file system of the ext family has from its beginning.
const LOST_AND_FOUND: &str = "lost+found";

/// How long a holder of the directory may take to go.
const HOLDER_GOES: Duration = Duration::from_secs(2);

/// How often it is looked whether it has.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What a running daemon tells commands on the same machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Daemon {
    /// Its process.
    pub pid: u32,
    /// The API's address.
    pub api_url: String,
    /// The repository's address to clone and push; the watched one when none is hosted.
    pub repository_url: String,
    /// The tracked branch.
    pub branch: String,
    /// Where agents dial, `HOST:PORT`.
    pub nodes_address: String,
    /// What became of the demonstration, where one was asked for and as soon as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demo: Option<Demo>,
}

/// What became of the demonstration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Demo {
    /// It answers at this URL.
    Answers(String),
    /// It is not there: why.
    Failed(String),
}

/// An open data directory; locked while it lives.
#[derive(Debug)]
pub struct Data {
    root: PathBuf,
    _lock: Flock<File>,
}

impl Data {
    /// Makes the directory when it is missing and locks it.
    ///
    /// # Errors
    /// It cannot be made, or another daemon has it.
    pub fn open(root: &Path) -> Result<Data> {
        Data::open_within(root, Duration::ZERO)
    }

    /// The same, but waits for another daemon that is just going, such as one that was killed, and says so.
    ///
    /// # Errors
    /// It cannot be made, or another daemon keeps it.
    pub fn open_patiently(root: &Path) -> Result<Data> {
        Data::open_within(root, HOLDER_GOES)
    }

    fn open_within(root: &Path, patience: Duration) -> Result<Data> {
        adopt(root)?;
        let root = fs::canonicalize(root)?;
        fs::set_permissions(&root, Permissions::from_mode(0o700))?;
        let path = root.join(LOCK);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| path.display().to_string())?;
        let lock = lock(file, &root, patience)?;
        Ok(Data { root, _lock: lock })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The hosted repository.
    pub fn repository(&self) -> PathBuf {
        self.root.join("repo.git")
    }

    /// The mirror of a watched repository.
    pub fn mirror(&self) -> PathBuf {
        self.root.join("mirror.git")
    }

    /// The repository that bears witness of releases, where none is hosted.
    pub fn releases(&self) -> PathBuf {
        self.root.join("releases.git")
    }

    /// A copy of the secret from which charts' random values are derived.
    pub fn charts_secret(&self) -> PathBuf {
        self.root.join("charts.key")
    }

    /// The embedded store.
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// Charts that were fetched.
    pub fn charts(&self) -> PathBuf {
        self.root.join("charts")
    }

    /// Keys and certificates.
    pub fn pki(&self) -> PathBuf {
        self.root.join("pki")
    }

    /// The socket on which git's hooks speak.
    pub fn hook_socket(&self) -> PathBuf {
        self.root.join("hook.sock")
    }

    /// Writes where this daemon answers, for commands on this machine.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn announce(&self, daemon: &Daemon) -> Result<()> {
        announce(&self.root, daemon)
    }

    /// Takes the announcement back.
    pub fn withdraw(&self) {
        // Gone already is as good.
        let _ = fs::remove_file(file(&self.root));
    }
}

/// Locks a data directory, and waits that long for who holds it.
fn lock(mut file: File, root: &Path, patience: Duration) -> Result<Flock<File>> {
    let until = Instant::now() + patience;
    let mut is_told = false;
    loop {
        file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((file, Errno::EWOULDBLOCK)) => file,
            Err((_, errno)) => bail!("locking {}: {errno}", root.join(LOCK).display()),
        };
        let holder =
            read(root).map_or_else(|_| "another process".to_owned(), |daemon| format!("process {}", daemon.pid));
        if Instant::now() >= until {
            let what = format!("{} is in use by {holder}", root.display());
            return Err(Lacking::error(what, "stop it first, or give another --data"));
        }
        if !is_told {
            is_told = true;
            eprintln!("{} is in use by {holder}: waiting up to {} s for it to end", root.display(), patience.as_secs());
        }
        // The kernel tells nobody when a lock is given back, save who waits without an end.
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn file(root: &Path) -> PathBuf {
    root.join("daemon.json")
}

/// Writes where the daemon of this data directory answers; for those who run in the daemon, which has the directory locked.
///
/// # Errors
/// The file cannot be written.
pub fn announce(root: &Path, daemon: &Daemon) -> Result<()> {
    write_private(&file(root), &serde_json::to_vec_pretty(daemon)?)
}

/// What the daemon of a data directory told last; it may have died since.
///
/// # Errors
/// There is none.
pub fn read(root: &Path) -> Result<Daemon> {
    let path = file(root);
    let body = fs::read(&path).map_err(|error| {
        let root = root.display();
        match error.kind() {
            io::ErrorKind::NotFound => Lacking {
                what: format!("no control plane runs here with its data in {root}"),
                hint: "`masthead up` starts one; --data DIR or --server URL names another".to_owned(),
            },
            io::ErrorKind::PermissionDenied => Lacking {
                what: format!("{root} may not be read: it is another user's"),
                hint: "run this as that user (sudo), or give --server URL, and the token in MASTHEAD_TOKEN".to_owned(),
            },
            _ => Lacking { what: format!("{}: {error}", path.display()), hint: "the file is needed".to_owned() },
        }
    })?;
    serde_json::from_slice(&body).with_context(|| path.display().to_string())
}

/// Makes a data directory, or takes one that is empty, before anything is written there. It is not locked.
///
/// # Errors
/// As [`refuse_foreign`], or it cannot be made.
pub fn adopt(root: &Path) -> Result<()> {
    refuse_foreign(root)?;
    fs::create_dir_all(root).with_context(|| format!("making the data directory {}", root.display()))?;
    let path = root.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
    file.map(drop).with_context(|| path.display().to_string())
}

/// Refuses a directory that holds what is not ours: `down` removes everything in a data directory.
///
/// # Errors
/// It does, or it cannot be read.
pub fn refuse_foreign(root: &Path) -> Result<()> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let what = format!("{} may not be read: it is another user's", root.display());
            return Err(Lacking::error(what, "run this as that user (sudo)"));
        }
        Err(error) => return Err(error).with_context(|| root.display().to_string()),
    };
    if root.join(LOCK).exists() {
        return Ok(());
    }
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        // A socket is nobody's data: `cri` may have had one here. Nor is a disk that was mounted here for the first time.
        let is_nobodys = entry.file_type()?.is_socket() || is_bare(&entry.path());
        if !is_nobodys && !WITHOUT_LOCK.iter().any(|ours| name == *ours) {
            let what = format!("{} is no data directory of Masthead: it holds {}", root.display(), name.display());
            return Err(Lacking::error(what, "give --data a directory that is empty or not there yet"));
        }
    }
    Ok(())
}

/// Whether this is a folder without anything in it but what making a file system leaves there.
fn is_bare(folder: &Path) -> bool {
    let is_left = |entry: io::Result<fs::DirEntry>| entry.is_ok_and(|entry| entry.file_name() == LOST_AND_FOUND);
    fs::read_dir(folder).is_ok_and(|mut entries| entries.all(is_left))
}

/// Writes a file that only its owner may read, in one step.
///
/// # Errors
/// The file system refuses.
pub fn write_private(path: &Path, body: &[u8]) -> Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&fresh)
        .with_context(|| fresh.display().to_string())?;
    file.write_all(body)?;
    file.sync_all()?;
    fs::rename(&fresh, path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_that_goes_is_waited_for_and_one_that_stays_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let held = Data::open(dir.path()).unwrap();
        let text = Data::open(dir.path()).unwrap_err().to_string();
        assert!(text.contains("is in use by another process"), "{text}");
        let daemon = Daemon {
            pid: 4711,
            api_url: String::new(),
            repository_url: String::new(),
            branch: String::new(),
            nodes_address: String::new(),
            demo: None,
        };
        held.announce(&daemon).unwrap();
        let text = Data::open_within(dir.path(), LOOK_AGAIN).unwrap_err().to_string();
        assert!(text.contains("is in use by process 4711"), "{text}");
        let root = dir.path().to_owned();
        let waits = std::thread::spawn(move || Data::open_within(&root, Duration::from_secs(60)).map(drop));
        drop(held);
        waits.join().unwrap().unwrap();
    }

    #[test]
    fn a_directory_of_somebody_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        refuse_foreign(&root).unwrap();
        fs::create_dir_all(root.join("images")).unwrap();
        refuse_foreign(&root).unwrap();
        // A disk that is new, and another where the store will be.
        fs::create_dir_all(root.join("lost+found")).unwrap();
        fs::create_dir_all(root.join("store/lost+found")).unwrap();
        refuse_foreign(&root).unwrap();
        fs::write(root.join("thesis.tex"), "").unwrap();
        let text = Data::open(&root).unwrap_err().to_string();
        assert!(text.ends_with("is no data directory of Masthead: it holds thesis.tex"), "{text}");
        assert!(!root.join(LOCK).exists(), "nothing is written there");
        fs::remove_file(root.join("thesis.tex")).unwrap();
        drop(Data::open(&root).unwrap());
        fs::write(root.join("other"), "").unwrap();
        refuse_foreign(&root).unwrap();
    }
}
