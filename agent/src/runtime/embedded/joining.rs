//! A sandbox → what a container inside of it is made with: namespaces, files, host name, cgroup.

use std::fs;
use std::path::{Path, PathBuf};

use crate::runtime::embedded::options::Options;
use crate::runtime::embedded::record::SandboxRecord;
use crate::runtime::embedded::spec::{Joined, PidNamespace};
use crate::runtime::embedded::spec_mounts::PodFiles;
use crate::runtime::embedded::store::{Sandbox, Store};
use crate::runtime::error::{Error, Result};
use crate::runtime::v1::{NamespaceMode, PodSandboxConfig};

/// The cgroup that a pod's containers are in.
pub fn cgroup_parent(store: &Store, record: &SandboxRecord) -> String {
    cgroup_parent_of(&store.options, record)
}

/// The same without a running agent.
pub fn cgroup_parent_of(options: &Options, record: &SandboxRecord) -> String {
    let own = record.config.linux.as_ref().map_or("", |linux| linux.cgroup_parent.as_str());
    match own {
        "" => format!("{}/pod{}", options.cgroup_root, record.id),
        own => own.to_owned(),
    }
}

/// The namespaces that a container with these modes joins. `seen` is where it finds the
/// sandbox's directory.
pub fn joined(sandbox: &Sandbox, seen: &Path, pid_mode: NamespaceMode, target: Option<i32>) -> Result<Joined> {
    let record = sandbox.record();
    let pin = |name: &str| {
        let pinned = sandbox.dir.join("ns").join(name).exists();
        pinned.then(|| seen.join("ns").join(name))
    };
    let pid = match pid_mode {
        NamespaceMode::Node => PidNamespace::Host,
        NamespaceMode::Container => PidNamespace::Own,
        NamespaceMode::Pod => pin("pid").map_or(PidNamespace::Own, PidNamespace::At),
        NamespaceMode::Target => {
            let pid =
                target.ok_or_else(|| Error::FailedPrecondition("the target container does not run".to_owned()))?;
            PidNamespace::At(PathBuf::from(format!("/proc/{pid}/ns/pid")))
        }
    };
    let network = &record.netns_path;
    Ok(Joined { network: (!network.is_empty()).then(|| PathBuf::from(network)), ipc: pin("ipc"), uts: pin("uts"), pid })
}

/// The files its containers share, below where they find its directory.
pub fn files(sandbox: &Sandbox, seen: &Path) -> PodFiles {
    let path = |name: &str| seen.join(name).to_string_lossy().into_owned();
    let shm = match sandbox.dir.join("shm").exists() {
        true => path("shm"),
        false => "/dev/shm".to_owned(),
    };
    PodFiles { hosts: path("hosts"), hostname: path("hostname"), resolv_conf: path("resolv.conf"), shm }
}

/// Its host name; a pod without one of its own has the node's.
pub fn hostname(config: &PodSandboxConfig) -> String {
    if config.hostname.is_empty() {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        return host.trim().to_owned();
    }
    config.hostname.clone()
}
