//! A pod's namespaces: made by a passing thread, kept by bind mounts, so that no process need hold them.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::sethostname;
use tokio::sync::oneshot;

use crate::runtime::error::{Error, Result};

/// How long a forwarded port may take to answer.
const CONNECT: Duration = Duration::from_secs(10);

/// What to make.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Where to pin an IPC namespace; None: the host's.
    pub ipc: Option<PathBuf>,
    /// Where to pin a UTS namespace, and its host name; None: the host's.
    pub uts: Option<(PathBuf, String)>,
    /// The network namespace that sysctls of the network go to; None: the host's.
    pub network: Option<PathBuf>,
    /// Kernel parameters by their dotted names.
    pub sysctls: Vec<(String, String)>,
}

/// Makes them.
pub async fn make(plan: Plan) -> Result<()> {
    apart("make namespaces", move || make_here(&plan)).await
}

/// Runs `act` in a thread of its own that ends with it: namespaces are a thread's.
async fn apart<T: Send + 'static>(
    what: &'static str,
    act: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let (say, hear) = oneshot::channel();
    std::thread::Builder::new()
        .name("namespace".to_owned())
        .spawn(move || drop(say.send(act())))
        .map_err(|error| Error::internal(what, error))?;
    match hear.await {
        Ok(outcome) => outcome.map_err(|error| Error::internal(what, error)),
        Err(error) => Err(Error::internal(what, error)),
    }
}

fn make_here(plan: &Plan) -> io::Result<()> {
    let mut flags = CloneFlags::empty();
    flags.set(CloneFlags::CLONE_NEWIPC, plan.ipc.is_some());
    flags.set(CloneFlags::CLONE_NEWUTS, plan.uts.is_some());
    unshare(flags)?;
    if let Some((pin, hostname)) = &plan.uts {
        sethostname(hostname)?;
        pin_own("uts", pin)?;
    }
    if let Some(pin) = &plan.ipc {
        pin_own("ipc", pin)?;
    }
    if let Some(network) = &plan.network {
        setns(File::open(network)?, CloneFlags::CLONE_NEWNET)?;
    }
    for (name, value) in &plan.sysctls {
        let path = sysctl_path(name)?;
        fs::write(&path, value).map_err(|error| io::Error::new(error.kind(), format!("sysctl {name}: {error}")))?;
    }
    Ok(())
}

fn sysctl_path(name: &str) -> io::Result<PathBuf> {
    let parts: Vec<&str> = name.split(['.', '/']).collect();
    if parts.iter().any(|part| part.is_empty()) {
        let text = format!("sysctl {name:?}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(Path::new("/proc/sys").join(parts.join("/")))
}

fn pin_own(kind: &str, pin: &Path) -> io::Result<()> {
    pin_namespace(Path::new(&format!("/proc/thread-self/ns/{kind}")), pin)
}

/// Keeps a namespace alive under a file's name.
pub fn pin_namespace(namespace: &Path, pin: &Path) -> io::Result<()> {
    unmount(pin);
    File::create(pin)?;
    Ok(mount(Some(namespace), pin, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
}

/// Unmounts all that is mounted at a path; never mind when nothing is.
pub fn unmount(path: &Path) {
    // Each failed start may have left a mount of its own on top of the last.
    for _ in 0..16 {
        if umount2(path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW).is_err() {
            return;
        }
    }
}

/// Mounts a pod's /dev/shm.
pub fn mount_shm(path: &Path, bytes: u64) -> io::Result<()> {
    unmount(path);
    fs::create_dir_all(path)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let options = format!("mode=1777,size={bytes}");
    Ok(mount(Some("shm"), path, Some("tmpfs"), flags, Some(options.as_str()))?)
}

/// Connects to a TCP port on the loopback of a network namespace (None: the host's).
pub async fn connect(network: Option<PathBuf>, port: u16) -> Result<tokio::net::TcpStream> {
    let stream = apart("connect to the port", move || {
        if let Some(network) = network {
            setns(File::open(network)?, CloneFlags::CLONE_NEWNET)?;
        }
        let addresses: [SocketAddr; 2] = [([127, 0, 0, 1], port).into(), ([0, 0, 0, 0, 0, 0, 0, 1], port).into()];
        TcpStream::connect_timeout(&addresses[0], CONNECT)
            .or_else(|first| TcpStream::connect_timeout(&addresses[1], CONNECT).map_err(|_| first))
    })
    .await?;
    stream
        .set_nonblocking(true)
        .and_then(|()| tokio::net::TcpStream::from_std(stream))
        .map_err(|error| Error::internal("connect to the port", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sysctl_names_stay_below_proc_sys() {
        let path = sysctl_path("net.ipv4.ip_forward").unwrap();
        assert_eq!(path, Path::new("/proc/sys/net/ipv4/ip_forward"));
        for name in ["..", "net..x", "", "/etc", "a/../../b"] {
            assert!(sysctl_path(name).is_err(), "{name}");
        }
    }
}
