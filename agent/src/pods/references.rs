//! A pod and a node's manifest → the ConfigMaps and Secrets that the pod names.

use std::collections::{BTreeMap, BTreeSet};

use masthead_api::core::config::{ConfigMap, Secret};
use masthead_api::core::container::Container;
use masthead_api::core::pod::Pod;
use masthead_api::kind::Resource;
use masthead_wire::manifest::NodeContent;
use masthead_wire::object::{AttachmentKey, Digest};

use crate::images::auth::Keyring;
use crate::pods::convert::context::References;

/// What a pod names, as far as it is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attached {
    config_maps: BTreeMap<String, ConfigMap>,
    secrets: BTreeMap<String, Secret>,
    /// What it was read from; another value says that something changed.
    pub version: Vec<Digest>,
}

impl References for Attached {
    fn config_map(&self, name: &str) -> Option<&ConfigMap> {
        self.config_maps.get(name)
    }

    fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.get(name)
    }
}

type Names = BTreeSet<(&'static str, String)>;

/// Kinds and names of what a pod refers to.
pub fn names(pod: &Pod) -> Names {
    let mut names = Names::new();
    for secret in &pod.spec.image_pull_secrets {
        names.insert(("Secret", secret.name.clone()));
    }
    for container in pod.spec.init_containers.iter().chain(&pod.spec.containers) {
        in_container(container, &mut names);
    }
    for volume in &pod.spec.volumes {
        if let Some(source) = &volume.config_map {
            names.insert(("ConfigMap", source.name.clone()));
        }
        if let Some(source) = &volume.secret {
            names.insert(("Secret", source.secret_name.clone()));
        }
        for source in volume.projected.iter().flat_map(|projected| &projected.sources) {
            names.extend(source.config_map.iter().map(|map| ("ConfigMap", map.name.clone())));
            names.extend(source.secret.iter().map(|secret| ("Secret", secret.name.clone())));
        }
    }
    names
}

fn in_container(container: &Container, names: &mut Names) {
    for source in &container.env_from {
        names.extend(source.config_map_ref.iter().map(|map| ("ConfigMap", map.name.clone())));
        names.extend(source.secret_ref.iter().map(|secret| ("Secret", secret.name.clone())));
    }
    for source in container.env.iter().filter_map(|var| var.value_from.as_ref()) {
        names.extend(source.config_map_key_ref.iter().map(|map| ("ConfigMap", map.name.clone())));
        names.extend(source.secret_key_ref.iter().map(|secret| ("Secret", secret.name.clone())));
    }
}

/// Reads what the pod names. What can't be decoded counts as missing and is told to the log.
pub fn attached(pod: &Pod, content: &NodeContent) -> Attached {
    let mut attached = Attached::default();
    for (kind, name) in names(pod) {
        let key = AttachmentKey { kind: kind.to_owned(), namespace: pod.metadata.namespace.clone(), name };
        let Some(found) = content.attachments.get(&key) else { continue };
        attached.version.push(found.digest);
        let read = match kind {
            "ConfigMap" => {
                ConfigMap::from_json(&found.bytes).map(|map| drop(attached.config_maps.insert(key.name.clone(), map)))
            }
            _ => Secret::from_json(&found.bytes).map(|secret| drop(attached.secrets.insert(key.name.clone(), secret))),
        };
        if let Err(error) = read {
            // The text of the parser is left out: it may quote a value.
            tracing::error!(kind, name = key.name, line = error.line(), "an object that the pod names can't be read");
        }
    }
    attached
}

/// What the pod's own secrets say about registries.
pub fn keyring(pod: &Pod, attached: &Attached) -> Keyring {
    let mut keyring = Keyring::default();
    for secret in pod.spec.image_pull_secrets.iter().filter_map(|named| attached.secret(&named.name)) {
        let read = match (secret.data.get(".dockerconfigjson"), secret.data.get(".dockercfg")) {
            (Some(config), _) => keyring.add_config_json(&config.0),
            (None, Some(config)) => keyring.add_dockercfg(&config.0),
            (None, None) => continue,
        };
        if let Err(error) = read {
            tracing::warn!(secret = secret.metadata.name, %error, "a pull secret can't be read");
        }
    }
    keyring
}
