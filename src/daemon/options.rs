//! What a control plane is started with, as the command line gives it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use masthead_api::admit::families::Families;
use masthead_plan::network::cidr::Cidr;

/// Where a control plane keeps what it must find again.
pub const DATA_DIR: &str = "/var/lib/masthead";

/// The branch that is tracked unless another is named.
pub const BRANCH: &str = "main";

/// The name of the hosted repository in its address.
pub const REPOSITORY_NAME: &str = "repo";

/// How a control plane is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// This program, which git's hooks call back.
    pub program: PathBuf,
    /// The data directory.
    pub data: PathBuf,
    /// Where the API and the repository are served.
    pub listen: SocketAddr,
    /// Where agents dial; always with mutual TLS.
    pub listen_nodes: SocketAddr,
    /// `etcd://…`; the embedded store in the data directory when absent.
    pub store: Option<String>,
    /// A path or URL to watch; a repository of our own is hosted when absent.
    pub repo: Option<String>,
    /// The tracked branch; with `repo`, the one its HEAD names when absent.
    pub branch: Option<String>,
    /// The folder below which manifests are read; empty for all.
    pub path: String,
    /// The ranges of pods' addresses, one of a family, the preferred one first; chosen once when absent.
    pub pod_cidr: Vec<Cidr>,
    /// The ranges of services' addresses; chosen once when absent.
    pub service_cidr: Vec<Cidr>,
    /// The families of ranges that are chosen; as before, or IPv4, when absent.
    pub families: Option<Families>,
    /// How nodes serve Ingresses, beside their defaults: `proxy_protocol`, `trusted` and the like.
    pub ingress: BTreeMap<String, String>,
    /// Whether pods run on this machine, which then has to have what their families need.
    pub runs_pods: bool,
}

impl Options {
    /// Whether others than this machine can reach the API: then it takes TLS and a token.
    pub fn is_public(&self) -> bool {
        !self.listen.ip().is_loopback()
    }
}
