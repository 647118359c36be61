//! Changes of services, slices, nodes, ingresses and gateways → the attachments that all nodes have, kept once for all of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::SECRET;
use masthead_api::object::Object;
use masthead_plan::cluster::event::Changed;
use masthead_plan::cluster::view::Cluster;
use masthead_plan::dispatch::common;
use masthead_plan::gateway;
use masthead_wire::attachments::Shared;
use masthead_wire::object::{Attachment, AttachmentKey};

/// What all nodes have.
#[derive(Default)]
pub struct Common {
    attachments: Shared,
    certificates: BTreeSet<ObjectKey>,
}

/// How an object is called as an attachment.
pub fn key_of(key: &ObjectKey) -> AttachmentKey {
    AttachmentKey { kind: key.kind.info().kind.to_owned(), namespace: key.namespace.clone(), name: key.name.clone() }
}

impl Common {
    /// The attachments, in a form that costs nothing to share.
    pub fn attachments(&self) -> &Shared {
        &self.attachments
    }

    /// Takes in one change; says whether nodes must be told.
    pub fn take(&mut self, cluster: &Cluster, changed: &Changed) -> bool {
        let Some(side) = changed.sides().last() else { return false };
        let mut told = false;
        if side.kind() != SECRET {
            told |= match &changed.new {
                Some(new) => self.put(new),
                None => self.attachments.remove(&key_of(side.key())),
            };
        } else if self.certificates.contains(side.key())
            && let Some(new) = &changed.new
        {
            told |= self.put(new);
        }
        if common::decides_certificates(side) {
            told |= self.certificates(cluster);
        }
        told | self.gateways(cluster, changed, side.key())
    }

    /// Gateways and routes in the form in which nodes need them, as far as the change concerns them.
    fn gateways(&mut self, cluster: &Cluster, changed: &Changed, key: &ObjectKey) -> bool {
        let mut keys = BTreeSet::new();
        gateway::affected::affected(cluster, changed, &mut keys);
        keys.insert(key.clone());
        let mut told = false;
        for key in keys.iter().filter(|key| gateway::resolve::is_resolved(key)) {
            told |= match gateway::resolve::resolve(cluster, key) {
                Some(bytes) => self.insert(key, bytes),
                None => self.attachments.remove(&key_of(key)),
            };
        }
        told
    }

    /// Certificates that are served now, or no more.
    fn certificates(&mut self, cluster: &Cluster) -> bool {
        let wanted = common::certificates(cluster);
        let mut told = false;
        for key in self.certificates.difference(&wanted) {
            told |= self.attachments.remove(&key_of(key));
        }
        let new: Vec<Arc<Object>> =
            wanted.difference(&self.certificates).filter_map(|key| cluster.get(key).cloned()).collect();
        self.certificates = wanted;
        for object in new {
            told |= self.put(&object);
        }
        told
    }

    fn put(&mut self, object: &Object) -> bool {
        let Some(bytes) = common::common(object) else { return false };
        self.insert(object.key(), bytes)
    }

    fn insert(&mut self, key: &ObjectKey, bytes: Vec<u8>) -> bool {
        match Attachment::parse(key.kind.info().kind, bytes.into()) {
            Ok(attachment) => self.attachments.insert(Arc::new(attachment)),
            Err(error) => {
                tracing::error!(object = %key, %error, "the object cannot travel to nodes");
                false
            }
        }
    }
}
