//! Changes of the view → the content of each node that they concern, handed to the link as a whole.
//!
//! What all nodes have is kept once ([`Common`]) and shared. What a node alone needs is kept up to date object by object, as
//! its pods come to refer to others, one of these changes, or other policies select them: a change of one pod costs that
//! pod.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use masthead_api::core::config::ServiceAccount;
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
use crate::control::leaving::{self, Leaving};
use crate::control::references::{Needs, References};
use crate::nodes::plan::Tables;

type Own = BTreeMap<AttachmentKey, Arc<Attachment>>;

/// What one node must run, in parts that are put together when it is told.
#[derive(Default)]
struct Told {
    content: NodeContent,
    /// The policies that select its pods, and their sets.
    policies: Own,
}

/// What each node must run, kept up to date change by change.
#[derive(Default)]
pub struct Dispatch {
    nodes: BTreeMap<String, Told>,
    /// Nodes that have to be told.
    dirty: BTreeSet<String>,
    /// Objects that nodes may need, need no more, or need as they are now.
    needs: Needs,
    /// Nodes for which other policies may count.
    policed: BTreeSet<String>,
    common: Common,
    common_changed: bool,
    references: References,
    policies: Policies,
    /// The sets that policies of a node name.
    uses: BTreeMap<String, BTreeSet<String>>,
    /// Objects that pods refer to, as attachments, with their revision.
    parsed: BTreeMap<ObjectKey, (u64, Arc<Attachment>)>,
    leaving: Leaving,
    /// Whether ends of pods are held back at all.
    holds_back: bool,
    now_ms: u64,
}

impl Dispatch {
    /// One that holds the end of a pod back until the nodes have taken its endpoints out; it must be told what their
    /// tables say ([`Dispatch::release`]).
    pub fn holding_back() -> Dispatch {
        Dispatch { holds_back: true, ..Dispatch::default() }
    }

    /// Takes in one change; a pod whose status alone changed concerns no node but through policies.
    pub fn take(&mut self, cluster: &Cluster, changed: &Changed) {
        self.common_changed |= self.common.take(cluster, changed);
        let touched = self.policies.take(cluster, changed);
        if !touched.sets.is_empty() {
            let concerned = self.uses.iter().filter(|(_, uses)| !uses.is_disjoint(&touched.sets));
            self.policed.extend(concerned.map(|(node, _)| node.clone()));
        }
        self.policed.extend(touched.nodes);
        for (side, is_new) in [(&changed.old, false), (&changed.new, true)] {
            let Some(object) = side else { continue };
            if object.kind() == Pod::KIND {
                let Ok(pod) = object.typed::<Pod>() else { continue };
                if pod.spec.node_name.is_empty() {
                    continue;
                }
                let moved = changed.new.as_ref().is_none_or(|new| new.meta().uid != object.meta().uid);
                if is_new {
                    let begins = self.holds_back && leaving::begins(cluster, changed);
                    self.put(cluster, &pod, object, begins);
                } else if moved {
                    self.remove(&pod.spec.node_name, &pod.metadata.uid);
                }
            } else if dispatch::is_attachment(object.kind()) {
                if changed.new.is_none() {
                    self.parsed.remove(object.key());
                }
                for node in self.references.nodes_of(object.key()) {
                    self.needs.entry(node.clone()).or_default().insert(object.key().clone());
                }
            } else if object.kind() == ServiceAccount::KIND {
                self.account(cluster, object.key());
            } else if object.kind() == Node::KIND {
                let node = changed.new.as_ref().and_then(|new| new.typed::<Node>().ok());
                self.setup(cluster, &object.key().name, node.as_deref());
            }
        }
    }

