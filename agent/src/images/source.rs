//! An archive or directory that holds images, as files by name that can be opened without leaving it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::images::blobs::{Scratch, read_bounded};
use crate::images::error::{Context, Error};
use crate::images::guard::Guard;
use crate::images::limits::Limits;
use crate::images::tree;

/// Links followed inside of an archive.
const LINKS_MAX: usize = 8;

/// Files by name.
pub enum Source {
    /// Unpacked from a tar stream into files with numbers for names.
    Spooled(HashMap<String, Item>),
    /// A directory.
    Dir(OwnedFd),
}

/// An entry of a spooled archive.
pub enum Item {
    /// Its content is in this file.
    File(PathBuf),
    /// It stands for another entry; old `docker save` writes equal layers so.
    Link(String),
}

impl Source {
    /// Reads a tar stream, plain or gzip, into scratch files.
    ///
    /// # Errors
    /// [`Error::Limit`], [`Error::Malformed`], [`Error::Io`].
    pub fn spool(stream: impl Read, scratch: &Scratch, limits: &Limits) -> Result<Self, Error> {
        let broken = |e: io::Error| Error::malformed("image archive", e);
        let mut stream = BufReader::with_capacity(128 << 10, stream);
        let mut magic = Vec::new();
        stream.by_ref().take(2).read_to_end(&mut magic).map_err(broken)?;
        let zipped = magic == [0x1f, 0x8b];
        let whole = io::Cursor::new(magic).chain(stream);
        let plain: Box<dyn Read> =
            if zipped { Box::new(flate2::bufread::MultiGzDecoder::new(whole)) } else { Box::new(whole) };
        let mut archive = tar::Archive::new(Guard::new(plain, limits.archive_bytes, limits.header_bytes));
        let result = spool_entries(&mut archive, scratch, limits);
        match archive.into_inner().hit() {
            Some("header_bytes") => Err(limit("header_bytes", limits.header_bytes)),
            Some(_) => Err(limit("archive_bytes", limits.archive_bytes)),
            None => result.map(Self::Spooled),
        }
    }

    /// Opens a directory.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn dir(path: &Path) -> Result<Self, Error> {
        Ok(Self::Dir(File::open(path).context(|| format!("open {}", path.display()))?.into()))
    }

    /// Opens a file by name, if it is there.
    ///
    /// # Errors
    /// [`Error::Unsafe`], [`Error::Io`].
    pub fn open(&self, name: &str) -> Result<Option<File>, Error> {
        let what = || format!("open {name} of the image archive");
        match self {
            Self::Spooled(items) => {
                let mut at = clean(name)?;
                for _ in 0..LINKS_MAX {
                    match items.get(&at) {
                        None => return Ok(None),
                        Some(Item::File(path)) => return File::open(path).context(what).map(Some),
                        Some(Item::Link(to)) => at.clone_from(to),
                    }
                }
                Err(Error::Unsafe { entry: name.to_owned(), why: "more than links = 8".to_owned() })
            }
            Self::Dir(dir) => {
                let parts: Vec<OsString> = clean(name)?.split('/').map(OsString::from).collect();
                match tree::open(dir.as_fd(), &parts, OFlag::O_RDONLY | OFlag::O_NONBLOCK) {
                    Ok(fd) => {
                        let file = File::from(fd);
                        let is_file = file.metadata().context(what)?.is_file();
                        is_file.then_some(Some(file)).ok_or_else(|| Error::malformed(name, "no regular file"))
                    }
                    Err(nix::errno::Errno::ENOENT) => Ok(None),
                    Err(e) => Err(e).context(what),
                }
            }
        }
    }

    /// Reads a small file by name, if it is there.
    ///
    /// # Errors
    /// As [`Source::open`], and [`Error::Limit`].
    pub fn read(&self, name: &str, bound: u64) -> Result<Option<Vec<u8>>, Error> {
        self.open(name)?.map(|file| read_bounded(name, file, "manifest_bytes", bound)).transpose()
    }
}

fn spool_entries<R: Read>(
    archive: &mut tar::Archive<R>,
    scratch: &Scratch,
    limits: &Limits,
) -> Result<HashMap<String, Item>, Error> {
    let broken = |e: io::Error| Error::malformed("image archive", e);
    let mut items = HashMap::new();
    let dir = scratch.next();
    fs::create_dir(&dir).context(|| "make a spool directory".to_owned())?;
    for (n, entry) in archive.entries().map_err(broken)?.enumerate() {
        if n as u64 >= limits.archive_files {
            return Err(limit("archive_files", limits.archive_files));
        }
        let mut entry = entry.map_err(broken)?;
        let name = clean(&String::from_utf8_lossy(&entry.path_bytes()))?;
        let kind = entry.header().entry_type();
        if kind.is_file() {
            let path = dir.join(n.to_string());
            let mut file = File::create(&path).context(|| "spool an image archive".to_owned())?;
            io::copy(&mut entry, &mut file).map_err(broken)?;
            items.insert(name, Item::File(path));
        } else if kind.is_symlink() || kind.is_hard_link() {
            let target = String::from_utf8_lossy(&entry.link_name_bytes().unwrap_or_default()).into_owned();
            let target = match name.rsplit_once('/') {
                Some((parent, _)) if kind.is_symlink() => join(parent, &target),
                _ => clean(&target)?,
            };
            items.insert(name, Item::Link(target));
        }
    }
    Ok(items)
}

fn limit(limit: &'static str, bound: u64) -> Error {
    Error::Limit { what: "image archive".to_owned(), limit, bound }
}

fn clean(name: &str) -> Result<String, Error> {
    if name.split('/').any(|part| part == "..") {
        return Err(Error::Unsafe { entry: name.to_owned(), why: "it climbs out with ..".to_owned() });
    }
    Ok(join("", name))
}

/// Joins by text; names are keys of a map here, never paths of the file system.
fn join(parent: &str, name: &str) -> String {
    let mut parts: Vec<&str> = parent.split('/').filter(|p| !p.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
