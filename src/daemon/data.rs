//! The data directory: who owns it now, and where its daemon answers.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

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
        fs::create_dir_all(root).with_context(|| format!("making the data directory {}", root.display()))?;
        let root = fs::canonicalize(root)?;
        fs::set_permissions(&root, Permissions::from_mode(0o700))?;
        let path = root.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| path.display().to_string())?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Data { root, _lock: lock }),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => {
                let pid = read(&root)
                    .map_or_else(|_| "another process".to_owned(), |daemon| format!("process {}", daemon.pid));
                bail!("{} is in use by {pid}; stop it first, or give another --data", root.display())
            }
            Err((_, errno)) => bail!("locking {}: {errno}", path.display()),
        }
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

    /// The embedded store.
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
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
        write_private(&file(&self.root), &serde_json::to_vec_pretty(daemon)?)
    }

    /// Takes the announcement back.
    pub fn withdraw(&self) {
        // Gone already is as good.
        let _ = fs::remove_file(file(&self.root));
    }
}

fn file(root: &Path) -> PathBuf {
    root.join("daemon.json")
}

/// What the daemon of a data directory told last; it may have died since.
///
/// # Errors
/// There is none.
pub fn read(root: &Path) -> Result<Daemon> {
    let path = file(root);
    let body =
        fs::read(&path).with_context(|| format!("no daemon runs on {} (no {})", root.display(), path.display()))?;
    serde_json::from_slice(&body).with_context(|| path.display().to_string())
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