    fn put(&mut self, cluster: &Cluster, pod: &Pod, object: &Arc<Object>, begins_to_leave: bool) {
        let node = pod.spec.node_name.as_str();
        let bytes = serde_json::to_vec(&object.value()).unwrap_or_default();
        match PodEntry::parse(bytes.into()) {
            Ok(entry) => {
                let entry = Arc::new(entry);
                if self.leaving.update(object, &entry) {
                    return;
                }
                let content = &mut self.nodes.entry(node.to_owned()).or_default().content;
                if begins_to_leave && content.pods.contains_key(&entry.uid) {
                    self.leaving.hold(node, object.clone(), entry, self.now_ms);
                } else {
                    self.refers(cluster, pod);
                    self.insert(node, entry);
                }
            }
            Err(error) => tracing::error!(pod = %object.key(), %error, "the pod cannot travel to its node"),
        }
    }

    /// Notes what a pod refers to.
    fn refers(&mut self, cluster: &Cluster, pod: &Pod) {
        let keys = dispatch::references(cluster, pod);
        self.references.set(&pod.metadata.uid, &pod.spec.node_name, keys, &mut self.needs);
    }

    /// An account changed: the pods that go by it may refer to other secrets.
    fn account(&mut self, cluster: &Cluster, account: &ObjectKey) {
        for pod in cluster.list::<Pod>(&account.namespace) {
            if pod.spec.service_account_name == account.name && !pod.spec.node_name.is_empty() {
                self.refers(cluster, &pod);
            }
        }
    }

    fn insert(&mut self, node: &str, entry: Arc<PodEntry>) {
        let content = &mut self.nodes.entry(node.to_owned()).or_default().content;
        if content.pods.get(&entry.uid).is_none_or(|known| known.digest != entry.digest) {
            content.insert_pod(entry);
            self.dirty.insert(node.to_owned());
        }
    }

    /// When [`Dispatch::release`] is due at the latest, on the clock of [`Dispatch::at`].
    pub fn due_ms(&self) -> Option<u64> {
        self.leaving.due_ms()
    }

