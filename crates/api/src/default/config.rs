//! Secrets, namespaces and nodes with their defaults.

use crate::core::config::Secret;
use crate::core::namespace::Namespace;
use crate::core::node::{Node, NodeSpec};
use crate::default::pod::round;

/// The label that holds a namespace's own name.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A secret: texts become bytes, and the type is filled in.
pub fn secret(secret: &mut Secret) {
    for (key, text) in std::mem::take(&mut secret.string_data) {
        secret.data.insert(key, crate::bytes::ByteString(text.into_bytes()));
    }
    if secret.type_.is_empty() {
        secret.type_ = "Opaque".to_owned();
    }
}

/// A namespace: its name as a label, and active.
pub fn namespace(namespace: &mut Namespace) {
    if !namespace.metadata.name.is_empty() {
        let name = namespace.metadata.name.clone();
        namespace.metadata.labels.insert(NAME_LABEL.to_owned(), name);
    }
    if namespace.status.phase.is_empty() {
        namespace.status.phase = "Active".to_owned();
    }
}

/// A node: what can be allocated is what there is.
pub fn node(node: &mut Node) {
    round(&mut node.status.capacity);
    round(&mut node.status.allocatable);
    if node.status.allocatable.is_empty() {
        node.status.allocatable.clone_from(&node.status.capacity);
    }
    // The older field and the first of the newer list say the same; the older one counts where they do not.
    let NodeSpec { pod_cidr, pod_cidrs, .. } = &mut node.spec;
    if !pod_cidr.is_empty() && pod_cidrs.first() != Some(pod_cidr) {
        *pod_cidrs = vec![pod_cidr.clone()];
    } else if let Some(first) = pod_cidrs.first() {
        pod_cidr.clone_from(first);
    }
}
