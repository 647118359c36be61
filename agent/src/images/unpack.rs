//! Writes a layer's tar stream as a directory fit for overlayfs: whiteouts become devices and attributes.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{
    FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags, fchmod, fchmodat, fstatat, futimens, makedev, mkdirat,
    mknodat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, linkat, symlinkat, unlinkat};
use tar::{Archive, Entry, EntryType};
use xattr::FileExt;

use crate::images::error::{Context, Error};
use crate::images::guard::Guard;
use crate::images::limits::Limits;
use crate::images::tree::{self, Tree, show};

const WHITEOUT: &[u8] = b".wh.";
const WHITEOUT_META: &[u8] = b".wh..wh.";
const WHITEOUT_OPAQUE: &[u8] = b".wh..wh..opq";
/// Longest file name Linux takes.
const NAME_MAX: usize = 255;

/// What a layer came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Bytes of file content.
    pub bytes: u64,
    /// Entries, directories that no entry named included.
    pub files: u64,
}

/// Unpacks `stream` into the empty directory `root`; `lowers` are the layers below, top first.
///
/// The stream is read to its end, so that a hashing reader around it has seen all of it.
///
/// # Errors
/// [`Error::Limit`], [`Error::Unsafe`], [`Error::Unsupported`], [`Error::Malformed`], [`Error::Io`].
pub fn unpack(stream: impl Read, root: OwnedFd, lowers: &[OwnedFd], limits: &Limits) -> Result<Unpacked, Error> {
    let guard = Guard::new(stream, limits.layer_unpacked_bytes, limits.header_bytes);
    let mut archive = Archive::new(guard);
    let mut writer = Writer { tree: Tree::new(root, lowers), limits, done: Unpacked::default(), dirs: Vec::new() };
    let result = writer.entries(&mut archive);
    let mut guard = archive.into_inner();
    let result = match result {
        Ok(()) => io::copy(&mut guard, &mut io::sink()).map(drop).map_err(|e| Error::malformed("layer", e)),
        Err(e) => Err(e),
    };
    if let Some(limit) = guard.hit() {
        let bound = if limit == "header_bytes" { limits.header_bytes } else { limits.layer_unpacked_bytes };
        return Err(Error::Limit { what: "layer".to_owned(), limit, bound });
    }
    result?;
    writer.finish()
}

struct Writer<'a> {
    tree: Tree<'a>,
    limits: &'a Limits,
    done: Unpacked,
    /// Directories with their modification time, which is set last.
    dirs: Vec<(OwnedTimes, Vec<OsString>)>,
}

type OwnedTimes = TimeSpec;

/// The metadata of an entry that every kind has.
struct Meta {
    uid: Uid,
    gid: Gid,
    mode: Mode,
    mtime: TimeSpec,
    xattrs: Vec<(OsString, Vec<u8>)>,
}

