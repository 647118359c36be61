//! The labels and annotations by which the agent knows its own sandboxes and containers in a runtime again.

use std::collections::{BTreeMap, HashMap};

use masthead_api::core::pod::Pod;

/// The pod's name; the kubelet's own label, so that other tools read it too.
pub const POD_NAME: &str = "io.kubernetes.pod.name";
/// The pod's namespace.
pub const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
/// The pod's uid.
pub const POD_UID: &str = "io.kubernetes.pod.uid";
/// The container's name.
pub const CONTAINER_NAME: &str = "io.kubernetes.container.name";
/// Which node of this machine owns it, so that two agents on one runtime leave each other's alone.
pub const NODE: &str = "masthead.dev/node";
/// Digest of the container's spec, to see when it must be made anew.
pub const SPEC_HASH: &str = "masthead.dev/container-hash";
/// Where in the container its termination message is.
pub const MESSAGE_PATH: &str = "io.kubernetes.container.terminationMessagePath";
/// How often the container was restarted before this one.
pub const RESTART_COUNT: &str = "io.kubernetes.container.restartCount";

/// Labels of a pod's sandbox: the pod's own beside the agent's.
pub fn sandbox(pod: &Pod, node: &str) -> HashMap<String, String> {
    let mut labels: HashMap<String, String> = pod.metadata.labels.clone().into_iter().collect();
    labels.extend(owner(pod, node));
    labels
}

/// Labels of a container.
pub fn container(pod: &Pod, node: &str, name: &str) -> HashMap<String, String> {
    let mut labels: HashMap<String, String> = owner(pod, node).into_iter().collect();
    labels.insert(CONTAINER_NAME.to_owned(), name.to_owned());
    labels
}

fn owner(pod: &Pod, node: &str) -> BTreeMap<String, String> {
    [
        (POD_NAME, pod.metadata.name.as_str()),
        (POD_NAMESPACE, pod.metadata.namespace.as_str()),
        (POD_UID, pod.metadata.uid.as_str()),
        (NODE, node),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}
