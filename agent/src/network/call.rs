//! What is asked of the thread that owns the pod network.

use tokio::sync::oneshot;

use crate::network::contract::Attachment;
use crate::network::error::Result;
use crate::network::pod_ports::Asked;
use crate::network::rules::ports::HostPort;

/// A call, with where its answer goes.
pub enum Call {
    /// Give a pod its place.
    Attach(String, oneshot::Sender<Result<Attachment>>),
    /// Take it away.
    Detach(String, oneshot::Sender<Result<()>>),
    /// Whose places there are.
    Attached(oneshot::Sender<Result<Vec<String>>>),
    /// Change where pods' addresses come from, and those of all nodes' pods.
    SetRanges(Vec<String>, Vec<String>, oneshot::Sender<Result<()>>),
    /// Change which ports of the node pods ask for.
    SetPodPorts(Asked, oneshot::Sender<Result<()>>),
    /// Change which ports of the node lead to pods.
    SetHostPorts(Vec<HostPort>, oneshot::Sender<Result<()>>),
    /// Give back what waits in the pool, and end.
    Close(oneshot::Sender<Result<()>>),
}
