//! A sandbox made, stopped and removed: files, namespaces and a cgroup; no process unless pids are shared.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::join_all;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::runtime::contract::SandboxRequest;
use crate::runtime::embedded::cgroup::Cgroup;
use crate::runtime::embedded::guarded::blocking;
use crate::runtime::embedded::joining::{cgroup_parent, hostname};
use crate::runtime::embedded::namespaces::{self, Plan, pin_namespace, unmount};
use crate::runtime::embedded::record::{self, SandboxRecord};
use crate::runtime::embedded::remove::remove_directory;
use crate::runtime::embedded::shims::Frames;
use crate::runtime::embedded::store::{Sandbox, Store};
use crate::runtime::embedded::{container, id, limits};
use crate::runtime::error::{Error, Result};
use crate::runtime::v1::{DnsConfig, LinuxSandboxSecurityContext, NamespaceMode, PodSandboxConfig};
use crate::shim::exit::now;
use crate::shim::pause::PAUSE_FILE;
use crate::shim::protocol::Message;
use crate::shim::{process, zygote};

/// The size of a pod's /dev/shm in bytes (containerd's).
const SHM_BYTES: u64 = 64 << 20;
/// The longest host name the kernel takes.
const HOSTNAME_MAX: usize = 64;

/// Makes a sandbox, or gives the one that is already there.
pub async fn run(store: &Arc<Store>, request: SandboxRequest) -> Result<String> {
    let metadata = request.config.metadata.as_ref();
    let metadata = metadata.ok_or_else(|| Error::InvalidArgument("a sandbox without metadata".to_owned()))?;
    let id = id::sandbox(metadata);
    let _making = store.making.enter(&id).await;
    if let Some(sandbox) = store.find_sandbox(&id) {
        return match sandbox.record().stopped {
            false => Ok(id),
            true => Err(Error::FailedPrecondition(format!("sandbox {id} was stopped"))),
        };
    }
    let directory = store.sandbox_dir(&id);
    let record = check(&id, request, store)?;
    let made = make(store, &directory, &record).await;
    if let Err(error) = made {
        let cgroup = cgroup_parent(store, &record);
        blocking("clean up a sandbox", move || {
            tear_down(&directory);
            let _ = fs::remove_dir_all(&directory);
            Cgroup::open(&cgroup).remove_if_empty();
        })
        .await?;
        return Err(error);
    }
    store.add_sandbox(&id, Sandbox::new(directory, record));
    store.making.leave(&id);
    Ok(id)
}

fn check(id: &str, request: SandboxRequest, store: &Store) -> Result<SandboxRecord> {
    if !request.runtime_handler.is_empty() {
        return Err(Error::Unsupported(format!("runtime handler {:?}", request.runtime_handler)));
    }
    let options = security(&request.config).namespace_options.unwrap_or_default();
    let users = options.userns_options.as_ref().map(|users| users.mode());
    if users.is_some_and(|mode| mode != NamespaceMode::Node) {
        return Err(Error::Unsupported("user namespaces".to_owned()));
    }
    let host_network = options.network() == NamespaceMode::Node;
    if host_network && request.netns_path.is_some() {
        let text = "a pod with host networking has no network namespace".to_owned();
        return Err(Error::InvalidArgument(text));
    }
    if !host_network && request.netns_path.is_none() {
        let text = "a pod without host networking needs a network namespace".to_owned();
        return Err(Error::InvalidArgument(text));
    }
    if request.config.hostname.len() > HOSTNAME_MAX {
        let text = format!("the host name {:?} is too long", request.config.hostname);
        return Err(Error::InvalidArgument(text));
    }
    if let Some(bad) = request.ips.iter().find(|ip| ip.parse::<IpAddr>().is_err()) {
        return Err(Error::InvalidArgument(format!("{bad:?} is not an address")));
    }
    let netns_path = request.netns_path.unwrap_or_default();
    Ok(SandboxRecord {
        id: id.to_owned(),
        config: request.config,
        netns_path: netns_path.to_string_lossy().into_owned(),
        ips: request.ips,
        created_at: now(),
        boot_id: store.host.boot_id.clone(),
        stopped: false,
        runtime_handler: request.runtime_handler,
    })
}

