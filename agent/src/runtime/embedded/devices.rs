//! Device files of the host, as a container is given them.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};

use crate::runtime::v1::Device;

/// How deep /dev is searched for a privileged container.
const DEPTH_MAX: usize = 6;
/// Directories that a container has its own of.
const OWN: [&str; 4] = ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/.udev"];

/// One device file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where the container sees it.
    pub path: PathBuf,
    /// Whether it is a block device.
    pub block: bool,
    /// Its numbers.
    pub major: i64,
    /// Its numbers.
    pub minor: i64,
    /// Its mode, without the kind.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// `rwm`, or a part of it.
    pub permissions: String,
}

/// The devices a container asks for; a directory stands for all below it.
pub fn observe(wanted: &[Device], privileged: bool) -> io::Result<Vec<Node>> {
    let mut nodes = Vec::new();
    if privileged {
        walk(Path::new("/dev"), Path::new("/dev"), "rwm", DEPTH_MAX, &mut nodes);
        nodes.retain(|node| node.path != Path::new("/dev/console"));
    }
    for device in wanted {
        let (host, inside) = (Path::new(&device.host_path), Path::new(&device.container_path));
        let metadata = fs::metadata(host)
            .map_err(|error| io::Error::new(error.kind(), format!("device {}: {error}", host.display())))?;
        if metadata.is_dir() {
            walk(host, inside, &device.permissions, DEPTH_MAX, &mut nodes);
        } else if let Some(node) = node(&metadata, inside, &device.permissions) {
            nodes.retain(|other| other.path != node.path);
            nodes.push(node);
        } else {
            let text = format!("{} is not a device", host.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
    }
    Ok(nodes)
}

fn walk(host: &Path, inside: &Path, permissions: &str, depth: usize, nodes: &mut Vec<Node>) {
    if depth == 0 || OWN.iter().any(|own| host == Path::new(own)) {
        return;
    }
    for entry in fs::read_dir(host).into_iter().flatten().flatten() {
        let path = inside.join(entry.file_name());
        // Links are not followed: they would give a device two names, or lead out of /dev.
        let Ok(metadata) = entry.path().symlink_metadata() else { continue };
        if metadata.is_dir() {
            walk(&entry.path(), &path, permissions, depth - 1, nodes);
        } else if let Some(node) = node(&metadata, &path, permissions) {
            nodes.push(node);
        }
    }
}

fn node(metadata: &fs::Metadata, path: &Path, permissions: &str) -> Option<Node> {
    let block = metadata.file_type().is_block_device();
    if !block && !metadata.file_type().is_char_device() {
        return None;
    }
    let number = |part: u64| i64::try_from(part).unwrap_or(0);
    Some(Node {
        path: path.to_path_buf(),
        block,
        major: number(major(metadata.rdev())),
        minor: number(minor(metadata.rdev())),
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        permissions: if permissions.is_empty() { "rwm" } else { permissions }.to_owned(),
    })
}
