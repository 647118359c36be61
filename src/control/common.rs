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

#[cfg(test)]
mod tests {
    use super::*;
    use masthead_plan::cluster::event::Event;
    use serde_json::{Value, json};

    #[test]
    fn gateways_and_their_routes_travel_resolved() {
        let (mut cluster, mut common) = (Cluster::default(), Common::default());
        let mut put = |value: Value| {
            let object = Object::from_value(value).unwrap().at(cluster.revision() + 1);
            let changed = cluster.apply(Event::Put(Arc::new(object))).unwrap();
            let told = common.take(&cluster, &changed);
            let keys = common.attachments().iter().map(|(key, _)| format!("{} {}", key.kind, key.name));
            (told, keys.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>())
        };
        let of = |kind: &str, name: &str, spec: Value| {
            json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind,
                "metadata": {"namespace": "n", "name": name}, "spec": spec})
        };
        let tls = json!({"certificateRefs": [{"name": "s"}]});
        let listeners = json!([{"name": "l", "port": 80, "protocol": "HTTP"},
            {"name": "t", "port": 443, "protocol": "HTTPS", "tls": tls}]);
        let gateway = of("Gateway", "g", json!({"gatewayClassName": "masthead", "listeners": listeners}));
        let route = of("HTTPRoute", "r", json!({"parentRefs": [{"name": "g"}], "rules": [{"matches": [{}]}]}));
        assert_eq!(put(route), (false, vec![]));
        assert_eq!(put(gateway.clone()), (false, vec![]), "there is no class");
        let class = of("GatewayClass", "masthead", json!({"controllerName": "masthead.dev/gateway"}));
        assert_eq!(put(class), (true, vec!["Gateway g".to_owned(), "HTTPRoute r".to_owned()]));
        let text = |label: &str| {
            let pem = format!("-----BEGIN {label}-----\naGk=\n-----END {label}-----\n");
            masthead_api::bytes::encode(pem.as_bytes())
        };
        let data = json!({"tls.crt": text("CERTIFICATE"), "tls.key": text("PRIVATE KEY")});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "data": data,
            "metadata": {"namespace": "n", "name": "s"}});
        let all = ["Gateway g", "HTTPRoute r", "Secret s"].map(str::to_owned).to_vec();
        assert_eq!(put(secret), (true, all.clone()));
        // A status alone is nothing for nodes.
        let mut with_status = gateway.clone();
        with_status["status"] = json!({"addresses": [{"value": "192.0.2.1"}]});
        assert_eq!(put(with_status), (false, all));
        let mut elsewhere = gateway;
        elsewhere["spec"]["gatewayClassName"] = "other".into();
        assert_eq!(put(elsewhere), (true, vec![]));
    }
}
