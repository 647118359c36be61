//! A directory and a group → the same directory, owned by the group, as Kubernetes' `SetVolumeOwnership`.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;

/// Gives everything below `root` to a group, which may read it, and write it unless `read_only`.
///
/// # Errors
/// The disk.
pub fn give(root: &Path, group: u32, read_only: bool) -> io::Result<()> {
    let meta = fs::symlink_metadata(root)?;
    lchown(root, None, Some(group))?;
    if meta.file_type().is_symlink() {
        return Ok(());
    }
    let mut add = if read_only { 0o440 } else { 0o660 };
    if meta.is_dir() {
        add |= 0o2110;
    }
    fs::set_permissions(root, fs::Permissions::from_mode(meta.mode() & 0o7777 | add))?;
    if meta.is_dir() {
        for entry in fs::read_dir(root)? {
            give(&entry?.path(), group, read_only)?;
        }
    }
    Ok(())
}

/// Whether the root of a volume already is the group's, so that `OnRootMismatch` leaves it alone.
pub fn is_given(root: &Path, group: u32) -> bool {
    fs::symlink_metadata(root).is_ok_and(|meta| meta.gid() == group && meta.mode() & 0o2660 == 0o2660)
}
