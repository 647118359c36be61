//! What the crate asks of a file system, and the walk through a chart's folder that Helm makes.

use std::borrow::Cow;
use std::io;

use crate::ahead::Pool;
use crate::archive::{self, FILE_BYTES_MAX};
use crate::chart::{Chart, File};
use crate::ignore::{self, Rules};
use crate::load;

/// How deep folders may nest.
const DEPTH_MAX: usize = 64;

/// Files that a folder may hold.
const FILES_MAX: usize = 50_000;

/// Bytes of all files of a folder. Helm has no bound.
const BYTES_MAX: u64 = 512 << 20;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file of so many bytes; 0 also where a listing does not say.
    File(u64),
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device, a socket, a pipe.
    Other,
}

/// A file system, or something like one. Errors are Go's: `open x: no such file or directory`.
pub trait Disk {
    /// What stands at a path, links followed.
    ///
    /// # Errors
    /// Nothing, or it can't be seen.
    fn stat(&mut self, path: &str) -> Result<Kind, String>;

    /// The names in a folder, sorted, and what they are, links not followed.
    ///
    /// # Errors
    /// It can't be read.
    fn list(&mut self, path: &str) -> Result<Vec<(String, Kind)>, String>;

    /// The bytes of a file.
    ///
    /// # Errors
    /// It can't be read.
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String>;

    /// The bytes of a file, if there are no more than so many; they may stand in a buffer of the next call.
    ///
    /// # Errors
    /// It can't be read.
    fn read_up_to(&mut self, path: &str, most: u64) -> Result<Option<Cow<'_, [u8]>>, String> {
        match self.stat(path)? {
            Kind::File(size) if size > most => Ok(None),
            _ => self.read(path).map(|data| Some(data.into())),
        }
    }

    /// The path that a link, or a path through links, leads to in the end.
    ///
    /// # Errors
    /// It leads nowhere.
    fn resolve(&mut self, path: &str) -> Result<String, String>;

    /// The path from the root.
    fn absolute(&mut self, path: &str) -> String;

    /// What the user pipes in.
    ///
    /// # Errors
    /// It can't be read.
    fn stdin(&mut self) -> Result<Vec<u8>, String>;
}

/// What one read takes at most.
const BUFFER_BYTES: usize = 64 << 10;

/// The bytes of a file that was opened, if there are no more than so many; `buffer` is kept for the next file.
///
/// # Errors
/// It can't be read.
pub fn up_to<'b>(file: &mut impl io::Read, buffer: &'b mut Vec<u8>, most: u64) -> io::Result<Option<Cow<'b, [u8]>>> {
    buffer.resize(BUFFER_BYTES, 0);
    let mut before = Vec::new();
    loop {
        let read = match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if (before.len() + read) as u64 > most {
            return Ok(None);
        }
        // A read that does not fill the buffer has reached the end: most files take one.
        let is_last = read < BUFFER_BYTES;
        if is_last && before.is_empty() {
            return Ok(Some(Cow::Borrowed(&buffer[..read])));
        }
        before.extend_from_slice(&buffer[..read]);
        if is_last {
            return Ok(Some(Cow::Owned(before)));
        }
    }
}

/// Loads a chart from a folder or an archive.
///
/// # Errors
/// Helm's own words.
pub fn chart(disk: &mut dyn Disk, path: &str, warnings: &mut Vec<String>) -> Result<Chart, String> {
    chart_with(disk, path, &Pool::none(), warnings)
}

/// The same, with threads that work ahead of what is done with the chart.
///
/// # Errors
/// Helm's own words.
pub fn chart_with(disk: &mut dyn Disk, path: &str, pool: &Pool, warnings: &mut Vec<String>) -> Result<Chart, String> {
    match disk.stat(path)? {
        Kind::Folder => load::files_with(folder_with(disk, path, pool, warnings)?, pool, warnings),
        _ => {
            let bytes = disk.read(path)?;
            archive::ensure(path, &bytes)?;
            let files = archive::files(&bytes).map_err(|error| match error.as_str() {
                "gzip: invalid header" => {
                    format!("file '{path}' does not appear to be a valid chart file (details: {error})")
                }
                _ => error,
            })?;
            load::files_with(files, pool, warnings)
        }
    }
}

/// The files of a chart's folder that its `.helmignore` leaves.
///
/// # Errors
/// Helm's own words; and a link that leads out of the folder.
pub fn folder(disk: &mut dyn Disk, path: &str, warnings: &mut Vec<String>) -> Result<Vec<File>, String> {
    folder_with(disk, path, &Pool::none(), warnings)
}

