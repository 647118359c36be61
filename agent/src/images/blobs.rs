//! The data directory: blobs by digest, a place for work in progress, and the locks that keep sweepers off it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::images::digest::Digest;
use crate::images::error::{Context, Error};

/// The directory of the store.
///
/// ```text
/// index.json           names and images
/// blobs/sha256/HEX     manifests and configs
/// layers/SHORT/        unpacked layers
/// tmp/PID-N/           work in progress; locked by its owner, swept when the owner is gone
/// lock                 shared by those who write layers and blobs, exclusive for sweepers
/// index.lock           held while the index changes
/// ```
#[derive(Debug, Clone)]
pub struct Home {
    root: PathBuf,
}

/// A directory for work in progress, removed when dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    counter: AtomicU64,
    _lock: File,
}

/// Keeps sweepers off while layers and blobs wait for the index to name them.
#[derive(Debug)]
pub struct Writing(#[expect(dead_code, reason = "the lock ends when the file closes")] File);

/// Keeps writers off while unnamed layers and blobs are removed.
#[derive(Debug)]
pub struct Sweeping(#[expect(dead_code, reason = "the lock ends when the file closes")] File);

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Home {
    /// Opens or makes the directory, readable by its owner only.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(root: &Path) -> Result<Self, Error> {
        let home = Self { root: root.to_owned() };
        for dir in [root.to_owned(), home.tmp(), home.layers(), home.root.join("blobs/sha256")] {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
            made.context(|| format!("make {}", dir.display()))?;
        }
        Ok(home)
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where unpacked layers are.
    pub fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    /// The file of a blob.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Reads a small blob, checking its digest.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::DigestMismatch`].
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let bytes = fs::read(self.blob(digest)).context(|| format!("read blob {digest}"))?;
        let actual = Digest::of(&bytes);
        if actual != *digest {
            let (what, expect) = (format!("blob {digest}"), digest.to_string());
            return Err(Error::DigestMismatch { what, expect, actual: actual.to_string() });
        }
        Ok(bytes)
    }

    /// Writes a small blob durably and returns its digest.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, scratch: &Scratch, bytes: &[u8]) -> Result<Digest, Error> {
        let digest = Digest::of(bytes);
        let path = self.blob(&digest);
        if !path.exists() {
            replace(&scratch.next(), &path, bytes)?;
        }
        Ok(digest)
    }

    /// A new directory for work in progress.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn scratch(&self) -> Result<Scratch, Error> {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.tmp().join(format!("{}-{n}", std::process::id()));
        let what = || format!("make {}", path.display());
        let lock = own_lock(&path.with_extension("lock"))?;
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                // Left by a process of the same number before a reboot.
                fs::remove_dir_all(&path).context(what)?;
                fs::DirBuilder::new().mode(0o700).create(&path).context(what)?;
            }
            made => made.context(what)?,
        }
        Ok(Scratch { path, counter: AtomicU64::new(0), _lock: lock })
    }

    /// Waits for sweepers and keeps them off.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn writing(&self) -> Result<Writing, Error> {
        let file = lock_file(&self.root.join("lock"))?;
        file.lock_shared().context(|| "lock the image store".to_owned())?;
        Ok(Writing(file))
    }

    /// The right to sweep, unless someone is writing.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sweeping(&self) -> Result<Option<Sweeping>, Error> {
        let file = lock_file(&self.root.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Sweeping(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(Error::io("lock the image store", e)),
        }
    }

    /// The lock under which the index changes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn index_lock(&self) -> Result<File, Error> {
        let file = lock_file(&self.root.join("index.lock"))?;
        file.lock().context(|| "lock the image index".to_owned())?;
        Ok(file)
    }

    /// Removes the work in progress of processes that are gone.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sweep_tmp(&self) -> Result<(), Error> {
        let what = || "sweep work in progress".to_owned();
        for entry in fs::read_dir(self.tmp()).context(what)? {
            let path = entry.context(what)?.path();
            // A lock without a directory is one too: its owner ended between the two.
            let (lock_path, dir) = (path.with_extension("lock"), path.with_extension(""));
            let lock = lock_file(&lock_path)?;
            if lock.try_lock().is_ok() {
                remove_tree(&dir)?;
                remove_tree(&lock_path)?;
            }
        }
        Ok(())
    }
}

impl Scratch {
    /// A path in it that was not given out before.
    pub fn next(&self) -> PathBuf {
        self.path.join(self.counter.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
        let _ = fs::remove_file(self.path.with_extension("lock"));
    }
}

/// Takes a lock file that stands beside a directory to be made; it comes first, so that a sweeper
/// never sees a directory without a lock.
fn own_lock(path: &Path) -> Result<File, Error> {
    let what = || format!("lock {}", path.display());
    loop {
        let file = lock_file(path)?;
        file.lock().context(what)?;
        // A sweeper may have removed it between the two steps; then it protects nothing.
        let held = file.metadata().context(what)?.ino();
        if fs::metadata(path).is_ok_and(|m| m.ino() == held) {
            return Ok(file);
        }
    }
}

fn lock_file(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true).mode(0o600);
    options.open(path).context(|| format!("open {}", path.display()))
}

/// Writes `bytes` to `temp`, makes them durable, and moves them to `path` in one step.
///
/// # Errors
/// [`Error::Io`].
pub fn replace(temp: &Path, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let what = || format!("write {}", path.display());
    let mut file = File::create(temp).context(what)?;
    file.write_all(bytes).context(what)?;
    file.sync_all().context(what)?;
    fs::rename(temp, path).context(what)?;
    sync_parent(path)
}

/// Makes a rename or a removal in the directory of `path` durable.
///
/// # Errors
/// [`Error::Io`].
pub fn sync_parent(path: &Path) -> Result<(), Error> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let synced = File::open(parent).and_then(|dir| dir.sync_all());
    synced.context(|| format!("sync {}", parent.display()))
}

/// Removes a file or a directory with all in it; missing is fine.
///
/// # Errors
/// [`Error::Io`].
pub fn remove_tree(path: &Path) -> Result<(), Error> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match removed {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.context(|| format!("remove {}", path.display())),
    }
}

/// Reads at most `bound` bytes and fails with the named limit beyond.
///
/// # Errors
/// [`Error::Io`], [`Error::Limit`].
pub fn read_bounded(what: &str, from: impl Read, limit: &'static str, bound: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    from.take(bound.saturating_add(1)).read_to_end(&mut bytes).context(|| format!("read {what}"))?;
    if bytes.len() as u64 > bound {
        return Err(Error::Limit { what: what.to_owned(), limit, bound });
    }
    Ok(bytes)
}
