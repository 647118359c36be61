//! The cgroups of a node or a test → gone, in every hierarchy.

use std::fs;
use std::io;
use std::path::Path;

/// Removes the empty cgroups at and below `root` in every hierarchy, and its parent when nobody else uses it.
///
/// # Errors
/// A process is still in one.
pub fn remove(root: &str) -> io::Result<()> {
    let mut hierarchies = vec![Path::new("/sys/fs/cgroup").to_owned()];
    for entry in fs::read_dir("/sys/fs/cgroup")? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            hierarchies.push(entry.path());
        }
    }
    for hierarchy in hierarchies {
        let own = hierarchy.join(root.trim_start_matches('/'));
        if own.is_dir() {
            remove_tree(&own)?;
            if let Some(shared) = own.parent().filter(|shared| *shared != hierarchy) {
                // Others' are in it: then it stays.
                let _ = fs::remove_dir(shared);
            }
        }
    }
    Ok(())
}

/// A cgroup's files can't be removed, its directories can, the innermost first.
fn remove_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    match fs::remove_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
