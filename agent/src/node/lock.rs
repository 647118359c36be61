//! One node per data directory at a time: a lock that goes with its process.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};

use crate::node::paths::Paths;

/// Held while a node runs.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "what it does is to be dropped")] Flock<File>);

/// Takes the lock of a data directory.
///
/// # Errors
/// Another process has it, or the directory can't be made.
pub fn take(paths: &Paths) -> Result<Lock> {
    fs::create_dir_all(&paths.node).with_context(|| format!("making {}", paths.node.display()))?;
    let path = paths.node.join("lock");
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.with_context(|| format!("opening {}", path.display()))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Lock(lock)),
        Err((_, nix::Error::EWOULDBLOCK)) => bail!("a node already runs with {}", paths.node.display()),
        Err((_, error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}
