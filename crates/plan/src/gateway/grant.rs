//! A reference from one namespace to another → whether a grant allows it.

use masthead_api::gateway::GROUP;
use masthead_api::gateway::grant::ReferenceGrant;

use crate::cluster::view::Cluster;

/// Who refers: a kind of the group, in a namespace.
#[derive(Clone, Copy, Debug)]
pub struct From<'a> {
    /// Kind.
    pub kind: &'a str,
    /// Namespace.
    pub namespace: &'a str,
}

/// Whether an object of the core group may be referred to: it is in the same namespace, or a grant of its own says so.
pub fn is_allowed(cluster: &Cluster, from: From<'_>, kind: &str, namespace: &str, name: &str) -> bool {
    from.namespace == namespace
        || cluster
            .list::<ReferenceGrant>(namespace)
            .any(|grant| grant.allows((GROUP, from.kind, from.namespace), ("", kind, name)))
}
