//! A path inside a volume → a bind mount of exactly that file or directory, which no link can lead elsewhere.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::pods::volumes::plan::Error;

/// Makes `sub` of a volume appear at `target`; a missing directory is made.
///
/// # Errors
/// It leads out of the volume, or can't be mounted.
pub fn bind(volume: &Path, sub: &str, target: &Path) -> Result<(), Error> {
    let fail = |error: io::Error| Error(format!("failed to prepare subPath {sub:?}: {error}"));
    if Path::new(sub).components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(Error(format!("subPath {sub:?} must be relative and must not contain \"..\"")));
    }
    let root = fs::canonicalize(volume).map_err(fail)?;
    make(&root, sub)?;
    let real = fs::canonicalize(root.join(sub)).map_err(fail)?;
    let escapes = || Error(format!("subPath {sub:?} leads out of its volume"));
    if !real.starts_with(&root) {
        return Err(escapes());
    }
    // A container may swap a part of the path for a link between the check and the mount: what
    // is mounted is the open file, and where that is, is asked again.
    let open = fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_PATH | nix::libc::O_NOFOLLOW)
        .open(&real)
        .map_err(fail)?;
    let through = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
    if fs::read_link(&through).map_err(fail)? != real {
        return Err(escapes());
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(fail)?;
    }
    // What an earlier container of the name had there.
    while umount2(target, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW).is_ok() {}
    if open.metadata().map_err(fail)?.is_dir() {
        if target.is_file() {
            fs::remove_file(target).map_err(fail)?;
        }
        fs::create_dir_all(target).map_err(fail)?;
    } else {
        if target.is_dir() {
            fs::remove_dir(target).map_err(fail)?;
        }
        fs::OpenOptions::new().create(true).append(true).open(target).map_err(fail)?;
    }
    mount(Some(&through), target, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .map_err(|error| fail(error.into()))
}

/// Makes the directories of a path that are missing, following no link out of the volume. They have the volume's own
/// permissions, or a container that may write to the volume could not write there.
fn make(root: &Path, sub: &str) -> Result<(), Error> {
    let fail = |error: io::Error| Error(format!("failed to prepare subPath {sub:?}: {error}"));
    let permissions = fs::metadata(root).map_err(fail)?.permissions();
    let mut at = root.to_owned();
    for part in Path::new(sub).components() {
        at.push(part);
        match fs::symlink_metadata(&at) {
            Ok(_) => {
                at = fs::canonicalize(&at).map_err(fail)?;
                if !at.starts_with(root) {
                    return Err(Error(format!("subPath {sub:?} leads out of its volume")));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir(&at).map_err(fail)?;
                fs::set_permissions(&at, permissions.clone()).map_err(fail)?;
            }
            Err(error) => return Err(fail(error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_made_has_the_permissions_of_its_volume() {
        for mode in [0o755, 0o2777] {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().join("volume");
            fs::create_dir(&root).unwrap();
            fs::set_permissions(&root, fs::Permissions::from_mode(mode)).unwrap();
            make(&root, "a/b").unwrap();
            for made in ["a", "a/b"] {
                assert_eq!(fs::metadata(root.join(made)).unwrap().permissions().mode() & 0o7777, mode, "{made}");
            }
        }
    }
}
