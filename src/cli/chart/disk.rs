//! The real file system as the chart crate asks for it, with Go's messages.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use masthead_chart::disk::{self, Disk, Kind};
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

/// The file system, seen from the working directory.
#[derive(Default)]
pub struct Real {
    buffer: Vec<u8>,
    /// The folder that was read from last: files are found in it without walking its whole path again.
    folder: Option<(String, OwnedFd)>,
}

impl Real {
    fn open(&mut self, path: &str) -> io::Result<fs::File> {
        let Some((folder, name)) = path.rsplit_once('/').filter(|(folder, _)| !folder.is_empty()) else {
            return fs::File::open(path);
        };
        if self.folder.as_ref().is_none_or(|(last, _)| last != folder) {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            self.folder = Some((folder.to_owned(), open(folder, flags, Mode::empty())?));
        }
        let Some((_, opened)) = &self.folder else { return fs::File::open(path) };
        Ok(openat(opened, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?.into())
    }
}

/// Go's text of a failed operation on a path.
pub fn words(verb: &str, path: &str, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        io::ErrorKind::NotADirectory => "not a directory".to_owned(),
        io::ErrorKind::StorageFull => "no space left on device".to_owned(),
        _ => error.to_string(),
    };
    format!("{verb} {path}: {why}")
}

fn kind(meta: &fs::Metadata) -> Kind {
    match meta {
        meta if meta.is_symlink() => Kind::Link,
        meta if meta.is_dir() => Kind::Folder,
        meta if meta.is_file() => Kind::File(meta.len()),
        _ => Kind::Other,
    }
}

impl Disk for Real {
    fn stat(&mut self, path: &str) -> Result<Kind, String> {
        fs::metadata(path).map(|meta| kind(&meta)).map_err(|error| words("stat", path, &error))
    }

    fn list(&mut self, path: &str) -> Result<Vec<(String, Kind)>, String> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(|error| words("open", path, &error))? {
            let entry = entry.map_err(|error| words("open", path, &error))?;
            // The folder knows what its entries are, but not how long.
            let kind = match entry.file_type().map_err(|error| words("lstat", path, &error))? {
                entry if entry.is_symlink() => Kind::Link,
                entry if entry.is_dir() => Kind::Folder,
                entry if entry.is_file() => Kind::File(0),
                _ => Kind::Other,
            };
            names.push((entry.file_name().to_string_lossy().into_owned(), kind));
        }
        names.sort_by(|a: &(String, Kind), b| a.0.cmp(&b.0));
        Ok(names)
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(path).map_err(|error| words("open", path, &error))
    }

    fn read_up_to(&mut self, path: &str, most: u64) -> Result<Option<Cow<'_, [u8]>>, String> {
        let fault = |error: io::Error| words("open", path, &error);
        let mut file = self.open(path).map_err(fault)?;
        disk::up_to(&mut file, &mut self.buffer, most).map_err(fault)
    }

    fn resolve(&mut self, path: &str) -> Result<String, String> {
        let found = fs::canonicalize(path).map_err(|error| words("lstat", path, &error))?;
        Ok(found.to_string_lossy().into_owned())
    }

    fn absolute(&mut self, path: &str) -> String {
        match std::path::absolute(Path::new(path)) {
            Ok(path) => clean(&path.to_string_lossy()),
            Err(_) => path.to_owned(),
        }
    }

    fn stdin(&mut self) -> Result<Vec<u8>, String> {
        let mut text = Vec::new();
        io::stdin().read_to_end(&mut text).map_err(|error| words("read", "/dev/stdin", &error))?;
        Ok(text)
    }
}

/// A path from the root without `.` and `..`.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