async fn make(store: &Arc<Store>, directory: &Path, record: &SandboxRecord) -> Result<()> {
    let internal = |error: io::Error| Error::internal("make a sandbox", error);
    let config = &record.config;
    let modes = security(config).namespace_options.unwrap_or_default();
    let own_ipc = modes.ipc() != NamespaceMode::Node;
    let own_network = !record.netns_path.is_empty();
    {
        let (directory, record) = (directory.to_path_buf(), record.clone());
        blocking("make a sandbox", move || prepare(&directory, &record, own_ipc)).await?.map_err(internal)?;
    }
    let pins = directory.join("ns");
    let mut sysctls: Vec<(String, String)> = Vec::new();
    if own_network {
        // As containerd does: in a network of its own a pod may use low ports and ping.
        sysctls.push(("net.ipv4.ip_unprivileged_port_start".into(), "0".into()));
        sysctls.push(("net.ipv4.ping_group_range".into(), "0 2147483647".into()));
    }
    let linux = config.linux.as_ref();
    let wanted = linux.map(|linux| linux.sysctls.clone()).unwrap_or_default();
    check_sysctls(wanted.keys(), own_network, own_ipc)?;
    sysctls.extend(wanted);
    namespaces::make(Plan {
        ipc: own_ipc.then(|| pins.join("ipc")),
        uts: own_network.then(|| (pins.join("uts"), hostname(config))),
        network: own_network.then(|| PathBuf::from(&record.netns_path)),
        sysctls,
    })
    .await?;
    if modes.pid() == NamespaceMode::Pod && linux.is_some() && shares_pids(config) {
        pause(store, directory).await?;
    }
    let cgroup = Cgroup::open(&cgroup_parent(store, record));
    let resources = linux.and_then(|linux| linux.resources.clone()).unwrap_or_default();
    let (directory, record) = (directory.to_path_buf(), record.clone());
    blocking("make a sandbox's cgroup", move || {
        cgroup.create()?;
        limits::apply(&cgroup, &resources)?;
        record::save(&directory, &record)
    })
    .await?
    .map_err(internal)
}

/// CRI's zero value of a pid mode is the shared one; a pod that says nothing at all shares none.
fn shares_pids(config: &PodSandboxConfig) -> bool {
    security(config).namespace_options.is_some()
}

fn prepare(directory: &Path, record: &SandboxRecord, own_ipc: bool) -> io::Result<()> {
    // What a start that was killed half-way has left.
    tear_down(directory);
    let _ = fs::remove_dir_all(directory);
    fs::create_dir_all(directory.join("ns"))?;
    let config = &record.config;
    fs::write(directory.join("hostname"), format!("{}\n", hostname(config)))?;
    fs::write(directory.join("hosts"), hosts(config, &record.ips))?;
    let resolv_conf = match &config.dns_config {
        Some(dns) => resolv_conf(dns),
        None => fs::read_to_string("/etc/resolv.conf").unwrap_or_default(),
    };
    fs::write(directory.join("resolv.conf"), resolv_conf)?;
    if own_ipc {
        namespaces::mount_shm(&directory.join("shm"), SHM_BYTES)?;
    }
    Ok(())
}

/// Only parameters of namespaces the pod owns: others would change the host (Kubernetes' list
/// of namespaced sysctls).
fn check_sysctls<'a>(names: impl Iterator<Item = &'a String>, own_network: bool, own_ipc: bool) -> Result<()> {
    for name in names {
        let ipc = ["kernel.shm", "kernel.msg", "fs.mqueue."];
        let is_ipc = name == "kernel.sem" || ipc.iter().any(|prefix| name.starts_with(prefix));
        let allowed = (own_ipc && is_ipc) || (own_network && name.starts_with("net."));
        if !allowed {
            let text = format!("sysctl {name:?} is not of a namespace of the pod");
            return Err(Error::InvalidArgument(text));
        }
    }
    Ok(())
}

async fn pause(store: &Arc<Store>, directory: &Path) -> Result<()> {
    let internal = |error: io::Error| Error::internal("share pids", error);
    let stream = store.zygote.request(zygote::PAUSE, directory).map_err(internal)?;
    let pid = match Frames::new(stream).next().await? {
        Some(Message::Started(pid, _)) => pid,
        Some(Message::Failed(text)) => return Err(Error::Start(text)),
        _ => return Err(Error::Unavailable("the pause of a pod did not start".to_owned())),
    };
    let namespace = PathBuf::from(format!("/proc/{pid}/ns/pid"));
    pin_namespace(&namespace, &directory.join("ns/pid")).map_err(internal)
}

