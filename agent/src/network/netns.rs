//! Makes network namespaces and pins them to paths, without leaving the caller's own.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statfs::{FsType, statfs};

use crate::network::error::{Error, IoContext, Result};

/// The magic number of the file system namespaces live in (`linux/magic.h`).
const NSFS_MAGIC: FsType = FsType(0x6e73_6673);

/// A new network namespace, alive as long as the descriptor is (or a pin).
///
/// A thread that has left the agent's namespace must never run anything else, so it is one that ends.
pub fn create() -> Result<OwnedFd> {
    thread::Builder::new()
        .name("netns".to_owned())
        .spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).doing(|| "make a network namespace".to_owned())?;
            quiet_v6();
            File::open("/proc/thread-self/ns/net").map(OwnedFd::from).doing(|| "open a network namespace".to_owned())
        })
        .doing(|| "start a thread for a network namespace".to_owned())?
        .join()
        .unwrap_or(Err(Error::Ended))
}

/// A pod's link has one neighbour and a given address: nothing to probe for, nothing to solicit.
///
/// Kernels without IPv6 have none of these files, and need none.
fn quiet_v6() {
    for knob in ["accept_dad", "accept_ra", "router_solicitations"] {
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/default/{knob}"), "0");
    }
}

/// Pins a namespace to a path that must not exist yet.
pub fn pin(ns: &OwnedFd, path: &Path) -> Result<()> {
    let what = || format!("pin a network namespace to {}", path.display());
    fs::OpenOptions::new().write(true).create_new(true).open(path).doing(what)?;
    let source = format!("/proc/thread-self/fd/{}", ns.as_raw_fd());
    mount(Some(source.as_str()), path, None::<&str>, MsFlags::MS_BIND, None::<&str>).doing(what)
}

/// Takes a pin away, mounted or not; succeeds when there is none.
pub fn unpin(path: &Path) -> Result<()> {
    let what = || format!("unpin the network namespace {}", path.display());
    while is_pinned(path)? {
        umount2(path, MntFlags::MNT_DETACH).doing(what)?;
    }
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e).doing(what),
        _ => Ok(()),
    }
}

/// Whether a path is a live pin; a plain file is what a restart of the machine leaves of one.
pub fn is_pinned(path: &Path) -> Result<bool> {
    match statfs(path) {
        Ok(found) => Ok(found.filesystem_type() == NSFS_MAGIC),
        Err(nix::errno::Errno::ENOENT) => Ok(false),
        Err(e) => Err(e).doing(|| format!("look at {}", path.display())),
    }
}

/// Opens a pinned namespace.
pub fn open(path: &Path) -> Result<OwnedFd> {
    File::open(path).map(OwnedFd::from).doing(|| format!("open the network namespace {}", path.display()))
}
