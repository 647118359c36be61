//! Files with content → a directory whose content changes all at once, as Kubernetes' `AtomicWriter` lays it out.
//!
//! The files are in a directory of their own, `..data` is a link to it, and what users see are
//! links through `..data`. A new content is a new directory and one rename of the link.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::pods::volumes::ownership;
use crate::pods::volumes::plan::File;

const DATA: &str = "..data";
const DRAFT: &str = "..data_tmp";

/// Makes `dir` hold exactly `files`; says whether anything changed.
///
/// # Errors
/// The disk.
pub fn write(dir: &Path, files: &BTreeMap<String, File>, group: Option<u32>) -> io::Result<bool> {
    let before = fs::read_link(dir.join(DATA)).ok();
    if let Some(before) = &before
        && is_same(&dir.join(before), files)?
    {
        return Ok(false);
    }
    let fresh = tempdir(dir)?;
    let home = dir.join(&fresh);
    for (path, file) in files {
        let target = home.join(path);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&target, &file.bytes)?;
        fs::set_permissions(&target, fs::Permissions::from_mode(file.mode))?;
    }
    if let Some(group) = group {
        ownership::give(&home, group, true)?;
    }
    let draft = dir.join(DRAFT);
    remove_if_there(&draft)?;
    symlink(&fresh, &draft)?;
    fs::rename(&draft, dir.join(DATA))?;
    let tops: BTreeSet<&str> = files.keys().map(|path| path.split('/').next().unwrap_or(path)).collect();
    for top in &tops {
        let link = dir.join(top);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(top), link)?;
        }
    }
    sweep(dir, &fresh, &tops)?;
    Ok(true)
}

fn is_same(home: &Path, files: &BTreeMap<String, File>) -> io::Result<bool> {
    let mut count = 0;
    for (path, file) in files {
        let target = home.join(path);
        let Ok(meta) = fs::symlink_metadata(&target) else { return Ok(false) };
        // A group's read bit may have been added.
        let same_mode = meta.permissions().mode() & 0o777 | 0o440 == file.mode | 0o440;
        if !meta.is_file() || !same_mode || meta.len() != file.bytes.len() as u64 || fs::read(&target)? != file.bytes {
            return Ok(false);
        }
        count += 1;
    }
    Ok(count == count_files(home)?)
}

fn count_files(dir: &Path) -> io::Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        count += if entry.file_type()?.is_dir() { count_files(&entry.path())? } else { 1 };
    }
    Ok(count)
}

fn tempdir(dir: &Path) -> io::Result<String> {
    for _ in 0..16 {
        let name = format!("..{:016x}", rand::random::<u64>());
        match fs::create_dir(dir.join(&name)) {
            Ok(()) => {
                fs::set_permissions(dir.join(&name), fs::Permissions::from_mode(0o755))?;
                return Ok(name);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "no free name for a volume's content"))
}

/// Removes earlier contents and links of files that are gone.
fn sweep(dir: &Path, fresh: &str, tops: &BTreeSet<&str>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name == DATA || name == fresh || tops.contains(name.as_ref()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
