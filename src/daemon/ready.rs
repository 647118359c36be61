//! Whether a daemon's own node is up, as its status tells.

use serde_json::Value;

use crate::client::rest::Rest;
use crate::daemon::data::Daemon;

/// Whether `count` nodes are connected and ready; false while the API does not answer.
pub fn are_ready(daemon: &Daemon, data: &std::path::Path, count: usize) -> bool {
    let ask = async { Rest::to(&daemon.api_url, Some(data)).ok()?.get("/apis/masthead.dev/v1/status").await.ok() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let status = runtime.ok().and_then(|runtime| runtime.block_on(ask));
    let nodes = status.as_ref().and_then(|status| status.get("nodes")).and_then(Value::as_array);
    let is_ready = |node: &&Value| node.get("ready") == Some(&Value::Bool(true));
    nodes.is_some_and(|nodes| nodes.iter().filter(is_ready).count() >= count)
}
