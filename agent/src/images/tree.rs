//! A layer being written, seen together with the layers below it: resolves names, never leaving the layer.
//!
//! Every open goes through `openat2` with `RESOLVE_BENEATH` and `RESOLVE_NO_SYMLINKS`; symbolic links in
//! the way of a name are followed here, by hand, with the image's root as their root.

use std::collections::{HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat};
use xattr::FileExt;

use crate::images::error::{Context, Error};

/// Links followed for one name, as the kernel's own bound.
const SYMLINKS_MAX: usize = 40;
/// Parts of one name.
const DEPTH_MAX: usize = 256;
/// Open directories kept.
const CACHE_MAX: usize = 256;
/// The attribute by which overlayfs hides what lies below a directory.
const OPAQUE: &str = "trusted.overlay.opaque";

/// A layer under construction and what lies below it.
pub struct Tree<'a> {
    root: OwnedFd,
    /// Top first.
    lowers: &'a [OwnedFd],
    cache: HashMap<Vec<u8>, Rc<OwnedFd>>,
    /// Directories made because an entry named no parent.
    pub implied: u64,
}

/// What a name stands for in the layers seen as one.
enum Found {
    Missing,
    Dir(FileStat),
    Link(OsString),
    Other,
}

impl<'a> Tree<'a> {
    /// A tree at `root` on top of `lowers`, top first.
    pub fn new(root: OwnedFd, lowers: &'a [OwnedFd]) -> Self {
        Self { root, lowers, cache: HashMap::new(), implied: 0 }
    }

    /// The root of the layer.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Whether anything lies below.
    pub fn has_lowers(&self) -> bool {
        !self.lowers.is_empty()
    }

    /// The directory that holds the last part of `name`, made when it is missing.
    ///
    /// # Errors
    /// [`Error::Unsafe`] when a part on the way is no directory.
    pub fn parent(&mut self, parts: &[OsString]) -> Result<Rc<OwnedFd>, Error> {
        let key = parts.join(OsStr::new("/")).as_bytes().to_vec();
        if let Some(dir) = self.cache.get(&key) {
            return Ok(Rc::clone(dir));
        }
        let resolved = self.resolve(parts)?;
        let dir = Rc::new(self.make(&resolved)?);
        if self.cache.len() >= CACHE_MAX {
            self.cache.clear();
        }
        self.cache.insert(key, Rc::clone(&dir));
        Ok(dir)
    }

    /// Forgets open directories, after an entry took the place of another.
    pub fn forget(&mut self, parts: &[OsString]) {
        let key = parts.join(OsStr::new("/"));
        let key = key.as_bytes();
        let below = |k: &[u8]| k.starts_with(key) && matches!(k.get(key.len()), None | Some(b'/'));
        if self.cache.keys().any(|k| below(k)) {
            self.cache.clear();
        }
    }

    /// Follows the links in `parts`, in the layers seen as one.
    fn resolve(&self, parts: &[OsString]) -> Result<Vec<OsString>, Error> {
        let refused = |why: &str| Error::Unsafe { entry: show(parts), why: why.to_owned() };
        let mut todo: VecDeque<OsString> = parts.iter().cloned().collect();
        let mut done: Vec<OsString> = Vec::new();
        let mut links = 0;
        while let Some(part) = todo.pop_front() {
            match part.as_bytes() {
                b"" | b"." => continue,
                b".." => {
                    done.pop();
                    continue;
                }
                _ => done.push(part),
            }
            if done.len() > DEPTH_MAX {
                return Err(refused("more than depth = 256"));
            }
            match self.look(&done)? {
                Found::Missing | Found::Dir(_) => {}
                Found::Other => return Err(refused("a part of the name is no directory")),
                Found::Link(target) => {
                    links += 1;
                    if links > SYMLINKS_MAX {
                        return Err(refused("more than symlinks = 40"));
                    }
                    done.pop();
                    if target.as_bytes().starts_with(b"/") {
                        done.clear();
                    }
                    for part in target.as_bytes().split(|b| *b == b'/').rev() {
                        todo.push_front(OsStr::from_bytes(part).to_owned());
                    }
                }
            }
        }
        Ok(done)
    }