impl Writer<'_> {
    fn entries<R: Read>(&mut self, archive: &mut Archive<R>) -> Result<(), Error> {
        let broken = |e: io::Error| Error::malformed("layer", e);
        for entry in archive.entries().map_err(broken)? {
            self.entry(&mut entry.map_err(broken)?)?;
        }
        Ok(())
    }

    fn entry<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<(), Error> {
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader) {
            return Ok(());
        }
        self.done.files += 1;
        if self.done.files + self.tree.implied > self.limits.layer_files {
            return Err(self.limit("layer_files", self.limits.layer_files));
        }
        let meta = Meta::read(entry)?;
        let parts = split(&entry.path_bytes())?;
        let Some((name, parents)) = parts.split_last() else {
            return self.root_entry(kind, &meta);
        };
        if name.as_bytes().starts_with(WHITEOUT) {
            return self.whiteout(name, parents, &parts);
        }
        let dir = self.tree.parent(parents)?;
        let hides = self.clear(dir.as_fd(), name, &parts, kind)?;
        let what = || format!("unpack {}", show(&parts));
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(dir.as_fd(), name, &parts, entry, &meta)?;
            }
            EntryType::Directory => self.directory(dir.as_fd(), name, &parts, &meta, hides)?,
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                self.tree.forget(&parts);
                symlinkat(OsStr::from_bytes(&target), dir.as_fd(), name.as_os_str()).context(what)?;
                meta.apply_at(dir.as_fd(), name, false).context(what)?;
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                self.hard_link(dir.as_fd(), name, &parts, &target)?;
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                let header = entry.header();
                let device = |field: io::Result<Option<u32>>| field.ok().flatten().unwrap_or(0);
                let dev = makedev(device(header.device_major()).into(), device(header.device_minor()).into());
                let (sort, dev) = match kind {
                    EntryType::Char => (SFlag::S_IFCHR, dev),
                    EntryType::Block => (SFlag::S_IFBLK, dev),
                    _ => (SFlag::S_IFIFO, 0),
                };
                mknodat(dir.as_fd(), name.as_os_str(), sort, Mode::empty(), dev).context(what)?;
                meta.apply_at(dir.as_fd(), name, true).context(what)?;
            }
            other => {
                return Err(Error::Unsupported {
                    what: format!("tar entry type {:?} of {}", char::from(other.as_byte()), show(&parts)),
                });
            }
        }
        Ok(())
    }

    /// The entry `./` sets what the root directory is like.
    fn root_entry(&mut self, kind: EntryType, meta: &Meta) -> Result<(), Error> {
        if kind != EntryType::Directory {
            return Err(Error::Unsafe { entry: "/".to_owned(), why: "the root is a directory".to_owned() });
        }
        let root = self.tree.root().try_clone_to_owned().context(|| "unpack /".to_owned())?;
        meta.apply(root).context(|| "unpack /".to_owned())?;
        self.dirs.push((meta.mtime, Vec::new()));
        Ok(())
    }

    fn whiteout(&mut self, name: &OsStr, parents: &[OsString], parts: &[OsString]) -> Result<(), Error> {
        let bytes = name.as_bytes();
        if bytes != WHITEOUT_OPAQUE && bytes.starts_with(WHITEOUT_META) {
            // What AUFS kept for itself; no image means anything by it.
            return Ok(());
        }
        if !self.tree.has_lowers() {
            return Ok(());
        }
        let dir = self.tree.parent(parents)?;
        if bytes == WHITEOUT_OPAQUE {
            let dir = dir.try_clone().context(|| format!("unpack {}", show(parts)))?;
            tree::make_opaque(dir)?;
            return Ok(());
        }
        let removed = OsStr::from_bytes(&bytes[WHITEOUT.len()..]);
        if matches!(removed.as_bytes(), b"" | b"." | b"..") {
            return Err(Error::Unsafe { entry: show(parts), why: "a whiteout without a name".to_owned() });
        }
        let what = || format!("unpack {}", show(parts));
        match stat(dir.as_fd(), removed) {
            // A whiteout is about the layers below: what this layer brings itself stays.
            Ok(found) if is(&found, SFlag::S_IFDIR) => {
                let own = tree::open(dir.as_fd(), &[removed.to_owned()], OFlag::O_RDONLY | OFlag::O_DIRECTORY);
                tree::make_opaque(own.context(what)?)?;
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(Errno::ENOENT) => mknodat(dir.as_fd(), removed, SFlag::S_IFCHR, Mode::empty(), 0).context(what),
            Err(e) => Err(e).context(what),
        }
    }

    /// Removes what stands where an entry goes, except a directory under a directory.
    /// Says whether that was a whiteout, which a new directory has to keep up by being opaque.
    fn clear(&mut self, dir: BorrowedFd<'_>, name: &OsStr, parts: &[OsString], kind: EntryType) -> Result<bool, Error> {
        let found = match stat(dir, name) {
            Ok(found) => found,
            Err(Errno::ENOENT) => return Ok(false),
            Err(e) => return Err(e).context(|| format!("unpack {}", show(parts))),
        };
        let is_dir = is(&found, SFlag::S_IFDIR);
        if is_dir && kind == EntryType::Directory {
            return Ok(false);
        }
        self.tree.forget(parts);
        let hides = tree::whiteout_at(dir, name);
        remove(dir, name, is_dir).context(|| format!("replace {}", show(parts)))?;
        Ok(hides)
    }

    fn directory(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        parts: &[OsString],
        meta: &Meta,
        hides: bool,
    ) -> Result<(), Error> {
        let what = || format!("unpack {}", show(parts));
        match mkdirat(dir, name, Mode::from_bits_truncate(0o700)) {
            // A name that went through a link of a lower layer may be known under another path.
            Ok(()) => self.tree.forget(parts),
            Err(Errno::EEXIST) => {}
            Err(e) => return Err(e).context(what),
        }
        let fd = tree::open(dir, &[name.to_owned()], OFlag::O_RDONLY | OFlag::O_DIRECTORY).context(what)?;
        let fd = if hides { tree::make_opaque(fd)? } else { fd };
        meta.apply(fd).context(what)?;
        self.dirs.push((meta.mtime, parts.to_vec()));
        Ok(())
    }

    fn file<R: Read>(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        parts: &[OsString],
        entry: &mut Entry<'_, R>,
        meta: &Meta,
    ) -> Result<(), Error> {
        let what = || format!("unpack {}", show(parts));
        let how = OpenHow::new()
            .flags(OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC)
            .mode(Mode::from_bits_truncate(0o600))
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
        let mut file = File::from(openat2(dir, name, how).context(what)?);
        let left = self.limits.layer_unpacked_bytes - self.done.bytes;
        let bytes = copy(entry, &mut file, left).map_err(|e| match e {
            CopyError::TooMuch => self.limit("layer_unpacked_bytes", self.limits.layer_unpacked_bytes),
            CopyError::Read(e) => Error::malformed(what(), e),
            CopyError::Write(e) => Error::io(what(), e),
        })?;
        self.done.bytes += bytes;
        let fd = meta.apply(file.into()).context(what)?;
        futimens(&fd, &meta.mtime, &meta.mtime).context(what)
    }

    fn hard_link(&mut self, dir: BorrowedFd<'_>, name: &OsStr, parts: &[OsString], target: &[u8]) -> Result<(), Error> {
        let target = split(target)?;
        let Some((from, parents)) = target.split_last() else {
            return Err(Error::Unsafe { entry: show(parts), why: "a hard link to the root".to_owned() });
        };
        let held = self.tree.parent(parents)?;
        match linkat(held.as_fd(), from.as_os_str(), dir, name, AtFlags::empty()) {
            Err(Errno::ENOENT) if self.tree.has_lowers() => Err(Error::Unsupported {
                what: format!("hard link {} to {}, which this layer does not have,", show(parts), show(&target)),
            }),
            Err(Errno::ENOENT) => {
                Err(Error::malformed(show(parts), format!("hard link to {}, which does not exist", show(&target))))
            }
            other => other.context(|| format!("link {} to {}", show(parts), show(&target))),
        }
    }

    fn limit(&self, limit: &'static str, bound: u64) -> Error {
        Error::Limit { what: "layer".to_owned(), limit, bound }
    }

    /// Sets the times of the directories, which later entries have moved.
    fn finish(mut self) -> Result<Unpacked, Error> {
        for (mtime, parts) in self.dirs.drain(..).rev() {
            // A directory that a later entry replaced is no more.
            if let Ok(fd) = tree::open(self.tree.root(), &parts, OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
                futimens(&fd, &mtime, &mtime).context(|| format!("set time of {}", show(&parts)))?;
            }
        }
        self.done.files += self.tree.implied;
        Ok(self.done)
    }
}

