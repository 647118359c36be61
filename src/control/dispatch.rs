//! Changes of the view → the content of each node that they concern, handed to the link as a whole.
//!
//! What all nodes have is kept once ([`Common`]) and shared; what a node alone needs is put together anew when its pods,
//! what they refer to, or the policies that select them change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use masthead_api::core::node::Node;
use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::networking::resolved::{ADDRESS_SET, POLICY};
use masthead_api::object::Object;
use masthead_plan::cluster::event::Changed;
use masthead_plan::cluster::view::Cluster;
use masthead_plan::dispatch;
use masthead_plan::policy::state::Policies;
use masthead_wire::manifest::{NodeContent, NodeSetup};
use masthead_wire::object::{Attachment, AttachmentKey, PodEntry};

use crate::control::common::{Common, key_of};

type Own = BTreeMap<AttachmentKey, Arc<Attachment>>;

/// What each node must run, kept up to date change by change.
#[derive(Default)]
pub struct Dispatch {
    nodes: BTreeMap<String, NodeContent>,
    /// Nodes that have to be told.
    dirty: BTreeSet<String>,
    /// Of these, those whose own attachments must be put together anew.
    own: BTreeSet<String>,
    common: Common,
    common_changed: bool,
    policies: Policies,
    /// The sets that policies of a node name.
    uses: BTreeMap<String, BTreeSet<String>>,
    /// Objects that pods refer to, as attachments, with their revision.
    parsed: BTreeMap<ObjectKey, (u64, Arc<Attachment>)>,
}

impl Dispatch {
    /// Takes in one change; a pod whose status alone changed concerns no node but through policies.
    pub fn take(&mut self, cluster: &Cluster, changed: &Changed) {
        self.common_changed |= self.common.take(cluster, changed);
        let touched = self.policies.take(cluster, changed);
        for (node, uses) in &self.uses {
            if uses.intersection(&touched.sets).next().is_some() {
                self.own.insert(node.clone());
            }
        }
        self.own.extend(touched.nodes);
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
                if changed.new.is_none() {
                    self.parsed.remove(object.key());
                }
                let pods = cluster.list::<Pod>(&object.key().namespace);
                let concerned = pods.filter(|pod| dispatch::references(cluster, pod).contains(object.key()));
                self.own.extend(concerned.map(|pod| pod.spec.node_name.clone()));
            } else if object.kind() == Node::KIND {
                let node = changed.new.as_ref().and_then(|new| new.typed::<Node>().ok());
                self.setup(cluster, &object.key().name, node.as_deref());
            }
        }
    }

    fn put(&mut self, node: &str, object: &Object) {
        let bytes = serde_json::to_vec(&object.value()).unwrap_or_default();
        match PodEntry::parse(bytes.into()) {
            Ok(entry) => {
                let content = self.nodes.entry(node.to_owned()).or_default();
                if content.pods.get(&entry.uid).is_none_or(|known| known.digest != entry.digest) {
                    content.insert_pod(Arc::new(entry));
                    self.own.insert(node.to_owned());
                }
            }
            Err(error) => tracing::error!(pod = %object.key(), %error, "the pod cannot travel to its node"),
        }
    }

    fn remove(&mut self, node: &str, uid: &str) {
        if let Some(content) = self.nodes.get_mut(node)
            && content.pods.remove(uid).is_some()
        {
            self.own.insert(node.to_owned());
        }
    }

    fn setup(&mut self, cluster: &Cluster, name: &str, node: Option<&Node>) {
        let setup = NodeSetup {
            pod_cidrs: node.map(|node| node.spec.pod_cidrs.clone()).unwrap_or_default(),
            facts: dispatch::common::facts(cluster.network()),
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
        self.own.insert(node.to_owned());
    }

    /// The nodes that have to be told, with all that they must run.
    pub fn drain(&mut self, cluster: &Cluster) -> Vec<(String, NodeContent)> {
        let own = std::mem::take(&mut self.own);
        let mut dirty = std::mem::take(&mut self.dirty);
        if std::mem::take(&mut self.common_changed) {
            dirty.extend(self.nodes.keys().cloned());
        }
        for node in &own {
            let attachments = self.attachments(cluster, node);
            if let Some(content) = self.nodes.get_mut(node) {
                content.attachments.set_own(attachments);
            }
        }
        dirty.extend(own);
        let mut out = Vec::new();
        for node in dirty {
            let Some(content) = self.nodes.get_mut(&node) else { continue };
            content.attachments.set_common(self.common.attachments().clone());
            out.push((node, content.clone()));
        }
        out
    }

    /// What the node's pods refer to, and the policies that select them; what is the same stays the same allocation.
    fn attachments(&mut self, cluster: &Cluster, node: &str) -> Own {
        let mut wanted = Own::new();
        for pod in cluster.pods_on(node).filter_map(|object| object.typed::<Pod>().ok()) {
            for key in dispatch::references(cluster, &pod) {
                if let Some(attachment) = cluster.get(&key).and_then(|object| self.parsed(object)) {
                    wanted.insert(key_of(&key), attachment);
                }
            }
        }
        let (policies, sets) = self.policies.of_node(cluster, node);
        let known = self.nodes.get(node).map(|content| &content.attachments);
        let mut add = |kind: &str, body: serde_json::Result<Vec<u8>>| {
            let parsed = body
                .map_err(|e| e.to_string())
                .and_then(|body| Attachment::parse(kind, Bytes::from(body)).map_err(|error| error.to_string()));
            match parsed {
                Ok(new) => {
                    let same = known.and_then(|known| known.get(&new.key)).filter(|known| known.digest == new.digest);
                    let attachment = same.cloned().unwrap_or_else(|| Arc::new(new));
                    wanted.insert(attachment.key.clone(), attachment);
                }
                Err(error) => tracing::error!(node, kind, error, "a policy cannot travel to its node"),
            }
        };
        policies.iter().for_each(|policy| add(POLICY, serde_json::to_vec(policy)));
        sets.iter().filter_map(|of| self.policies.set(of)).for_each(|set| add(ADDRESS_SET, serde_json::to_vec(&set)));
        let uses = self.policies.named_of_node(cluster, node);
        if uses.is_empty() {
            self.uses.remove(node);
        } else {
            self.uses.insert(node.to_owned(), uses);
        }
        wanted
    }

    /// An object as an attachment, read once for all nodes.
    fn parsed(&mut self, object: &Object) -> Option<Arc<Attachment>> {
        if let Some((revision, attachment)) = self.parsed.get(object.key())
            && *revision == object.revision()
        {
            return Some(attachment.clone());
        }
        let bytes = serde_json::to_vec(&object.value()).unwrap_or_default();
        match Attachment::parse(object.kind().info().kind, bytes.into()) {
            Ok(attachment) => {
                let attachment = Arc::new(attachment);
                self.parsed.insert(object.key().clone(), (object.revision(), attachment.clone()));
                Some(attachment)
            }
            Err(error) => {
                tracing::error!(object = %object.key(), %error, "the object cannot travel to a node");
                None
            }
        }
    }
}
