//! What a request wants of a running pod → a stream to its node.

use masthead_api::core::pod::Pod;
use masthead_wire::stream::{PodRef, StreamIo, StreamKind, StreamRequest};

use crate::server::state::State;
use crate::server::status::Failure;

/// Opens a stream to the pod's node.
///
/// # Errors
/// 400: no node has the pod. 500: its node cannot be reached.
pub async fn open(state: &State, pod: &Pod, kind: StreamKind) -> Result<StreamIo, Failure> {
    has_node(pod)?;
    let about = PodRef {
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        uid: pod.metadata.uid.clone(),
    };
    let request = StreamRequest { pod: about, kind };
    state.nodes.open_stream(&pod.spec.node_name, request).await.map_err(Failure::internal)
}

/// Checks that a node has the pod.
///
/// # Errors
/// 400.
pub fn has_node(pod: &Pod) -> Result<(), Failure> {
    if pod.spec.node_name.is_empty() {
        return Err(Failure::bad_request(format!("pod {} does not have a host assigned", pod.metadata.name)));
    }
    Ok(())
}

/// The reasons that a node may give, as the fixed texts of answers.
pub fn known_reason(reason: &str) -> &'static str {
    match reason {
        "NotFound" => "NotFound",
        "BadRequest" => "BadRequest",
        "Forbidden" => "Forbidden",
        "Conflict" => "Conflict",
        "ServiceUnavailable" => "ServiceUnavailable",
        _ => "InternalError",
    }
}
