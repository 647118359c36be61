//! A pod → the objects that its node needs beside it: what its volumes, environment and pulls refer to.

pub mod common;

use std::collections::BTreeSet;

use masthead_api::core::config::{ConfigMap, Secret, ServiceAccount};
use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::{Kind, Resource};

use crate::cluster::view::Cluster;

/// Kinds whose objects travel to nodes with the pods that refer to them.
pub fn is_attachment(kind: Kind) -> bool {
    kind == ConfigMap::KIND || kind == Secret::KIND
}

/// The ConfigMaps and Secrets that a pod refers to, whether they exist or not.
pub fn references(cluster: &Cluster, pod: &Pod) -> BTreeSet<ObjectKey> {
    let mut keys = BTreeSet::new();
    let namespace = &pod.metadata.namespace;
    let mut add = |kind: Kind, name: &str| {
        if !name.is_empty() {
            keys.insert(ObjectKey::new(kind, namespace.clone(), name));
        }
    };
    for volume in &pod.spec.volumes {
        if let Some(source) = &volume.config_map {
            add(ConfigMap::KIND, &source.name);
        }
        if let Some(source) = &volume.secret {
            add(Secret::KIND, &source.secret_name);
        }
        for source in volume.projected.iter().flat_map(|projected| &projected.sources) {
            if let Some(source) = &source.config_map {
                add(ConfigMap::KIND, &source.name);
            }
            if let Some(source) = &source.secret {
                add(Secret::KIND, &source.name);
            }
        }
    }
    for container in pod.spec.init_containers.iter().chain(&pod.spec.containers) {
        for source in &container.env_from {
            if let Some(source) = &source.config_map_ref {
                add(ConfigMap::KIND, &source.name);
            }
            if let Some(source) = &source.secret_ref {
                add(Secret::KIND, &source.name);
            }
        }
        for source in container.env.iter().filter_map(|env| env.value_from.as_ref()) {
            if let Some(source) = &source.config_map_key_ref {
                add(ConfigMap::KIND, &source.name);
            }
            if let Some(source) = &source.secret_key_ref {
                add(Secret::KIND, &source.name);
            }
        }
    }
    for secret in &pod.spec.image_pull_secrets {
        add(Secret::KIND, &secret.name);
    }
    let account = ObjectKey::new(ServiceAccount::KIND, namespace.clone(), pod.spec.service_account_name.clone());
    if let Some(account) = cluster.typed::<ServiceAccount>(&account)
        && pod.spec.image_pull_secrets.is_empty()
    {
        for secret in &account.image_pull_secrets {
            add(Secret::KIND, &secret.name);
        }
    }
    keys
}
