//! Keeps what must outlive the agent: each pod's place, the CIDRs, and what of the host was changed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::network::error::{Error, IoContext, Result};
use crate::network::names;
use crate::network::routes::plan::Wanted;
use crate::network::rules::ports::HostPort;

/// A pod's place, as chosen at its first attach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRecord {
    /// Its addresses, one of each CIDR of that time.
    pub ips: Vec<IpAddr>,
    /// Its link's name on the node.
    pub interface: String,
}

/// What was set up for the node as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    /// The CIDRs pods get addresses from.
    pub cidrs: Vec<String>,
    /// The CIDRs of all nodes' pods.
    #[serde(default)]
    pub cluster: Vec<String>,
    /// Where the search for a free address goes on.
    pub cursors: Vec<IpAddr>,
    /// Ports of the node that lead to pods.
    #[serde(default)]
    pub ports: Vec<HostPort>,
    /// The node's own addresses in those CIDRs, on its loopback link.
    pub node_ips: Vec<IpAddr>,
    /// Kernel settings that were changed, with the value before.
    pub sysctls: BTreeMap<String, String>,
}

/// The files, under `<data>/node`.
#[derive(Clone, Debug)]
pub struct Records {
    pins: PathBuf,
    pods: PathBuf,
    host: PathBuf,
    local: PathBuf,
    routes: PathBuf,
}

impl Records {
    /// Makes the directories where missing.
    pub fn open(data_dir: &Path) -> Result<Self> {
        let records = Self::at(data_dir);
        for dir in [&records.pins, &records.pods] {
            fs::create_dir_all(dir).doing(|| format!("make {}", dir.display()))?;
        }
        Ok(records)
    }

    /// The same without touching anything.
    #[must_use]
    pub fn at(data_dir: &Path) -> Self {
        let node = data_dir.join("node");
        let network = node.join("network");
        Self {
            pins: node.join("netns"),
            pods: network.join("pods"),
            host: network.join("host.json"),
            local: network.join("local.json"),
            routes: network.join("routes.json"),
        }
    }

    /// Where a pod's namespace is pinned.
    #[must_use]
    pub fn pin(&self, uid: &str) -> PathBuf {
        self.pins.join(uid)
    }

    /// Uids that have a pin, alive or not.
    pub fn pins(&self) -> Result<Vec<String>> {
        list(&self.pins)
    }

    /// Every pod's record.
    pub fn pods(&self) -> Result<BTreeMap<String, PodRecord>> {
        let mut found = BTreeMap::new();
        for uid in list(&self.pods)? {
            if let Some(record) = read(&self.pods.join(&uid))? {
                found.insert(uid, record);
            }
        }
        Ok(found)
    }

    /// Writes a pod's record.
    pub fn keep_pod(&self, uid: &str, record: &PodRecord) -> Result<()> {
        write(&self.pods.join(uid), record)
    }

    /// Removes a pod's record; succeeds when there is none.
    pub fn forget_pod(&self, uid: &str) -> Result<()> {
        remove(&self.pods.join(uid))
    }

    /// The host's record, empty when there is none.
    pub fn host(&self) -> Result<HostRecord> {
        Ok(read(&self.host)?.unwrap_or_default())
    }

    /// Writes the host's record.
    pub fn keep_host(&self, record: &HostRecord) -> Result<()> {
        write(&self.host, record)
    }

    /// Addresses that are served on this node alone.
    pub fn local_ips(&self) -> Result<Vec<IpAddr>> {
        Ok(read(&self.local)?.unwrap_or_default())
    }

    /// Writes them.
    pub fn keep_local_ips(&self, ips: &[IpAddr]) -> Result<()> {
        write(&self.local, &ips)
    }

    /// Ways to other nodes' pods that were made.
    pub fn routes(&self) -> Result<Wanted> {
        Ok(read(&self.routes)?.unwrap_or_default())
    }

    /// Writes them.
    pub fn keep_routes(&self, ways: &Wanted) -> Result<()> {
        write(&self.routes, ways)
    }

    /// Removes all files and the directories, which must hold nothing else.
    pub fn clear(&self) -> Result<()> {
        for uid in list(&self.pods)? {
            self.forget_pod(&uid)?;
        }
        for file in [&self.host, &self.local, &self.routes] {
            remove(file)?;
            remove(&draft(file))?;
        }
        for dir in [Some(self.pods.as_path()), self.pods.parent(), Some(self.pins.as_path())] {
            match dir.map(fs::remove_dir) {
                Some(Err(e)) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                Some(Err(e)) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(e).doing(|| "remove the network's records".to_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// One spelling of a data directory, from which all names are made; a link to it or a relative path is the same.
#[must_use]
pub fn home(data_dir: &Path) -> PathBuf {
    let spelled = fs::canonicalize(data_dir).or_else(|_| std::path::absolute(data_dir));
    spelled.unwrap_or_else(|_| data_dir.to_owned())
}

fn list(dir: &Path) -> Result<Vec<String>> {
    let what = || format!("list {}", dir.display());
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.doing(what)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.doing(what)?.file_name();
        if let Some(name) = name.to_str().filter(|n| names::is_uid(n)) {
            found.push(name.to_owned());
        }
    }
    found.sort();
    Ok(found)
}

/// A record cut short by a crash of the machine is none: what it described is gone with the machine.
fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) if bytes.is_empty() => Ok(None),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| Error::Record { path: path.display().to_string(), source }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).doing(|| format!("read {}", path.display())),
    }
}

/// Replaces the file as a whole. Not flushed: what it describes does not survive the machine either.
fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let what = || format!("write {}", path.display());
    let bytes =
        serde_json::to_vec(value).map_err(|source| Error::Record { path: path.display().to_string(), source })?;
    let draft = draft(path);
    fs::write(&draft, bytes).doing(what)?;
    fs::rename(&draft, path).doing(what)
}

/// A name that is no uid, so that a draft left by a crash is never read as a record.
fn draft(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}"))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e).doing(|| format!("remove {}", path.display())),
        _ => Ok(()),
    }
}