impl Meta {
    fn read<R: Read>(entry: &mut Entry<'_, R>) -> Result<Self, Error> {
        let broken = |e: io::Error| Error::malformed("layer", e);
        let mut xattrs = Vec::new();
        let (mut nanos, mut seconds) = (0, None);
        let (mut wide_uid, mut wide_gid) = (None, None);
        for record in entry.pax_extensions().map_err(broken)?.into_iter().flatten() {
            let record = record.map_err(broken)?;
            let key = record.key_bytes();
            let value = record.value_bytes();
            let number = || std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
            if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                if is_carried(name) {
                    xattrs.push((OsString::from_vec(name.to_vec()), value.to_vec()));
                }
            } else if key.starts_with(b"GNU.sparse.") {
                return Err(Error::Unsupported { what: "a PAX sparse file".to_owned() });
            } else if key == b"mtime" {
                (seconds, nanos) = time(value);
            } else if key == b"uid" {
                wide_uid = number();
            } else if key == b"gid" {
                wide_gid = number();
            }
        }
        let header = entry.header();
        let id = |wide: Option<u64>, plain: io::Result<u64>| {
            let id = wide.map_or(plain, Ok).map_err(broken)?;
            u32::try_from(id).map_err(|_| Error::malformed("layer", format!("owner {id} is out of range")))
        };
        let mtime = seconds.unwrap_or_else(|| header.mtime().ok().and_then(|t| i64::try_from(t).ok()).unwrap_or(0));
        Ok(Self {
            uid: Uid::from_raw(id(wide_uid, header.uid())?),
            gid: Gid::from_raw(id(wide_gid, header.gid())?),
            mode: Mode::from_bits_truncate(header.mode().map_err(broken)? & 0o7777),
            mtime: TimeSpec::new(mtime, nanos),
            xattrs,
        })
    }

    /// Owner first: a change of owner clears setuid and capabilities.
    fn apply(&self, fd: OwnedFd) -> io::Result<OwnedFd> {
        fchown(&fd, Some(self.uid), Some(self.gid))?;
        fchmod(&fd, self.mode)?;
        let file = File::from(fd);
        for (name, value) in &self.xattrs {
            match file.set_xattr(name, value) {
                Err(e) if e.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => {}
                other => other?,
            }
        }
        Ok(file.into())
    }

    /// For what cannot be opened: links, devices, pipes.
    fn apply_at(&self, dir: BorrowedFd<'_>, name: &OsStr, has_mode: bool) -> io::Result<()> {
        fchownat(dir, name, Some(self.uid), Some(self.gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if has_mode {
            // The node was made just now in a directory only we write, so no link can stand here.
            fchmodat(dir, name, self.mode, FchmodatFlags::FollowSymlink)?;
        }
        Ok(utimensat(dir, name, &self.mtime, &self.mtime, UtimensatFlags::NoFollowSymlink)?)
    }
}

/// Overlay's own attributes would let a layer speak to the kernel; labels belong to the host.
fn is_carried(name: &[u8]) -> bool {
    !name.starts_with(b"trusted.") && !name.starts_with(b"user.overlay.") && name != b"security.selinux"
}

fn time(value: &[u8]) -> (Option<i64>, i64) {
    let Ok(text) = std::str::from_utf8(value) else { return (None, 0) };
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = part.chars().take(9).collect();
    let nanos = format!("{digits:0<9}").parse().unwrap_or(0);
    (whole.parse().ok(), nanos)
}

/// The parts of an entry's name; leading slashes and `.` mean nothing, `..` is refused.
fn split(name: &[u8]) -> Result<Vec<OsString>, Error> {
    let refused = |why: &str| Error::Unsafe { entry: String::from_utf8_lossy(name).into_owned(), why: why.to_owned() };
    let mut parts = Vec::new();
    for part in name.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(refused("it climbs out with ..")),
            part if part.len() > NAME_MAX => return Err(refused("a part is longer than 255 bytes")),
            part if part.contains(&0) => return Err(refused("a zero byte in the name")),
            part => parts.push(OsStr::from_bytes(part).to_owned()),
        }
    }
    Ok(parts)
}