    /// Sets the clock by which ends of pods are held back: any that never goes back.
    pub fn at(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// Tells the ends of pods to their nodes that need be held back no longer; `tables` are those of connected nodes.
    pub fn release(&mut self, cluster: &Cluster, now_ms: u64, tables: impl FnOnce() -> Vec<Tables>) {
        self.now_ms = now_ms;
        if self.leaving.is_empty() {
            return;
        }
        for (node, entry) in self.leaving.release(cluster, now_ms, &tables()) {
            self.insert(&node, entry);
        }
    }

    fn remove(&mut self, node: &str, uid: &str) {
        self.leaving.forget(uid);
        self.references.forget(uid, &mut self.needs);
        if let Some(told) = self.nodes.get_mut(node)
            && told.content.pods.remove(uid)
        {
            self.dirty.insert(node.to_owned());
        }
    }

    fn setup(&mut self, cluster: &Cluster, name: &str, node: Option<&Node>) {
        let setup = NodeSetup {
            pod_cidrs: node.map(|node| node.spec.pod_cidrs.clone()).unwrap_or_default(),
            facts: dispatch::common::facts(cluster.network()),
        };
        let content = &mut self.nodes.entry(name.to_owned()).or_default().content;
        if content.setup != setup {
            content.setup = setup;
            self.dirty.insert(name.to_owned());
        }
    }

    /// Marks a node, which connected, as one to be told.
    pub fn touch(&mut self, node: &str) {
        self.nodes.entry(node.to_owned()).or_default();
        self.dirty.insert(node.to_owned());
        self.policed.insert(node.to_owned());
    }

    /// Forgets a node that is gone.
    pub fn forget(&mut self, node: &str) {
        self.nodes.remove(node);
        self.dirty.remove(node);
        self.needs.remove(node);
        self.policed.remove(node);
        self.uses.remove(node);
    }

    /// The nodes that have to be told, with all that they must run.
    pub fn drain(&mut self, cluster: &Cluster) -> Vec<(String, Arc<NodeContent>)> {
        let mut dirty = std::mem::take(&mut self.dirty);
        if std::mem::take(&mut self.common_changed) {
            dirty.extend(self.nodes.keys().cloned());
        }
        for node in std::mem::take(&mut self.policed) {
            if self.police(cluster, &node) {
                dirty.insert(node);
            }
        }
        for (node, keys) in std::mem::take(&mut self.needs) {
            let mut is_news = false;
            for key in keys {
                is_news |= self.attach(cluster, &node, &key);
            }
            if is_news {
                dirty.insert(node);
            }
        }
        let mut out = Vec::new();
        for node in dirty {
            let Some(told) = self.nodes.get_mut(&node) else { continue };
            told.content.attachments.set_common(self.common.attachments().clone());
            out.push((node, Arc::new(told.content.clone())));
        }
        out
    }

    /// Gives a node an object as it is now, if its pods refer to it, and takes it away otherwise. Says whether that changed
    /// anything.
    fn attach(&mut self, cluster: &Cluster, node: &str, key: &ObjectKey) -> bool {
        let is_needed = self.references.is_needed(node, key);
        let attachment = cluster.get(key).filter(|_| is_needed).and_then(|object| self.parsed(object));
        if self.references.nodes_of(key).next().is_none() {
            self.parsed.remove(key);
        }
        let Some(told) = self.nodes.get_mut(node) else { return false };
        match attachment {
            Some(attachment) => told.content.attachments.insert_own(attachment),
            None => told.content.attachments.remove_own(&key_of(key)),
        }
    }

    /// Finds the policies that select the node's pods anew; what is the same stays the same allocation. Says whether that
    /// changed anything.
    fn police(&mut self, cluster: &Cluster, node: &str) -> bool {
        let Some(told) = self.nodes.get_mut(node) else { return false };
        let (policies, sets) = self.policies.of_node(cluster, node);
        let mut wanted = Own::new();
        let mut add = |kind: &str, body: serde_json::Result<Vec<u8>>| {
            let parsed = body
                .map_err(|e| e.to_string())
                .and_then(|body| Attachment::parse(kind, Bytes::from(body)).map_err(|error| error.to_string()));
            match parsed {
                Ok(new) => {
                    let same = told.policies.get(&new.key).filter(|known| known.digest == new.digest);
                    let attachment = same.cloned().unwrap_or_else(|| Arc::new(new));
                    wanted.insert(attachment.key.clone(), attachment);
                }
                Err(error) => tracing::error!(node, kind, error, "a policy cannot travel to its node"),
            }
        };
        policies.iter().for_each(|policy| add(POLICY, serde_json::to_vec(policy)));
        sets.iter().filter_map(|of| self.policies.set(of)).for_each(|set| add(ADDRESS_SET, serde_json::to_vec(&set)));
        let attachments = &mut told.content.attachments;
        let mut is_news = false;
        for key in told.policies.keys().filter(|key| !wanted.contains_key(key)) {
            is_news |= attachments.remove_own(key);
        }
        for attachment in wanted.values() {
            is_news |= attachments.insert_own(attachment.clone());
        }
        told.policies = wanted;
        let uses = self.policies.named_of_node(cluster, node);
        if uses.is_empty() {
            self.uses.remove(node);
        } else {
            self.uses.insert(node.to_owned(), uses);
        }
        is_news
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

#[cfg(test)]
mod tests {
    use super::*;
    use masthead_plan::cluster::event::Event;
    use masthead_wire::object::AttachmentKey;
    use serde_json::{Value, json};

    struct World {
        cluster: Cluster,
        dispatch: Dispatch,
        told: BTreeMap<String, Arc<NodeContent>>,
    }

    impl World {
        fn new(dispatch: Dispatch) -> World {
            let mut world = World { cluster: Cluster::default(), dispatch, told: BTreeMap::new() };
            for node in ["n1", "n2"] {
                world.put(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "uid": node},
                    "spec": {"podCIDRs": ["10.88.1.0/24"]}}));
            }
            world
        }

        fn event(&mut self, event: Event) -> Vec<String> {
            let changed = self.cluster.apply(event).expect("news");
            self.dispatch.take(&self.cluster, &changed);
            self.drain()
        }

        /// The nodes that were told something.
        fn drain(&mut self) -> Vec<String> {
            let told = self.dispatch.drain(&self.cluster);
            let names = told.iter().map(|(node, _)| node.clone()).collect();
            self.told.extend(told);
            names
        }

        fn put(&mut self, value: Value) -> Vec<String> {
            let revision = self.cluster.revision() + 1;
            self.event(Event::Put(Arc::new(Object::from_value(value).unwrap().at(revision))))
        }

        /// Removes an object, if it is there.
        fn remove(&mut self, value: Value) {
            let key = Object::from_value(value).unwrap().key().clone();
            if self.cluster.get(&key).is_some() {
                let revision = self.cluster.revision() + 1;
                self.event(Event::Gone(key, revision));
            }
        }

        fn get(&self, node: &str, kind: &str, namespace: &str, name: &str) -> Option<&Arc<Attachment>> {
            let key = AttachmentKey { kind: kind.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() };
            self.told.get(node)?.attachments.get(&key)
        }

        fn is_marked(&self, node: &str) -> bool {
            self.told[node].pods.values().any(|pod| pod.bytes.windows(17).any(|text| text == b"deletionTimestamp"))
        }
    }

