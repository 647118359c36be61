//! Whom a service selects, and who owns what is made for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use masthead_api::core::pod::Pod;
use masthead_api::core::service::Service;
use masthead_api::kind::Kind;
use masthead_api::kind::registry::POD;
use masthead_api::meta::{ObjectMeta, OwnerReference};

use crate::cluster::view::Cluster;

/// The pods that a service selects, by name.
pub fn selected(cluster: &Cluster, service: &Service) -> Vec<Arc<Pod>> {
    if service.spec.selector.is_empty() {
        return Vec::new();
    }
    let selects = |labels: &BTreeMap<String, String>| {
        service.spec.selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    };
    cluster
        .in_namespace(POD, &service.metadata.namespace)
        .filter(|object| selects(&object.meta().labels))
        .filter_map(|object| object.typed::<Pod>().ok())
        .collect()
}

/// The reference to an owner that controls, and that is not gone before what it owns.
pub fn owner_of(kind: Kind, meta: &ObjectMeta) -> OwnerReference {
    OwnerReference {
        api_version: kind.info().api_version(),
        kind: kind.info().kind.to_owned(),
        name: meta.name.clone(),
        uid: meta.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
