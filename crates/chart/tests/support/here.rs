//! The real file system as the crate asks for it, seen from a folder, for tests and benchmarks.

use std::borrow::Cow;
use std::path::PathBuf;

use masthead_chart::disk::{self, Disk, Kind};

/// The real file system, seen from a folder.
pub struct Here {
    /// The folder that paths are taken from.
    folder: PathBuf,
    buffer: Vec<u8>,
}

impl Here {
    /// Seen from a folder.
    pub fn new(folder: impl Into<PathBuf>) -> Here {
        Here { folder: folder.into(), buffer: Vec::new() }
    }
}

impl Here {
    fn at(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }
}

fn go(verb: &str, path: &str, error: &std::io::Error) -> String {
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        _ => error.to_string(),
    };
    format!("{verb} {path}: {why}")
}

fn kind(meta: &std::fs::Metadata) -> Kind {
    match meta {
        meta if meta.is_symlink() => Kind::Link,
        meta if meta.is_dir() => Kind::Folder,
        meta if meta.is_file() => Kind::File(meta.len()),
        _ => Kind::Other,
    }
}

impl Disk for Here {
    fn stat(&mut self, path: &str) -> Result<Kind, String> {
        std::fs::metadata(self.at(path)).map(|meta| kind(&meta)).map_err(|error| go("stat", path, &error))
    }

    fn list(&mut self, path: &str) -> Result<Vec<(String, Kind)>, String> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.at(path)).map_err(|error| go("open", path, &error))? {
            let entry = entry.map_err(|error| go("open", path, &error))?;
            // The folder knows what its entries are, but not how long.
            let kind = match entry.file_type().map_err(|error| go("lstat", path, &error))? {
                typ if typ.is_symlink() => Kind::Link,
                typ if typ.is_dir() => Kind::Folder,
                typ if typ.is_file() => Kind::File(0),
                _ => Kind::Other,
            };
            names.push((entry.file_name().to_string_lossy().into_owned(), kind));
        }
        names.sort_by(|a: &(String, Kind), b| a.0.cmp(&b.0));
        Ok(names)
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(self.at(path)).map_err(|error| go("open", path, &error))
    }

    fn read_up_to(&mut self, path: &str, most: u64) -> Result<Option<Cow<'_, [u8]>>, String> {
        let fault = |error: std::io::Error| go("open", path, &error);
        let mut file = std::fs::File::open(self.at(path)).map_err(fault)?;
        disk::up_to(&mut file, &mut self.buffer, most).map_err(fault)
    }

    fn resolve(&mut self, path: &str) -> Result<String, String> {
        let found = std::fs::canonicalize(self.at(path)).map_err(|error| go("lstat", path, &error))?;
        Ok(found.to_string_lossy().into_owned())
    }

    fn absolute(&mut self, path: &str) -> String {
        self.at(path).to_string_lossy().into_owned()
    }

    fn stdin(&mut self) -> Result<Vec<u8>, String> {
        Ok(Vec::new())
    }
}
