//! Policies, pods and namespaces → what nodes are told, change by change and as a whole.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use masthead_api::networking::resolved::{Direction, ResolvedPolicy, ResolvedRule};
use masthead_api::object::Object;
use serde_json::{Value, json};

use crate::cluster::event::Event;
use crate::cluster::view::Cluster;
use crate::context::Ids;
use crate::policy::state::{Policies, Touched};

#[derive(Default)]
pub struct World {
    cluster: Cluster,
    policies: Policies,
}

impl World {
    fn put(&mut self, value: Value) -> Touched {
        let object = Object::from_value(value).unwrap().at(self.cluster.revision() + 1);
        self.event(Event::Put(Arc::new(object)))
    }

    fn event(&mut self, event: Event) -> Touched {
        let changed = self.cluster.apply(event).unwrap();
        self.policies.take(&self.cluster, &changed)
    }

    pub fn namespace(&mut self, name: &str, labels: Value) -> Touched {
        self.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}))
    }

    pub fn pod(&mut self, namespace: &str, name: &str, node: &str, labels: Value, ip: &str, port: i32) -> Touched {
        self.put(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "uid": name, "labels": labels},
            "spec": {"nodeName": node, "containers": [{"name": "c", "ports": [
                {"name": "web", "containerPort": port, "protocol": "TCP"}]}]},
            "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]}}))
    }

    pub fn policy(&mut self, namespace: &str, name: &str, spec: Value) -> Touched {
        let value = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": namespace}, "spec": spec});
        self.put(masthead_api::admit::create(value, "").unwrap())
    }

    pub fn on(&self, node: &str) -> Vec<ResolvedPolicy> {
        self.policies.of_node(&self.cluster, node).0
    }

    pub fn set(&self, node: &str, name: &str) -> Vec<String> {
        let (_, needed) = self.policies.of_node(&self.cluster, node);
        let sets = needed.iter().filter_map(|of| self.policies.set(of));
        let set = { sets }.find(|set| set.metadata.name == name).expect("a rule names only sets that are needed");
        set.addresses.iter().map(ToString::to_string).collect()
    }
}

fn one(policies: &[ResolvedPolicy]) -> &ResolvedPolicy {
    let [policy] = policies else { panic!("{policies:?}") };
    policy
}

#[test]
fn selectors_become_addresses() {
    let mut world = World::default();
    world.namespace("shop", json!({"team": "a"}));
    world.namespace("ops", json!({"team": "b"}));
    world.pod("shop", "web", "n1", json!({"app": "web"}), "10.0.0.1", 8080);
    world.pod("shop", "db", "n2", json!({"app": "db"}), "10.0.1.1", 5432);
    world.pod("ops", "probe", "n2", json!({"app": "probe"}), "10.0.1.2", 1);
    let touched = world.policy(
        "shop",
        "db",
        json!({"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [
            {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}, {"namespaceSelector": {"matchLabels": {"team": "b"}}},
                {"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.128/25"]}}],
             "ports": [{"port": 5432}, {"port": 9000, "endPort": 9009, "protocol": "UDP"}]}]}),
    );
    assert_eq!(touched.nodes, BTreeSet::from(["n2".to_owned()]), "only the node of a selected pod");
    assert!(world.on("n1").is_empty());
    let on = world.on("n2");
    let policy = one(&on);
    assert_eq!(policy.pods, [IpAddr::from([10, 0, 1, 1])]);
    assert_eq!(policy.policy_types, [Direction::Ingress]);
    let rule = &policy.ingress[0];
    assert_eq!((rule.sets.len(), rule.blocks.len(), rule.ports.len()), (2, 1, 2));
    assert_eq!(world.set("n2", &rule.sets[0]), ["10.0.0.1"]);
    assert_eq!(world.set("n2", &rule.sets[1]), ["10.0.1.2"]);
    // A pod that comes changes one set and nobody's policies.
    let touched = world.pod("ops", "more", "n1", json!({}), "10.0.0.9", 1);
    assert_eq!(touched.sets, BTreeSet::from([rule.sets[1].clone()]));
    assert!(touched.nodes.is_empty());
    assert_eq!(world.set("n2", &rule.sets[1]), ["10.0.0.9", "10.0.1.2"]);
    // A namespace that changes its labels takes its pods with it.
    let touched = world.namespace("ops", json!({"team": "c"}));
    assert_eq!(touched.sets, BTreeSet::from([rule.sets[1].clone()]));
    assert!(world.set("n2", &rule.sets[1]).is_empty(), "an empty set, which matches nobody");
    // Nothing that matters.
    assert_eq!(world.namespace("ops", json!({"team": "c"})), Touched::default());
}

