//! Changes of the view → the content of each node that they concern, handed to the link as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use masthead_api::core::node::Node;
use masthead_api::core::pod::Pod;
use masthead_api::kind::Resource;
use masthead_plan::cluster::event::Changed;
use masthead_plan::cluster::view::Cluster;
use masthead_plan::dispatch;
use masthead_wire::manifest::{NodeContent, NodeSetup};
use masthead_wire::object::{Attachment, PodEntry};

/// What each node must run, kept up to date change by change.
#[derive(Default)]
pub struct Dispatch {
    nodes: BTreeMap<String, NodeContent>,
    dirty: BTreeSet<String>,
}

impl Dispatch {
    /// Takes in one change; a pod whose status alone changed concerns no node.
    pub fn take(&mut self, cluster: &Cluster, changed: &Changed) {
        for (side, is_new) in [(&changed.old, false), (&changed.new, true)] {
            let Some(object) = side else { continue };
            if object.kind() == Pod::KIND {
                let Ok(pod) = object.typed::<Pod>() else { continue };
                if pod.spec.node_name.is_empty() {
                    continue;
                }
                let moved = changed.new.as_ref().is_none_or(|new| new.meta().uid != object.meta().uid);
                if is_new {
                    self.put(&pod.spec.node_name, object);
                } else if moved {
                    self.remove(&pod.spec.node_name, &pod.metadata.uid);
                }
            } else if dispatch::is_attachment(object.kind()) {
                let pods = cluster.list::<Pod>(&object.key().namespace);
                let concerned = pods.filter(|pod| dispatch::references(cluster, pod).contains(object.key()));
                self.dirty.extend(concerned.map(|pod| pod.spec.node_name.clone()));
            } else if object.kind() == Node::KIND {
                self.setup(&object.key().name, object.typed::<Node>().ok().as_deref());
            }
        }
    }

    fn put(&mut self, node: &str, object: &masthead_api::object::Object) {
        let bytes = serde_json::to_vec(&object.value()).unwrap_or_default();
        match PodEntry::parse(bytes.into()) {
            Ok(entry) => {
                let content = self.nodes.entry(node.to_owned()).or_default();
                if content.pods.get(&entry.uid).is_none_or(|known| known.digest != entry.digest) {
                    content.insert_pod(Arc::new(entry));
                    self.dirty.insert(node.to_owned());
                }
            }
            Err(error) => tracing::error!(pod = %object.key(), %error, "the pod cannot travel to its node"),
        }
    }

    fn remove(&mut self, node: &str, uid: &str) {
        if let Some(content) = self.nodes.get_mut(node)
            && content.pods.remove(uid).is_some()
        {
            self.dirty.insert(node.to_owned());
        }
    }

    fn setup(&mut self, name: &str, node: Option<&Node>) {
        let setup = NodeSetup {
            pod_cidrs: node.map(|node| node.spec.pod_cidrs.clone()).unwrap_or_default(),
            ..NodeSetup::default()
        };
        let content = self.nodes.entry(name.to_owned()).or_default();
        if content.setup != setup {
            content.setup = setup;
            self.dirty.insert(name.to_owned());
        }
    }

    /// Marks a node, which connected, as one to be told.
    pub fn touch(&mut self, node: &str) {
        self.nodes.entry(node.to_owned()).or_default();
        self.dirty.insert(node.to_owned());
    }

    /// The nodes that have to be told, with all that they must run.
    pub fn drain(&mut self, cluster: &Cluster) -> Vec<(String, NodeContent)> {
        let dirty = std::mem::take(&mut self.dirty);
        let mut out = Vec::new();
        for node in dirty {
            let Some(content) = self.nodes.get_mut(&node) else { continue };
            attach(cluster, &node, content);
            out.push((node, content.clone()));
        }
        out
    }
}

/// Puts what the node's pods refer to beside them; what is the same stays the same allocation.
fn attach(cluster: &Cluster, node: &str, content: &mut NodeContent) {
    let mut wanted = BTreeMap::new();
    for pod in cluster.pods_on(node).filter_map(|object| object.typed::<Pod>().ok()) {
        for key in dispatch::references(cluster, &pod) {
            let Some(object) = cluster.get(&key) else { continue };
            let bytes = serde_json::to_vec(&object.value()).unwrap_or_default();
            match Attachment::parse(key.kind.info().kind, bytes.into()) {
                Ok(attachment) => {
                    let known =
                        content.attachments.get(&attachment.key).filter(|known| known.digest == attachment.digest);
                    let attachment = known.cloned().unwrap_or_else(|| Arc::new(attachment));
                    wanted.insert(attachment.key.clone(), attachment);
                }
                Err(error) => tracing::error!(object = %key, %error, "the object cannot travel to a node"),
            }
        }
    }
    content.attachments.set_own(wanted);
}