fn stat(dir: BorrowedFd<'_>, name: &OsStr) -> nix::Result<FileStat> {
    fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW)
}

fn is(stat: &FileStat, kind: SFlag) -> bool {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == kind
}

enum CopyError {
    TooMuch,
    Read(io::Error),
    Write(io::Error),
}

fn copy(from: &mut impl Read, to: &mut impl Write, most: u64) -> Result<u64, CopyError> {
    let mut buf = vec![0; 64 << 10];
    let mut total = 0;
    loop {
        let n = match from.read(&mut buf) {
            Ok(0) => return Ok(total),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(CopyError::Read(e)),
        };
        total += n as u64;
        if total > most {
            return Err(CopyError::TooMuch);
        }
        to.write_all(&buf[..n]).map_err(CopyError::Write)?;
    }
}

/// Removes a file or a whole directory beneath `dir`, through no link.
fn remove(dir: BorrowedFd<'_>, name: &OsStr, is_dir: bool) -> io::Result<()> {
    if !is_dir {
        return Ok(unlinkat(dir, name, UnlinkatFlags::NoRemoveDir)?);
    }
    // `remove_dir_all` of the standard library walks by descriptors; the parent is named by ours.
    use std::os::fd::AsRawFd;
    let path = std::path::PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name);
    std::fs::remove_dir_all(path)
}
