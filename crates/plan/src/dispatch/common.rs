//! An object that every node needs → the JSON that travels to nodes, without what they do not act on.

use std::collections::{BTreeMap, BTreeSet};

use masthead_api::core::config::Secret;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::kind::registry::{
    ENDPOINT_SLICE, GATEWAY, GATEWAY_CLASS, INGRESS, INGRESS_CLASS, NODE, REFERENCE_GRANT, SECRET, SERVICE,
};
use masthead_api::networking::ingress::Ingress;
use masthead_api::object::Object;
use serde_json::{Map, Value};

use crate::cluster::view::Cluster;
use crate::gateway;
use crate::network::ranges::Network;
use crate::service::ingress::{is_served, secrets};

/// The type of Secrets that hold a certificate and its key.
const TLS: &str = "kubernetes.io/tls";

/// What travels of an object that every node needs; `None` for other kinds.
///
/// Of a Node that is name, labels, pod ranges and addresses, so that neither a heartbeat nor a condition travels; of an
/// Ingress all but its status, which nodes would only read back. Secrets are decided by [`certificates`].
pub fn common(object: &Object) -> Option<Vec<u8>> {
    let mut value = object.value();
    let map = value.as_object_mut()?;
    match object.kind() {
        SERVICE | ENDPOINT_SLICE | INGRESS_CLASS | SECRET => {}
        INGRESS => drop(map.remove("status")),
        NODE => *map = node(map),
        _ => return None,
    }
    if let Some(meta) = map.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("managedFields");
        meta.remove("resourceVersion");
    }
    serde_json::to_vec(&value).ok()
}

fn node(whole: &Map<String, Value>) -> Map<String, Value> {
    let part = |of: &str, fields: &[&str]| -> Value {
        let whole = whole.get(of).and_then(Value::as_object);
        let kept = whole.into_iter().flatten().filter(|(key, _)| fields.contains(&key.as_str()));
        Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
    };
    let mut out = Map::new();
    for field in ["apiVersion", "kind"] {
        out.extend(whole.get(field).map(|value| (field.to_owned(), value.clone())));
    }
    out.insert("metadata".to_owned(), part("metadata", &["name", "labels"]));
    out.insert("spec".to_owned(), part("spec", &["podCIDRs"]));
    out.insert("status".to_owned(), part("status", &["addresses"]));
    out
}

/// The Secrets with certificates that ingresses and listeners name which nodes serve: every node gets these, and no other Secret that
/// its own pods do not name.
pub fn certificates(cluster: &Cluster) -> BTreeSet<ObjectKey> {
    let mut keys = BTreeSet::new();
    for ingress in cluster.list_all::<Ingress>().filter(|ingress| is_served(cluster, ingress)) {
        keys.extend(secrets(&ingress));
    }
    keys.retain(|key| cluster.typed::<Secret>(key).is_some_and(|secret| secret.type_ == TLS));
    keys.extend(gateway::resolve::certificates(cluster));
    keys
}

/// Whether a change of a kind can change [`certificates`].
pub fn decides_certificates(object: &Object) -> bool {
    let of_gateways = [GATEWAY, GATEWAY_CLASS, REFERENCE_GRANT];
    [INGRESS, INGRESS_CLASS, Secret::KIND].contains(&object.kind()) || of_gateways.contains(&object.kind())
}

/// What every node is told of the cluster's network.
pub fn facts(network: &Network) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::from([
        ("cluster_domain".to_owned(), network.domain.clone()),
        ("service_cidr".to_owned(), network.services_text()),
        ("cluster_cidr".to_owned(), network.pods_text()),
        ("node_port_range".to_owned(), format!("{}-{}", network.node_ports.0, network.node_ports.1)),
    ]);
    facts.extend(network.dns_ip().map(|ip| ("dns_ip".to_owned(), ip.to_string())));
    facts.extend(network.ingress.iter().map(|(name, value)| (format!("ingress_{name}"), value.clone())));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::event::Event;
    use serde_json::json;
    use std::sync::Arc;

    fn travels(value: Value) -> Value {
        let bytes = common(&Object::from_value(value).unwrap().at(7)).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn only_what_nodes_act_on_travels() {
        let node = json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": "n", "uid": "u", "labels": {"topology.kubernetes.io/zone": "z"}, "annotations": {"a": "b"}},
            "spec": {"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.0.0/24"], "taints": [{"key": "a", "effect": "NoSchedule"}]},
            "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}], "conditions": [{"type": "Ready"}]}});
        assert_eq!(
            travels(node),
            json!({"apiVersion": "v1", "kind": "Node",
                "metadata": {"name": "n", "labels": {"topology.kubernetes.io/zone": "z"}},
                "spec": {"podCIDRs": ["10.0.0.0/24"]},
                "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}})
        );
        let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": "i", "namespace": "n", "managedFields": [{"manager": "m"}]},
            "spec": {"rules": []}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}});
        let travelled = travels(ingress);
        assert_eq!(travelled["metadata"], json!({"name": "i", "namespace": "n"}));
        assert!(travelled.get("status").is_none());
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "n"},
            "spec": {}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}});
        assert_eq!(travels(service.clone()), service, "the addresses of its balancer are told");
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}});
        assert_eq!(common(&Object::from_value(pod).unwrap()), None);
    }

    #[test]
    fn secrets_are_told_when_a_served_ingress_names_them() {
        let mut cluster = Cluster::default();
        let mut put = |value: Value| {
            let revision = cluster.revision() + 1;
            cluster.apply(Event::Put(Arc::new(Object::from_value(value).unwrap().at(revision))));
            certificates(&cluster).into_iter().map(|key| key.name).collect::<Vec<_>>()
        };
        let secret = |name: &str, kind: &str| {
            json!({"apiVersion": "v1", "kind": "Secret", "type": kind,
            "metadata": {"name": name, "namespace": "n"}})
        };
        let class = |name: &str, controller: &str| {
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {"name": name}, "spec": {"controller": controller}})
        };
        let ingress = |name: &str, class: &str, secret: &str| {
            json!({"apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress", "metadata": {"name": name, "namespace": "n"},
            "spec": {"ingressClassName": class, "tls": [{"secretName": secret}]}})
        };
        put(class("ours", masthead_api::networking::class::CONTROLLER));
        put(class("theirs", "x.y/z"));
        put(secret("a", "kubernetes.io/tls"));
        put(secret("b", "Opaque"));
        put(secret("c", "kubernetes.io/tls"));
        assert!(put(ingress("elsewhere", "theirs", "c")).is_empty());
        assert!(put(ingress("wrong-type", "ours", "b")).is_empty());
        assert_eq!(put(ingress("one", "ours", "a")), ["a"]);
    }
}
