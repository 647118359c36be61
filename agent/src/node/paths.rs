//! A data directory → where a node keeps what.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Places below a data directory.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The data directory, absolute.
    pub data: PathBuf,
    /// Everything of the node but images and logs.
    pub node: PathBuf,
    /// Certificates and the last manifest.
    pub link: PathBuf,
    /// The embedded runtime's containers.
    pub runtime: PathBuf,
    /// A directory per pod.
    pub pods: PathBuf,
    /// Images.
    pub images: PathBuf,
    /// A directory per pod.
    pub logs: PathBuf,
    /// Tells nodes of several data directories on one machine apart.
    pub tag: String,
}

impl Paths {
    /// The places. The directory need not be there.
    pub fn new(data: &Path) -> Self {
        // The same directory by another way is the same node.
        let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
        let data = std::fs::canonicalize(&data).unwrap_or(data);
        let node = data.join("node");
        let digest = Sha256::digest(data.as_os_str().as_encoded_bytes());
        Self {
            link: node.join("link"),
            runtime: node.join("runtime"),
            pods: node.join("pods"),
            images: data.join("images"),
            logs: data.join("logs/pods"),
            tag: digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect(),
            node,
            data,
        }
    }

    /// The cgroup below which all pods have theirs.
    pub fn cgroup_root(&self) -> String {
        format!("/masthead/{}", self.tag)
    }
}