/// Stops a sandbox; one that is gone is stopped.
pub async fn stop(store: &Arc<Store>, id: &str) -> Result<()> {
    let Some(sandbox) = store.find_sandbox(id) else { return Ok(()) };
    let _lock = sandbox.lock.lock().await;
    let containers = store.containers_of(id);
    let stops = containers.iter().map(|each| container::kill(store, each));
    join_all(stops).await.into_iter().collect::<Result<Vec<()>>>()?;
    if sandbox.record().stopped {
        return Ok(());
    }
    let mut record = sandbox.record().clone();
    record.stopped = true;
    let directory = sandbox.dir.clone();
    let saved = record.clone();
    blocking("stop a sandbox", move || {
        tear_down(&directory);
        record::save(&directory, &saved)
    })
    .await?
    .map_err(|error| Error::internal("stop a sandbox", error))?;
    *sandbox.record() = record;
    Ok(())
}

/// Removes a sandbox with its containers; one that is gone is removed.
pub async fn remove(store: &Arc<Store>, id: &str) -> Result<()> {
    let Some(sandbox) = store.find_sandbox(id) else { return Ok(()) };
    stop(store, id).await?;
    for each in store.containers_of(id) {
        container::remove(store, &each.id).await?;
    }
    let _lock = sandbox.lock.lock().await;
    let cgroup = cgroup_parent(store, &sandbox.record());
    let directory = sandbox.dir.clone();
    blocking("remove a sandbox", move || {
        // A parent may be shared with other pods, so it goes only when it is empty.
        Cgroup::open(&cgroup).remove_if_empty();
        tear_down(&directory);
        remove_directory(&directory)
    })
    .await?
    .map_err(|error| Error::internal("remove a sandbox", error))?;
    store.forget_sandbox(id);
    Ok(())
}

/// Releases what a sandbox holds of the kernel's.
pub fn tear_down(directory: &Path) {
    if let Some((pid, start_time)) = process::load(&directory.join(PAUSE_FILE))
        && process::is_alive(pid, start_time)
    {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    for pin in ["ns/ipc", "ns/uts", "ns/pid", "shm"] {
        unmount(&directory.join(pin));
    }
}

fn hosts(config: &PodSandboxConfig, ips: &[String]) -> String {
    let mut text = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned();
    for ip in ips.iter().filter(|_| !config.hostname.is_empty()) {
        text.push_str(&format!("{ip}\t{}\n", config.hostname));
    }
    text
}

fn resolv_conf(dns: &DnsConfig) -> String {
    let mut text = String::new();
    if !dns.searches.is_empty() {
        text.push_str(&format!("search {}\n", dns.searches.join(" ")));
    }
    for server in &dns.servers {
        text.push_str(&format!("nameserver {server}\n"));
    }
    if !dns.options.is_empty() {
        text.push_str(&format!("options {}\n", dns.options.join(" ")));
    }
    text
}

fn security(config: &PodSandboxConfig) -> LinuxSandboxSecurityContext {
    config.linux.as_ref().and_then(|linux| linux.security_context.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_files() {
        let dns = DnsConfig {
            servers: vec!["10.0.0.10".into()],
            searches: vec!["a.svc".into(), "svc".into()],
            options: vec!["ndots:5".into()],
        };
        assert_eq!(resolv_conf(&dns), "search a.svc svc\nnameserver 10.0.0.10\noptions ndots:5\n");
        let config = PodSandboxConfig { hostname: "web-0".into(), ..Default::default() };
        assert!(hosts(&config, &["10.1.0.2".into()]).ends_with("10.1.0.2\tweb-0\n"));
    }

    #[test]
    fn sysctls_of_the_host_are_refused() {
        for (name, network, ipc, allowed) in [
            ("net.core.somaxconn", true, true, true),
            ("net.core.somaxconn", false, true, false),
            ("kernel.shmmax", true, true, true),
            ("kernel.shmmax", true, false, false),
            ("kernel.panic", true, true, false),
            ("vm.swappiness", true, true, false),
        ] {
            let name = name.to_owned();
            assert_eq!(check_sysctls([&name].into_iter(), network, ipc).is_ok(), allowed, "{name}");
        }
    }
}