    fn pod(name: &str, node: &str, more: Value) -> Value {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "n", "uid": name, "labels": {"app": "web"}},
            "spec": {"nodeName": node, "containers": [{"name": "c"}]},
            "status": {"phase": "Running", "podIP": "10.88.1.2", "conditions": [{"type": "Ready", "status": "True"}]}});
        for (part, fields) in more.as_object().into_iter().flatten() {
            pod[part].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        }
        pod
    }

    fn service() -> Value {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "n", "uid": "s"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})
    }

    fn slice(conditions: Value) -> Value {
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "web-x", "namespace": "n", "uid": "e", "ownerReferences": [
                {"apiVersion": "v1", "kind": "Service", "name": "web", "uid": "s", "controller": true}]},
            "addressType": "IPv4", "endpoints": [{"addresses": ["10.88.1.2"], "conditions": conditions,
                "targetRef": {"kind": "Pod", "uid": "a"}}], "ports": null})
    }

    #[test]
    fn what_all_nodes_need_is_one_allocation_and_a_change_tells_all() {
        let mut world = World::new(Dispatch::default());
        assert_eq!(world.put(service()), ["n1", "n2"]);
        assert_eq!(world.put(slice(json!({"ready": true}))), ["n1", "n2"]);
        let of = |world: &World, node| world.get(node, "EndpointSlice", "n", "web-x").unwrap().clone();
        assert!(Arc::ptr_eq(&of(&world, "n1"), &of(&world, "n2")));
        let before = world.told["n1"].clone();
        world.put(slice(json!({"ready": false})));
        assert_eq!(world.told["n1"].attachments.since(&before.attachments).len(), 1, "nothing else travels");
        // What changes of a node that others do not act on tells nobody.
        let node = |ready: &str| {
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "n1"},
            "spec": {"podCIDRs": ["10.88.1.0/24"]}, "status": {"conditions": [{"type": "Ready", "status": ready}]}})
        };
        world.put(node("True"));
        assert!(world.put(node("False")).is_empty());
        let facts = &world.told["n1"].setup.facts;
        assert_eq!((facts["dns_ip"].as_str(), facts["service_cidr"].as_str()), ("10.96.0.10", "10.96.0.0/16"));
        assert_eq!(
            (facts["cluster_cidr"].as_str(), facts["node_port_range"].as_str()),
            ("10.88.0.0/16", "30000-32767")
        );
    }

    #[test]
    fn a_node_gets_only_the_secrets_that_its_pods_and_ingresses_name() {
        let mut world = World::new(Dispatch::default());
        let secret = |name: &str, kind: &str| {
            json!({"apiVersion": "v1", "kind": "Secret", "type": kind,
            "metadata": {"name": name, "namespace": "n", "uid": name}, "data": {}})
        };
        for (name, kind) in [("own", "Opaque"), ("cert", "kubernetes.io/tls"), ("other", "Opaque")] {
            world.put(secret(name, kind));
        }
        let volume = json!({"spec": {"volumes": [{"name": "v", "secret": {"secretName": "own"}}]}});
        assert_eq!(world.put(pod("a", "n1", volume)), ["n1"]);
        let of = |world: &World, node: &str| -> Vec<String> {
            let all = world.told[node].attachments.of_kind("Secret").map(|a| a.key.name.clone());
            all.collect()
        };
        assert_eq!((of(&world, "n1"), of(&world, "n2")), (vec!["own".to_owned()], vec![]));
        world.put(
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "masthead"},
            "spec": {"controller": "masthead.dev/ingress"}}),
        );
        let ingress = |secret: &str| {
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": "i", "namespace": "n", "uid": "i"},
            "spec": {"ingressClassName": "masthead", "tls": [{"secretName": secret}]}})
        };
        assert_eq!(world.put(ingress("cert")), ["n1", "n2"]);
        assert_eq!(of(&world, "n2"), ["cert"]);
        let renewed = {
            let mut renewed = secret("cert", "kubernetes.io/tls");
            renewed["data"] = json!({"tls.crt": "YQ=="});
            renewed
        };
        assert_eq!(world.put(renewed), ["n1", "n2"], "a renewed certificate travels");
        assert_eq!(world.put(secret("other", "kubernetes.io/tls")), Vec::<String>::new());
        world.put(ingress("none"));
        assert!(of(&world, "n2").is_empty(), "it is taken back");
    }

    #[test]
    fn policies_travel_to_the_nodes_of_their_pods() {
        let mut world = World::new(Dispatch::default());
        world.put(pod("a", "n1", json!({})));
        let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "p", "namespace": "n", "uid": "p"},
            "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}]}]}});
        assert_eq!(world.put(policy), ["n1"]);
        assert!(world.get("n1", POLICY, "n", "p").is_some() && world.get("n2", POLICY, "n", "p").is_none());
        let sets = |world: &World| -> Vec<Arc<Attachment>> {
            world.told["n1"].attachments.of_kind(ADDRESS_SET).cloned().collect()
        };
        assert_eq!(sets(&world).len(), 1);
        let policy = world.get("n1", POLICY, "n", "p").unwrap().clone();
        let client = json!({"metadata": {"labels": {"app": "client"}}, "status": {"podIP": "10.88.1.9"}});
        let told = world.put(pod("b", "n2", client));
        assert!(told.contains(&"n1".to_owned()), "a peer came");
        assert!(sets(&world)[0].bytes.windows(9).any(|text| text == b"10.88.1.9"));
        assert!(Arc::ptr_eq(&policy, world.get("n1", POLICY, "n", "p").unwrap()), "the policy is the same");
    }

    /// Against what the pods of each node refer to, put together from nothing, by seed.
    #[test]
    fn what_nodes_have_of_their_own_is_what_their_pods_refer_to_now() {
        for seed in 1..60_u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut random = |below: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state % below
            };
            let mut world = World::new(Dispatch::default());
            let map = |name: &str, version: u64| {
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "n", "uid": name},
                    "data": {"version": version.to_string()}})
            };
            for _ in 0..60 {
                let (name, number) = (format!("c{}", random(4)), random(5));
                let volume = |n: u64| json!({"name": format!("v{n}"), "configMap": {"name": format!("c{n}")}});
                let volumes: Vec<Value> = (0..4).filter(|_| random(3) == 0).map(volume).collect();
                let pod = pod(
                    &format!("p{number}"),
                    ["n1", "n2"][(number % 2) as usize],
                    json!({"spec": {"volumes": volumes}}),
                );
                match random(6) {
                    0 => world.remove(map(&name, 0)),
                    1 => world.remove(pod),
                    2 | 3 => drop(world.put(map(&name, random(3)))),
                    _ => drop(world.put(pod)),
                }
                for node in ["n1", "n2"] {
                    let pods = world.cluster.list::<Pod>("n").filter(|pod| pod.spec.node_name == node);
                    let named: BTreeSet<ObjectKey> =
                        pods.flat_map(|pod| dispatch::references(&world.cluster, &pod)).collect();
                    let there = named.iter().filter_map(|key| world.cluster.get(key));
                    let expect: BTreeMap<String, String> = there
                        .map(|object| (object.key().name.clone(), object.value()["data"]["version"].to_string()))
                        .collect();
                    let has: BTreeMap<String, String> = world.told[node]
                        .attachments
                        .of_kind("ConfigMap")
                        .map(|one| {
                            let value: Value = serde_json::from_slice(&one.bytes).unwrap();
                            (one.key.name.clone(), value["data"]["version"].to_string())
                        })
                        .collect();
                    assert_eq!(has, expect, "seed {seed}: {node}");
                }
            }
        }
    }

    /// The order that a rollout without loss needs: endpoint out of all nodes' tables, then the containers' end.
    #[test]
    fn the_end_of_a_pod_waits_for_the_nodes_to_take_its_endpoint_out() {
        let marked =
            || json!({"metadata": {"deletionTimestamp": "2030-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30}});
        let start = || {
            let mut world = World::new(Dispatch::holding_back());
            world.put(service());
            world.put(slice(json!({"ready": true, "terminating": false})));
            world.put(pod("a", "n1", json!({})));
            world
        };
        let told = |world: &mut World, now_ms: u64, tables: Vec<Tables>| {
            world.dispatch.release(&world.cluster, now_ms, || tables);
            world.drain();
            world.is_marked("n1")
        };
        let release = |world: &mut World, now_ms: u64, held: Vec<Arc<NodeContent>>| {
            told(world, now_ms, held.into_iter().map(Tables::Are).collect())
        };
        let mut world = start();
        let old: Vec<Arc<NodeContent>> = world.told.values().cloned().collect();
        assert!(world.put(pod("a", "n1", marked())).is_empty(), "held back");
        assert!(!release(&mut world, 0, old.clone()), "the controllers have not seen it yet");
        world.put(slice(json!({"ready": false, "serving": true, "terminating": true})));
        assert!(!release(&mut world, 1, old.clone()), "no node holds that");
        let new: Vec<Arc<NodeContent>> = world.told.values().cloned().collect();
        assert!(!release(&mut world, 2, vec![new[0].clone(), old[1].clone()]), "one does not");
        let unknown = vec![Tables::Are(new[0].clone()), Tables::Unknown];
        assert!(!told(&mut world, 2, unknown), "one has not said");
        assert!(release(&mut world, 3, new), "both do");
        assert!(world.dispatch.leaving.is_empty());
        // A node whose kernel refuses, and says so.
        let mut world = start();
        world.put(pod("a", "n1", marked()));
        world.put(slice(json!({"ready": false, "serving": true, "terminating": true})));
        let new = world.told["n1"].clone();
        assert!(told(&mut world, 1, vec![Tables::Are(new), Tables::Broken]), "it is not waited for");
        // A node that does not answer.
        let mut world = start();
        world.put(pod("a", "n1", marked()));
        assert_eq!(world.dispatch.due_ms(), Some(leaving::HOLD_MAX_MS));
        assert!(!release(&mut world, leaving::HOLD_MAX_MS - 1, old.clone()));
        assert!(release(&mut world, leaving::HOLD_MAX_MS, old));
        // One that serves nobody, and one that is to go at once.
        let mut world = World::new(Dispatch::holding_back());
        world.put(pod("a", "n1", json!({})));
        world.put(pod("a", "n1", marked()));
        assert!(world.is_marked("n1"), "no service selects it");
        let mut world = start();
        world.put(pod("a", "n1", marked()));
        world.remove(pod("a", "n1", json!({})));
        assert!(world.told["n1"].pods.is_empty() && world.dispatch.leaving.is_empty());
    }
}
