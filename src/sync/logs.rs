//! A hook that failed → the end of the log of its pod, as far as its node can still tell.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::POD;
use masthead_plan::cluster::view::Cluster;
use masthead_wire::pb;
use masthead_wire::stream::{OutputFrame, PodRef, StreamKind, StreamRequest};

use crate::git::text;
use crate::nodes::dispatcher::Handle as Nodes;

/// Lines of a log that a failure tells.
const LINES: i64 = 10;
/// Bytes of it at most.
const BYTES_MAX: usize = 2048;
/// How long a node may take to give them: the failure is told without them then.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Reads the end of a pod's log; empty where there is none.
pub type Logs = Arc<dyn Fn(Arc<Pod>) -> BoxFuture<'static, String> + Send + Sync>;

/// Through the nodes' agents.
pub fn of_nodes(nodes: Nodes) -> Logs {
    Arc::new(move |pod| {
        let nodes = nodes.clone();
        Box::pin(async move { tokio::time::timeout(WAIT_MAX, tail(nodes, &pod)).await.unwrap_or_default() })
    })
}

async fn tail(nodes: Nodes, pod: &Pod) -> String {
    if pod.spec.node_name.is_empty() {
        return String::new();
    }
    let about = PodRef {
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        uid: pod.metadata.uid.clone(),
    };
    let asked = pb::Logs { container: failed_container(pod), tail_lines: Some(LINES), ..pb::Logs::default() };
    let request = StreamRequest { pod: about, kind: StreamKind::Logs(asked) };
    let mut io = match nodes.open_stream(&pod.spec.node_name, request).await {
        Ok(io) => io,
        Err(error) => {
            tracing::debug!(%error, pod = pod.metadata.name, "the log of a hook that failed");
            return String::new();
        }
    };
    let mut found = Vec::new();
    while let Some(OutputFrame::Stdout(bytes) | OutputFrame::Stderr(bytes)) = io.next().await {
        found.extend_from_slice(&bytes);
        // The end counts, and nothing longer is kept on the way to it.
        let spare = found.len().saturating_sub(BYTES_MAX);
        found.drain(..spare);
    }
    let lines: Vec<String> = String::from_utf8_lossy(&found)
        .lines()
        .map(|line| text::line(line.trim()).into_owned())
        .filter(|line| !line.is_empty())
        .collect();
    lines.join(" | ")
}

/// The container that failed, or the first.
fn failed_container(pod: &Pod) -> String {
    let all = pod.status.init_container_statuses.iter().chain(&pod.status.container_statuses);
    let mut failed = all.filter(|status| {
        [&status.state, &status.last_state].iter().any(|s| s.terminated.as_ref().is_some_and(|end| end.exit_code != 0))
    });
    let first = || pod.spec.containers.first().map(|container| container.name.clone());
    failed.next().map(|status| status.name.clone()).or_else(first).unwrap_or_default()
}

/// The pod behind a hook: itself, or the youngest of a Job that has failed, or of all.
pub fn pod_of(cluster: &Cluster, key: &ObjectKey) -> Option<Arc<Pod>> {
    let live = cluster.get(key)?;
    if live.kind() == POD {
        return live.typed::<Pod>().ok();
    }
    let pods = cluster.owned_by(&live.meta().uid).filter_map(|object| object.typed::<Pod>().ok());
    pods.max_by_key(|pod| (pod.status.phase == "Failed", pod.metadata.creation_timestamp))
}