/// The same, with threads that work ahead of what is done with the files.
///
/// # Errors
/// As [`folder`].
pub fn folder_with(
    disk: &mut dyn Disk,
    path: &str,
    pool: &Pool,
    warnings: &mut Vec<String>,
) -> Result<Vec<File>, String> {
    let top = disk.absolute(path);
    let rules_path = format!("{top}/{}", ignore::FILE);
    let rules = match disk.stat(&rules_path) {
        Ok(_) => Rules::parse(&disk.read(&rules_path)?)?,
        Err(_) => Rules::parse(b"")?,
    };
    let mut walk = Walk { disk, pool, rules, top, home: None, files: Vec::new(), bytes: 0, warnings };
    walk.folder("", 0)?;
    pool.flush();
    Ok(walk.files)
}

struct Walk<'d> {
    disk: &'d mut dyn Disk,
    pool: &'d Pool,
    rules: Rules,
    top: String,
    /// The top with its links resolved, where there was a link: what links may lead into.
    home: Option<String>,
    files: Vec<File>,
    /// Bytes of all files so far.
    bytes: u64,
    warnings: &'d mut Vec<String>,
}

impl Walk<'_> {
    fn folder(&mut self, name: &str, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("chart folder {}/{name} is nested deeper than {DEPTH_MAX} levels", self.top));
        }
        for (entry, kind) in self.disk.list(&joined(&self.top, name))? {
            let name = if name.is_empty() { entry } else { joined(name, &entry) };
            self.entry(&name, kind, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, name: &str, kind: Kind, depth: usize) -> Result<(), String> {
        match kind {
            Kind::Link => {
                let path = joined(&self.top, name);
                let words = |error: String| format!("error evaluating symlink {path}: {error}");
                let resolved = self.disk.resolve(&path).map_err(words)?;
                let home = match self.home.take() {
                    Some(home) => home,
                    None => self.disk.resolve(&self.top)?,
                };
                let inside = resolved.strip_prefix(home.as_str()).is_some_and(|rest| rest.starts_with('/'));
                self.home = Some(home);
                if !inside {
                    return Err(format!("symbolic link {path} leads out of the chart, to {resolved}: not followed"));
                }
                self.warnings.push(format!(
                    "walk.go:75: found symbolic link in path: {path} resolves to {resolved}. Contents of linked file included and used"
                ));
                let kind = self.disk.stat(&path)?;
                self.entry(name, kind, depth + 1)
            }
            Kind::Folder if self.rules.ignores(name, true) => Ok(()),
            Kind::Folder => self.folder(name, depth + 1),
            _ if self.rules.ignores(name, false) => Ok(()),
            Kind::Other => {
                let path = joined(&self.top, name);
                Err(format!("cannot load irregular file {path} as it has file mode type bits set"))
            }
            Kind::File(size) if size > FILE_BYTES_MAX => Err(too_large(name)),
            Kind::File(_) => {
                if self.files.len() >= FILES_MAX {
                    return Err(format!("chart folder {} holds more than {FILES_MAX} files", self.top));
                }
                let path = joined(&self.top, name);
                let data = match kind {
                    Kind::File(0) => self.disk.read_up_to(&path, FILE_BYTES_MAX),
                    _ => self.disk.read(&path).map(|data| Some(data.into())),
                };
                let data = data.map_err(|error| format!("error reading {name}: {error}"))?;
                let data = data.ok_or_else(|| too_large(name))?;
                self.bytes += data.len() as u64;
                if self.bytes > BYTES_MAX {
                    return Err(format!("chart folder {} holds more than {BYTES_MAX} bytes", self.top));
                }
                let mut file = File::new(name, data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&data));
                file.early = self.pool.look_at(&file.name, &file.data);
                self.files.push(file);
                Ok(())
            }
        }
    }
}

fn joined(folder: &str, name: &str) -> String {
    [folder, "/", name].concat()
}

fn too_large(name: &str) -> String {
    let base = name.rsplit('/').next().unwrap_or(name);
    let base = masthead_gotmpl::quote::quote(base.as_bytes());
    format!("chart file {base} is larger than the maximum file size {FILE_BYTES_MAX}")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{BUFFER_BYTES, up_to};

    #[test]
    fn files_are_read_to_their_end_or_bound() {
        let mut buffer = Vec::new();
        for size in [0, 1, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, 3 * BUFFER_BYTES] {
            let data: Vec<u8> = (0..=250).cycle().take(size).collect();
            let mut check = |most: usize, expect: Option<&[u8]>| {
                let got = up_to(&mut data.as_slice(), &mut buffer, most as u64).expect("a slice can be read");
                assert_eq!(got.as_deref(), expect, "{size} {most}");
            };
            check(size, Some(&data));
            check(size + 1, Some(&data));
            if size > 0 {
                check(size - 1, None);
            }
        }
        let mut endless = std::io::repeat(7);
        assert!(up_to(&mut endless, &mut buffer, 1 << 20).is_ok_and(|data| data.is_none()));
        assert!(up_to(&mut std::io::repeat(7).take(9), &mut buffer, 9).is_ok_and(|data| data.is_some()));
    }
}
