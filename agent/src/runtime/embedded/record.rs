//! What is kept on disk of a sandbox and of a container: CRI's own messages, written whole or not at all.

use std::fs;
use std::io;
use std::path::Path;

use prost::Message;

use crate::runtime::v1::{ContainerConfig, PodSandboxConfig};

/// The file's name in either's directory.
const FILE: &str = "record";

/// A sandbox.
#[derive(Clone, PartialEq, Message)]
pub struct SandboxRecord {
    /// Its id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// What was asked for.
    #[prost(message, required, tag = "2")]
    pub config: PodSandboxConfig,
    /// The network namespace; empty: the host's.
    #[prost(string, tag = "3")]
    pub netns_path: String,
    /// Its addresses.
    #[prost(string, repeated, tag = "4")]
    pub ips: Vec<String>,
    /// Nanoseconds since the epoch.
    #[prost(int64, tag = "5")]
    pub created_at: i64,
    /// The boot it belongs to.
    #[prost(string, tag = "6")]
    pub boot_id: String,
    /// Whether it was stopped.
    #[prost(bool, tag = "7")]
    pub stopped: bool,
    /// Its handler.
    #[prost(string, tag = "8")]
    pub runtime_handler: String,
}

/// A container.
#[derive(Clone, PartialEq, Message)]
pub struct ContainerRecord {
    /// Its id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Its sandbox.
    #[prost(string, tag = "2")]
    pub sandbox_id: String,
    /// What was asked for.
    #[prost(message, required, tag = "3")]
    pub config: ContainerConfig,
    /// The image's id.
    #[prost(string, tag = "4")]
    pub image_id: String,
    /// The reference a status shows.
    #[prost(string, tag = "5")]
    pub image_ref: String,
    /// Nanoseconds since the epoch.
    #[prost(int64, tag = "6")]
    pub created_at: i64,
    /// Its log file; empty without one.
    #[prost(string, tag = "7")]
    pub log_path: String,
    /// Its cgroup.
    #[prost(string, tag = "8")]
    pub cgroup: String,
    /// The kernel's number of the signal that asks it to stop.
    #[prost(int32, tag = "9")]
    pub stop_signal: i32,
    /// The boot it belongs to.
    #[prost(string, tag = "10")]
    pub boot_id: String,
}

/// Reads a record; None when there is none or only a part of one.
pub fn load<T: Message + Default>(directory: &Path) -> io::Result<Option<T>> {
    match fs::read(directory.join(FILE)) {
        Ok(bytes) => Ok(T::decode(bytes.as_slice()).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a record.
pub fn save<T: Message>(directory: &Path, record: &T) -> io::Result<()> {
    let temporary = directory.join("record.tmp");
    fs::write(&temporary, record.encode_to_vec())?;
    fs::rename(temporary, directory.join(FILE))
}
