//! The mounts of a container: the kernel's file systems, the pod's own files, then what is asked for.

use std::path::Path;

use libcontainer::oci_spec::runtime::{Mount as OciMount, MountBuilder};

use crate::runtime::error::{Error, Result};
use crate::runtime::v1::{Mount, MountPropagation};

/// Where the pod's shared files are on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodFiles {
    /// /etc/hosts.
    pub hosts: String,
    /// /etc/hostname.
    pub hostname: String,
    /// /etc/resolv.conf.
    pub resolv_conf: String,
    /// /dev/shm.
    pub shm: String,
}

/// All mounts, in the order in which they are made.
pub fn build(wanted: &[Mount], files: &PodFiles, privileged: bool, readonly_root: bool) -> Result<Vec<OciMount>> {
    let taken = |path: &str| wanted.iter().any(|mount| Path::new(&mount.container_path) == Path::new(path));
    let mut mounts = kernel(privileged)?;
    let mode = if readonly_root { "ro" } else { "rw" };
    let own = [
        ("/etc/hosts", &files.hosts, vec!["rbind", "rprivate", mode]),
        ("/etc/hostname", &files.hostname, vec!["rbind", "rprivate", mode]),
        ("/etc/resolv.conf", &files.resolv_conf, vec!["rbind", "rprivate", mode]),
        ("/dev/shm", &files.shm, vec!["rbind", "rprivate", "rw", "nosuid", "nodev", "noexec"]),
    ];
    for (inside, host, options) in own {
        if !host.is_empty() && !taken(inside) {
            mounts.push(mount(inside, "bind", host, &options)?);
        }
    }
    // A mount below another one's destination comes after it.
    let mut ordered: Vec<&Mount> = wanted.iter().collect();
    ordered.sort_by_key(|mount| Path::new(&mount.container_path).components().count());
    for wanted in ordered {
        mounts.push(bind(wanted)?);
    }
    Ok(mounts)
}

fn kernel(privileged: bool) -> Result<Vec<OciMount>> {
    let mode = if privileged { "rw" } else { "ro" };
    let common = ["nosuid", "noexec", "nodev"];
    let with = |more: &[&'static str]| [&common[..], more].concat();
    Ok(vec![
        mount("/proc", "proc", "proc", &common)?,
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"])?,
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        )?,
        mount("/dev/mqueue", "mqueue", "mqueue", &common)?,
        mount("/sys", "sysfs", "sysfs", &with(&[mode]))?,
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &with(&["relatime", mode]))?,
    ])
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Result<OciMount> {
    let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
    MountBuilder::default()
        .destination(destination)
        .typ(kind)
        .source(source)
        .options(options)
        .build()
        .map_err(|error| Error::internal("build a mount", error))
}

fn bind(wanted: &Mount) -> Result<OciMount> {
    let path = &wanted.container_path;
    if wanted.image.is_some() {
        return Err(Error::Unsupported(format!("image volume at {path}")));
    }
    if !wanted.uid_mappings.is_empty() || !wanted.gid_mappings.is_empty() {
        return Err(Error::Unsupported(format!("mapped ids of the mount at {path}")));
    }
    if !Path::new(path).is_absolute() || wanted.host_path.is_empty() {
        return Err(Error::InvalidArgument(format!("mount {:?} at {path:?}", wanted.host_path)));
    }
    let propagation = match wanted.propagation() {
        MountPropagation::PropagationPrivate => "rprivate",
        MountPropagation::PropagationHostToContainer => "rslave",
        MountPropagation::PropagationBidirectional => "rshared",
    };
    let mode = match (wanted.readonly, wanted.recursive_read_only) {
        (false, true) => {
            let text = format!("mount at {path}: recursively read-only but not read-only");
            return Err(Error::InvalidArgument(text));
        }
        (true, true) if propagation != "rprivate" => {
            let text = format!("mount at {path}: recursively read-only with propagation");
            return Err(Error::InvalidArgument(text));
        }
        (true, true) => "rro",
        (true, false) => "ro",
        (false, false) => "rw",
    };
    mount(path, "bind", &wanted.host_path, &["rbind", propagation, mode])
}

/// How mounts propagate to where a bidirectional one is wanted.
pub const SHARED: &str = "shared";

/// The strongest propagation among mounts, as that of all: libcontainer knows the root's only.
pub fn root_propagation(wanted: &[Mount]) -> &'static str {
    let has = |kind| wanted.iter().any(|mount| mount.propagation() == kind);
    if has(MountPropagation::PropagationBidirectional) {
        SHARED
    } else if has(MountPropagation::PropagationHostToContainer) {
        "slave"
    } else {
        "private"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(inside: &str, readonly: bool) -> Mount {
        let (container_path, host_path) = (inside.to_owned(), "/srv".to_owned());
        Mount { container_path, host_path, readonly, ..Default::default() }
    }

    #[test]
    fn order_and_options() {
        let files = PodFiles { hosts: "/h".into(), shm: "/s".into(), ..Default::default() };
        let mounts = [wanted("/a/b", true), wanted("/a", false), wanted("/etc/hosts", false)];
        let built = build(&mounts, &files, false, true).unwrap();
        let names: Vec<_> = built.iter().map(|mount| mount.destination().to_str().unwrap()).collect();
        assert_eq!(names[6..], ["/dev/shm", "/a", "/a/b", "/etc/hosts"]);
        let options = |at: usize| built[at].options().clone().unwrap().join(",");
        assert_eq!(options(8), "rbind,rprivate,ro");
        assert_eq!(options(7), "rbind,rprivate,rw");
        assert!(options(4).ends_with(",ro"));
    }

    #[test]
    fn what_can_not_be_is_refused() {
        let relative = wanted("a", false);
        let image = Mount { image: Some(Default::default()), ..wanted("/a", true) };
        let recursive = Mount { recursive_read_only: true, ..wanted("/a", false) };
        let propagated = Mount {
            recursive_read_only: true,
            propagation: MountPropagation::PropagationHostToContainer.into(),
            ..wanted("/a", true)
        };
        for mount in [relative, image, recursive, propagated] {
            assert!(build(std::slice::from_ref(&mount), &PodFiles::default(), false, false).is_err(), "{mount:?}");
        }
    }
}