#[test]
fn named_ports_are_numbers_by_pod() {
    let mut world = World::default();
    world.namespace("n", json!({}));
    world.pod("n", "old", "n1", json!({"app": "web"}), "10.0.0.1", 80);
    world.pod("n", "new", "n1", json!({"app": "web"}), "10.0.0.2", 8080);
    world.policy(
        "n",
        "p",
        json!({"podSelector": {}, "ingress": [{"ports": [{"port": "web"}]}, {"ports": [{"port": "none"}]}]}),
    );
    let on = world.on("n1");
    let rules = &one(&on).ingress;
    assert_eq!(rules.len(), 1, "a port that no pod has allows nothing, and not everything");
    let ports: Vec<(Option<u16>, Vec<String>)> =
        rules[0].ports.iter().map(|p| (p.port, world.set("n1", p.to_set.as_ref().unwrap()))).collect();
    assert_eq!(ports, [(Some(80), vec!["10.0.0.1".to_owned()]), (Some(8080), vec!["10.0.0.2".to_owned()])]);
}

#[test]
fn what_is_isolated_without_rules() {
    let mut world = World::default();
    world.namespace("n", json!({}));
    world.pod("n", "a", "n1", json!({}), "10.0.0.1", 80);
    world.policy("n", "deny", json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}));
    world.policy("n", "all", json!({"podSelector": {}, "ingress": [{}]}));
    let on = world.on("n1");
    assert_eq!(on.len(), 2);
    assert_eq!(on[0].ingress, [ResolvedRule::default()], "every peer and every port");
    assert_eq!(on[1].policy_types, [Direction::Ingress, Direction::Egress]);
    assert!(on[1].ingress.is_empty() && on[1].egress.is_empty());
    let key = Object::from_value(json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "deny", "namespace": "n"}}))
    .unwrap()
    .key()
    .clone();
    let revision = world.cluster.revision() + 1;
    let touched = world.event(Event::Gone(key, revision));
    assert_eq!(touched.nodes, BTreeSet::from(["n1".to_owned()]));
    assert_eq!(world.on("n1").len(), 1);
}

/// By seed: the state that changes were taken into one by one is that of a fresh look at everything.
#[test]
fn changes_one_by_one_lead_where_a_fresh_look_does() {
    for seed in 0..40 {
        let (mut world, mut ids) = (World::default(), Ids::new(seed));
        for _ in 0..60 {
            let (name, namespace) = (format!("x{}", ids.below(6)), format!("n{}", ids.below(2)));
            let label = json!({"l": ids.below(3).to_string()});
            let node = format!("n{}", ids.below(2));
            match ids.below(4) {
                0 => drop(world.namespace(&namespace, label)),
                1 => {
                    let peer = match ids.below(3) {
                        0 => json!({"podSelector": {"matchLabels": label}}),
                        1 => json!({"namespaceSelector": {"matchLabels": label}}),
                        _ => json!({"namespaceSelector": {}, "podSelector": {"matchLabels": label}}),
                    };
                    let port = if ids.below(2) == 0 { json!({"port": "web"}) } else { json!({"port": 80}) };
                    let spec =
                        json!({"podSelector": {"matchLabels": label}, "ingress": [{"from": [peer], "ports": [port]}]});
                    world.policy(&namespace, &name, spec);
                }
                _ => {
                    let ip = format!("10.0.{}.{}", ids.below(2), ids.below(20));
                    let port = i32::try_from(ids.below(2)).unwrap() + 80;
                    world.pod(&namespace, &name, &node, label, &ip, port);
                }
            }
            let mut fresh = Policies::default();
            for object in world.cluster.objects() {
                let changed = crate::cluster::event::Changed { old: None, new: Some(object.clone()) };
                fresh.take(&world.cluster, &changed);
            }
            for node in ["n0", "n1"] {
                let (policies, needed) = world.policies.of_node(&world.cluster, node);
                assert_eq!(
                    (&policies, &needed),
                    (&fresh.of_node(&world.cluster, node).0, &fresh.of_node(&world.cluster, node).1)
                );
                for of in &needed {
                    assert_eq!(world.policies.set(of), fresh.set(of), "seed {seed}");
                }
            }
        }
    }
}