    /// What `path`, which has no links but maybe its last part, is in the layers seen as one.
    fn look(&self, path: &[OsString]) -> Result<Found, Error> {
        for layer in std::iter::once(&self.root).chain(self.lowers) {
            match open(layer.as_fd(), path, OFlag::O_PATH | OFlag::O_NOFOLLOW) {
                Ok(fd) => return kind(&fd, path),
                Err(Errno::ENOENT) if hidden_below(layer.as_fd(), path) => return Ok(Found::Missing),
                Err(Errno::ENOENT) => {}
                // An ancestor is no directory here, so it covers those below.
                Err(Errno::ENOTDIR | Errno::ELOOP) => return Ok(Found::Missing),
                Err(e) => return Err(e).context(|| format!("look up {}", show(path))),
            }
        }
        Ok(Found::Missing)
    }

    /// Makes the directories of a resolved path in this layer, as the layers below have them.
    fn make(&mut self, path: &[OsString]) -> Result<OwnedFd, Error> {
        let what = || format!("make directory {}", show(path));
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        match open(self.root.as_fd(), path, flags) {
            Ok(fd) => return Ok(fd),
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => {}
            Err(e) => return Err(e).context(what),
        }
        let mut at = open(self.root.as_fd(), &[], flags).context(what)?;
        for depth in 1..=path.len() {
            let name = &path[depth - 1];
            at = match open(at.as_fd(), std::slice::from_ref(name), flags) {
                Ok(fd) => fd,
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => {
                    let below = self.look(&path[..depth])?;
                    let hides = whiteout_at(at.as_fd(), name);
                    if hides {
                        unlinkat(&at, name.as_os_str(), UnlinkatFlags::NoRemoveDir).context(what)?;
                    }
                    mkdirat(&at, name.as_os_str(), Mode::from_bits_truncate(0o755)).context(what)?;
                    let dir = open(at.as_fd(), std::slice::from_ref(name), flags).context(what)?;
                    let (owner, mode) = match below {
                        Found::Dir(stat) if !hides => ((stat.st_uid, stat.st_gid), stat.st_mode),
                        _ => ((0, 0), 0o755),
                    };
                    fchown(&dir, Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1))).context(what)?;
                    fchmod(&dir, Mode::from_bits_truncate(mode & 0o7777)).context(what)?;
                    self.implied += 1;
                    if hides { make_opaque(dir)? } else { dir }
                }
                Err(e) => return Err(e).context(what),
            };
        }
        Ok(at)
    }
}

/// Marks a directory so that overlayfs hides what lies below it.
pub fn make_opaque(dir: OwnedFd) -> Result<OwnedFd, Error> {
    let file = File::from(dir);
    file.set_xattr(OPAQUE, b"y").context(|| format!("set {OPAQUE}"))?;
    Ok(file.into())
}

/// Whether `name` in `dir` is overlayfs' mark for "removed": a character device 0/0.
pub fn whiteout_at(dir: BorrowedFd<'_>, name: &OsStr) -> bool {
    fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok_and(|s| is_whiteout(&s))
}

fn is_whiteout(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFCHR && stat.st_rdev == 0
}

/// Opens beneath `dir`, through no link at all.
pub fn open(dir: BorrowedFd<'_>, path: &[OsString], flags: OFlag) -> nix::Result<OwnedFd> {
    let joined: PathBuf = if path.is_empty() { PathBuf::from(".") } else { path.iter().collect() };
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(dir, &joined, how)
}

fn kind(fd: &OwnedFd, path: &[OsString]) -> Result<Found, Error> {
    let what = || format!("look up {}", show(path));
    let stat = fstat(fd).context(what)?;
    let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
    Ok(match kind {
        SFlag::S_IFDIR => Found::Dir(stat),
        SFlag::S_IFLNK => Found::Link(readlinkat(fd, "").context(what)?),
        _ if is_whiteout(&stat) => Found::Missing,
        _ => Found::Other,
    })
}

/// Whether a directory on the way to `path` in this layer is opaque.
fn hidden_below(layer: BorrowedFd<'_>, path: &[OsString]) -> bool {
    (1..path.len()).any(|depth| {
        open(layer, &path[..depth], OFlag::O_RDONLY | OFlag::O_DIRECTORY)
            .is_ok_and(|fd| File::from(fd).get_xattr(OPAQUE).is_ok_and(|v| v.as_deref() == Some(b"y")))
    })
}

/// A name for messages.
pub fn show(parts: &[OsString]) -> String {
    parts.join(OsStr::new("/")).to_string_lossy().into_owned()
}
