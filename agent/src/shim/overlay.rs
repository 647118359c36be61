//! Layers into a mounted root file system, and files inside it without ever leaving it.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, mkdirat};

use crate::shim::error::{Context, Error, Result};
use crate::shim::task::{Overlay, files};

/// Where short names of the layers are; overlayfs takes one page of options at most, and
/// neither colons nor commas in a path.
const SHORT: &str = "l";
/// One page, less what the kernel needs.
const OPTIONS_MAX: usize = 4000;
/// The most of a passwd or group file that is read, in bytes.
const FILE_MAX: u64 = 1024 * 1024;

/// Mounts the root file system of the container in `dir`. Changes this process' working
/// directory, and its mount namespace unless the overlay is to be seen on the host.
pub fn mount_rootfs(dir: &Path, pod: &Path, overlay: &Overlay) -> Result<()> {
    let seen = dir.join(files::POD);
    if overlay.on_host {
        symlink(pod, seen).context("name the pod's directory")?;
    } else {
        unshare(CloneFlags::CLONE_NEWNS).context("unshare the mount namespace")?;
        let slave = MsFlags::MS_SLAVE | MsFlags::MS_REC;
        mount(None::<&str>, "/", None::<&str>, slave, None::<&str>).context("make mounts private")?;
        fs::create_dir_all(&seen).context("make the pod's directory")?;
        let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(pod), &seen, None::<&str>, bind, None::<&str>).context("bind the pod")?;
        if let Some(all) = pod.parent() {
            // Other pods' mounts: libcontainer reads the list of all mounts dozens of times.
            let _ = umount2(all, MntFlags::MNT_DETACH);
        }
    }
    std::env::set_current_dir(dir).context("enter the container's directory")?;
    fs::create_dir_all(SHORT).context("make names for the layers")?;
    for (index, layer) in overlay.lower.iter().enumerate() {
        name_layer(layer, &index.to_string())?;
    }
    name_layer(&overlay.upper, "u")?;
    name_layer(&overlay.work, "w")?;
    let options = options(overlay.lower.len())?;
    // Nothing of a writable layer outlives its container, so a sync at its end is for nothing.
    let volatile = format!("{options},volatile");
    let mounted = overlay_mount(&volatile).or_else(|error| match error {
        Errno::EINVAL => overlay_mount(&options),
        other => Err(other),
    });
    mounted.context("mount the root file system")?;
    std::env::set_current_dir("/").context("leave the container's directory")
}

fn name_layer(layer: &Path, name: &str) -> Result<()> {
    match symlink(layer, Path::new(SHORT).join(name)) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.context("name a layer"),
    }
}

fn overlay_mount(options: &str) -> nix::Result<()> {
    mount(Some("overlay"), files::ROOTFS, Some("overlay"), MsFlags::empty(), Some(options))
}

fn options(layers: usize) -> Result<String> {
    let names: Vec<String> = (0..layers).map(|index| format!("{SHORT}/{index}")).collect();
    let options = format!("lowerdir={},upperdir={SHORT}/u,workdir={SHORT}/w", names.join(":"));
    if layers == 0 || options.len() > OPTIONS_MAX {
        return Err(Error::Config(format!("an image of {layers} layers can't be mounted")));
    }
    Ok(options)
}

/// Unmounts it where it was mounted on the host; never mind when it was not.
pub fn unmount_rootfs(dir: &Path) {
    let _ = umount2(&dir.join(files::ROOTFS), MntFlags::MNT_DETACH);
}

/// A container's root; links inside it are followed inside it.
#[derive(Debug)]
pub struct Inside {
    root: OwnedFd,
}

impl Inside {
    /// Opens the root.
    pub fn open(root: &Path) -> Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = open(root, flags, Mode::empty()).context("open the root file system")?;
        Ok(Self { root })
    }

    fn resolve(&self, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        openat2(self.root.as_fd(), path, how)
    }

    /// A small text file; empty when there is none.
    pub fn read(&self, path: &str) -> Result<String> {
        let what = || format!("read {path} of the image");
        let file = match self.resolve(Path::new(path), OFlag::O_RDONLY | OFlag::O_NONBLOCK) {
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENXIO) => return Ok(String::new()),
            opened => File::from(opened.context(what())?),
        };
        if !file.metadata().context(what())?.is_file() {
            return Ok(String::new());
        }
        let mut bytes = Vec::new();
        file.take(FILE_MAX).read_to_end(&mut bytes).context(what())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Makes a directory and those above it, unless something is there.
    pub fn create_dir_all(&self, path: &Path) -> Result<()> {
        let mut so_far = std::path::PathBuf::from("/");
        for component in path.components() {
            let Component::Normal(name) = component else { continue };
            let parent =
                self.resolve(&so_far, OFlag::O_PATH).context(format!("make {} in the image", path.display()))?;
            so_far.push(name);
            match self.resolve(&so_far, OFlag::O_PATH) {
                Err(Errno::ENOENT) => mkdirat(&parent, name, Mode::from_bits_truncate(0o755))
                    .context(format!("make {} in the image", path.display()))?,
                found => drop(found.context(format!("find {} in the image", so_far.display()))?),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_layers_fit_a_page_and_too_many_are_refused() {
        let text = options(500).unwrap();
        assert!(text.len() < OPTIONS_MAX && text.starts_with("lowerdir=l/0:l/1:"), "{text}");
        assert!(options(0).is_err() && options(2000).is_err());
    }

    #[test]
    fn links_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("etc")).unwrap();
        fs::write(dir.path().join("etc/real"), "inside").unwrap();
        symlink("/etc/real", dir.path().join("etc/passwd")).unwrap();
        symlink("../../../../../../etc/hostname", dir.path().join("etc/group")).unwrap();
        symlink("/loop", dir.path().join("loop")).unwrap();
        let inside = Inside::open(dir.path()).unwrap();
        assert_eq!(inside.read("/etc/passwd").unwrap(), "inside");
        assert_eq!(inside.read("/etc/group").unwrap(), "");
        assert_eq!(inside.read("/etc").unwrap(), "");
        assert_eq!(inside.read("/loop").unwrap(), "");
        symlink("/made", dir.path().join("way")).unwrap();
        fs::create_dir(dir.path().join("made")).unwrap();
        inside.create_dir_all(Path::new("/way/a/b")).unwrap();
        assert!(dir.path().join("made/a/b").is_dir());
        inside.create_dir_all(Path::new("/way/a/b")).unwrap();
    }
}
