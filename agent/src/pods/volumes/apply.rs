//! What volumes are made of → directories and mounts on the node, again and again with the same end; and their removal.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use masthead_api::core::pod::Pod;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::pods::convert::context::{Placed, References};
use crate::pods::site::volume_dir;
use crate::pods::volumes::plan::{Error, Source, source};
use crate::pods::volumes::{atomic, host_path, ownership};

/// Bytes that one volume of files may take in memory.
const TMPFS_BYTES: u64 = 64 << 20;

/// A volume that could not be made ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("MountVolume.SetUp failed for volume {volume:?} : {why}")]
pub struct Failed {
    /// The volume.
    pub volume: String,
    /// Why.
    pub why: Error,
}

/// Where each volume of a pod is on the node.
pub type Places = BTreeMap<String, PathBuf>;

/// Makes all volumes of a pod ready; says where they are.
///
/// # Errors
/// Each volume that is not ready.
pub fn prepare(pod: &Pod, dir: &Path, placed: &Placed, refs: &dyn References) -> Result<Places, Vec<Failed>> {
    let (mut places, mut failures) = (Places::new(), Vec::new());
    for volume in &pod.spec.volumes {
        let is_secret = volume.secret.is_some() || volume.projected.is_some();
        let made = source(pod, volume, placed, refs)
            .and_then(|source| one(pod, &volume_dir(dir, &volume.name), source, is_secret));
        match made {
            Ok(path) => drop(places.insert(volume.name.clone(), path)),
            Err(why) => failures.push(Failed { volume: volume.name.clone(), why }),
        }
    }
    if failures.is_empty() { Ok(places) } else { Err(failures) }
}

fn one(pod: &Pod, dir: &Path, source: Source, is_secret: bool) -> Result<PathBuf, Error> {
    let group = pod.spec.security_context.as_ref().and_then(|s| s.fs_group).and_then(|g| u32::try_from(g).ok());
    let fail = |error: io::Error| Error(format!("{}: {error}", dir.display()));
    match source {
        Source::HostPath { path, kind } => {
            host_path::check(Path::new(&path), &kind)?;
            return Ok(PathBuf::from(path));
        }
        Source::Empty { memory } => {
            let fresh = !dir.exists();
            fs::create_dir_all(dir).map_err(fail)?;
            if let Some(limit) = memory
                && !is_mount(dir).map_err(fail)?
            {
                tmpfs(dir, limit, 0o777).map_err(fail)?;
            }
            // Later the content is the containers' own.
            if fresh {
                fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).map_err(fail)?;
            }
            if let Some(group) = group
                && !ownership::is_given(dir, group)
            {
                ownership::give(dir, group, false).map_err(fail)?;
            }
        }
        Source::Files(files) => {
            fs::create_dir_all(dir).map_err(fail)?;
            // A Secret's values never touch a disk.
            if is_secret && !is_mount(dir).map_err(fail)? {
                tmpfs(dir, Some(TMPFS_BYTES), 0o755).map_err(fail)?;
            }
            atomic::write(dir, &files, group).map_err(fail)?;
        }
    }
    Ok(dir.to_owned())
}

fn tmpfs(dir: &Path, limit: Option<u64>, mode: u32) -> io::Result<()> {
    let mut options = format!("mode={mode:o}");
    if let Some(limit) = limit {
        options.push_str(&format!(",size={limit}"));
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    Ok(mount(Some("tmpfs"), dir, Some("tmpfs"), flags, Some(options.as_str()))?)
}

/// Whether something is mounted at a directory: it then has another device than its parent.
fn is_mount(dir: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let parent = dir.parent().unwrap_or(dir);
    Ok(fs::metadata(dir)?.dev() != fs::metadata(parent)?.dev())
}

/// Unmounts everything below a pod's directory and removes the directory; succeeds when it is not there.
///
/// # Errors
/// The disk, or a mount that is held.
pub fn remove(pod_dir: &Path) -> io::Result<()> {
    if !pod_dir.exists() {
        return Ok(());
    }
    unmount_below(pod_dir)?;
    match fs::remove_dir_all(pod_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Unmounts everything at and below a directory, the innermost first.
///
/// # Errors
/// A mount that is held.
pub fn unmount_below(root: &Path) -> io::Result<()> {
    let root = fs::canonicalize(root)?;
    let table = fs::read_to_string("/proc/thread-self/mountinfo")?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape);
    let mut below: Vec<PathBuf> = points.filter(|point| point.starts_with(&root)).collect();
    below.reverse();
    for point in below {
        match umount2(&point, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
            // It went by itself, with what it was mounted on.
            Ok(()) | Err(nix::Error::EINVAL | nix::Error::ENOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The kernel writes space, tab, newline and backslash as octal.
fn unescape(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let octal = bytes
            .get(at + 1..at + 4)
            .and_then(|o| std::str::from_utf8(o).ok())
            .and_then(|o| u8::from_str_radix(o, 8).ok());
        match (byte, octal) {
            (b'\\', Some(octal)) => {
                out.push(octal);
                at += 4;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(out))
}
