//! What a pod network does for the node's pods, and no implementation.

use std::net::IpAddr;
use std::path::PathBuf;

use futures::future::BoxFuture;

/// The outcome of a network call.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed network call.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct Error {
    /// What was being done.
    pub what: String,
    /// Why it failed.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A pod's place in the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// Its namespace, pinned to a path; empty when the runtime makes it.
    pub netns: PathBuf,
    /// Its addresses, the primary one first; empty when the runtime gives them.
    pub ips: Vec<IpAddr>,
    /// The node's end of its link.
    pub interface: String,
}

/// Gives pods a network namespace and addresses.
pub trait PodNetwork: Send + Sync {
    /// Gives a pod its place; the same uid gives the same namespace and addresses, also after a restart.
    fn attach<'a>(&'a self, pod_uid: &'a str) -> BoxFuture<'a, Result<Attachment>>;
    /// Takes it away; succeeds when there is none.
    fn detach<'a>(&'a self, pod_uid: &'a str) -> BoxFuture<'a, Result<()>>;
    /// Uids of the pods that have a place.
    fn attached(&self) -> BoxFuture<'_, Result<Vec<String>>>;
}
