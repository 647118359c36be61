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
pub const LINES: i64 = 10;
/// Bytes of a failure's log at most.
const TAIL_BYTES_MAX: usize = 2048;
/// Bytes of a whole log at most; the end counts.
const LOG_BYTES_MAX: usize = 1 << 20;
/// How long a node may take to give them: the failure is told without them then.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Reads the log of a pod, or its last lines; empty where there is none.
pub type Logs = Arc<dyn Fn(Arc<Pod>, Option<i64>) -> BoxFuture<'static, String> + Send + Sync>;

/// Through the nodes' agents.
pub fn of_nodes(nodes: Nodes) -> Logs {
    Arc::new(move |pod, lines| {
        let nodes = nodes.clone();
        let read = async move { tokio::time::timeout(WAIT_MAX, read(nodes, &pod, lines)).await };
        // A node that is silent has no log to give.
        Box::pin(async move { read.await.unwrap_or_else(|_| String::new()) })
    })
}

/// The end of a log on one line, fit to be told with a failure.
pub fn on_one_line(log: &str) -> String {
    let from = log.len().saturating_sub(TAIL_BYTES_MAX);
    let from = (from..=log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(log.len());
    let lines = log[from..].lines().map(|line| text::line(line.trim()).into_owned());
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" | ")
}

async fn read(nodes: Nodes, pod: &Pod, lines: Option<i64>) -> String {
    if pod.spec.node_name.is_empty() {
        return String::new();
    }
    let about = PodRef {
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        uid: pod.metadata.uid.clone(),
    };
    let asked = pb::Logs { container: failed_container(pod), tail_lines: lines, ..pb::Logs::default() };
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
        let spare = found.len().saturating_sub(LOG_BYTES_MAX);
        found.drain(..spare);
    }
    String::from_utf8_lossy(&found).into_owned()
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
