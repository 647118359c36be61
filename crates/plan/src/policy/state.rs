//! Changes of policies, pods and namespaces → which nodes and which sets are concerned, and what a node must hold.

use std::collections::{BTreeMap, BTreeSet};

use masthead_api::core::namespace::Namespace;
use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::networking::network_policy::NetworkPolicy;
use masthead_api::networking::resolved::{AddressSet, ResolvedMeta, ResolvedPolicy, ResolvedPort, ResolvedRule};

use crate::cluster::event::Changed;
use crate::cluster::view::Cluster;
use crate::policy::compile::{Compiled, Port, Rule, compile};
use crate::policy::sets::{Set, addresses, counts, set_name};
use crate::service::endpoint::shown;

/// All policies of the cluster and the sets that they name.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// By namespace and name.
    compiled: BTreeMap<String, BTreeMap<String, Compiled>>,
    sets: BTreeMap<String, Set>,
    /// How many policies name a set.
    users: BTreeMap<String, usize>,
}

/// What a change concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Nodes whose policies may be others now.
    pub nodes: BTreeSet<String>,
    /// Sets that are others now: nodes that hold one of them.
    pub sets: BTreeSet<String>,
}

impl Policies {
    /// Takes in one change; `cluster` is the view after it.
    pub fn take(&mut self, cluster: &Cluster, changed: &Changed) -> Touched {
        let mut touched = Touched::default();
        let Some(side) = changed.sides().next() else { return touched };
        let kind = side.kind();
        if kind == NetworkPolicy::KIND {
            self.policy(cluster, side.key(), &mut touched);
        } else if self.compiled.is_empty() {
            // Nobody asks for the rest.
        } else if kind == Pod::KIND {
            self.pod(cluster, changed, &mut touched);
        } else if kind == Namespace::KIND {
            let labels = |side: &Option<_>| side.as_ref().map(labels_of);
            if labels(&changed.old) != labels(&changed.new) {
                for (name, set) in &mut self.sets {
                    if set.look_at_namespace(cluster, &side.key().name) {
                        touched.sets.insert(name.clone());
                    }
                }
            }
        }
        touched
    }

    fn policy(&mut self, cluster: &Cluster, key: &ObjectKey, touched: &mut Touched) {
        let new = cluster.typed::<NetworkPolicy>(key).map(|policy| compile(&policy));
        let here = self.compiled.entry(key.namespace.clone()).or_default();
        let old = match new.clone() {
            Some(new) => here.insert(key.name.clone(), new),
            None => here.remove(&key.name),
        };
        if here.is_empty() {
            self.compiled.remove(&key.namespace);
        }
        if old == new {
            return;
        }
        for (name, def) in new.iter().flat_map(|new| &new.sets) {
            *self.users.entry(name.clone()).or_default() += 1;
            self.sets.entry(name.clone()).or_insert_with(|| Set::new(cluster, def.clone()));
        }
        for name in old.iter().flat_map(|old| old.sets.keys()) {
            let users = self.users.entry(name.clone()).or_default();
            *users = users.saturating_sub(1);
            if *users == 0 {
                self.users.remove(name);
                self.sets.remove(name);
            }
        }
        let pods = cluster.list::<Pod>(&key.namespace).filter(|pod| counts(pod));
        let selects = |pod: &Pod| old.iter().chain(&new).any(|policy| policy.selector.matches(&pod.metadata.labels));
        touched.nodes.extend(pods.filter(|pod| selects(pod)).map(|pod| pod.spec.node_name.clone()));
    }

    fn pod(&mut self, cluster: &Cluster, changed: &Changed, touched: &mut Touched) {
        let typed: Vec<_> = changed.sides().filter_map(|side| side.typed::<Pod>().ok()).collect();
        if let [old, new] = typed.as_slice()
            && shown(old) == shown(new)
        {
            return;
        }
        let Some(key) = changed.sides().next().map(|side| side.key().clone()) else { return };
        for (name, set) in &mut self.sets {
            if set.look_at(cluster, &key) {
                touched.sets.insert(name.clone());
            }
        }
        if self.compiled.contains_key(&key.namespace) {
            touched.nodes.extend(typed.iter().map(|pod| pod.spec.node_name.clone()).filter(|node| !node.is_empty()));
        }
    }

    /// The policies that a node must hold, and the names of the sets that they need.
    pub fn of_node(&self, cluster: &Cluster, node: &str) -> (Vec<ResolvedPolicy>, BTreeSet<SetRef>) {
        let mut policies: BTreeMap<(&str, &str), ResolvedPolicy> = BTreeMap::new();
        let mut needed = BTreeSet::new();
        if self.compiled.is_empty() {
            return (Vec::new(), needed);
        }
        for pod in cluster.pods_on(node).filter_map(|object| object.typed::<Pod>().ok()).filter(|pod| counts(pod)) {
            let here = self.compiled.get(&pod.metadata.namespace).into_iter().flatten();
            for (name, compiled) in here.filter(|(_, compiled)| compiled.selector.matches(&pod.metadata.labels)) {
                let namespace = self.compiled.get_key_value(&pod.metadata.namespace).map_or("", |(key, _)| key);
                let policy = policies
                    .entry((namespace, name))
                    .or_insert_with(|| self.resolve(namespace, name, compiled, &mut needed));
                policy.pods.extend(addresses(&pod));
            }
        }
        let mut policies: Vec<ResolvedPolicy> = policies.into_values().collect();
        policies.iter_mut().for_each(|policy| policy.pods.sort_unstable());
        (policies, needed)
    }

    fn resolve(
        &self,
        namespace: &str,
        name: &str,
        compiled: &Compiled,
        needed: &mut BTreeSet<SetRef>,
    ) -> ResolvedPolicy {
        let mut rules = |rules: &[Rule]| rules.iter().filter_map(|rule| self.rule(rule, needed)).collect();
        ResolvedPolicy {
            metadata: ResolvedMeta { namespace: namespace.to_owned(), name: name.to_owned() },
            pods: Vec::new(),
            policy_types: compiled.directions.clone(),
            ingress: rules(&compiled.ingress),
            egress: rules(&compiled.egress),
        }
    }

    /// A rule with numbers for named ports; `None` when no pod has any of its ports.
    fn rule(&self, rule: &Rule, needed: &mut BTreeSet<SetRef>) -> Option<ResolvedRule> {
        let mut ports = Vec::new();
        let mut refs: Vec<SetRef> = rule.sets.iter().map(|set| SetRef { set: set.clone(), number: None }).collect();
        for port in &rule.ports {
            match port {
                Port::Number { protocol, port, end } => {
                    ports.push(ResolvedPort { protocol: protocol.clone(), port: *port, end_port: *end, to_set: None })
                }
                Port::Named { protocol, set } => {
                    for number in self.sets.get(set).map(Set::numbers).unwrap_or_default() {
                        refs.push(SetRef { set: set.clone(), number: Some(number) });
                        ports.push(ResolvedPort {
                            protocol: protocol.clone(),
                            port: Some(number),
                            end_port: None,
                            to_set: Some(set_name(set, Some(number))),
                        });
                    }
                }
            }
        }
        if ports.is_empty() && !rule.ports.is_empty() {
            return None;
        }
        needed.extend(refs);
        Some(ResolvedRule { sets: rule.sets.clone(), blocks: rule.blocks.clone(), ports })
    }

    /// A set as it travels.
    pub fn set(&self, of: &SetRef) -> Option<AddressSet> {
        Some(self.sets.get(&of.set)?.addresses(&of.set, of.number))
    }

    /// The sets of named ports that policies of a node may come to need: a number that appears is a new set.
    pub fn named_of_node(&self, cluster: &Cluster, node: &str) -> BTreeSet<String> {
        let mut named = BTreeSet::new();
        for object in cluster.pods_on(node) {
            let here = self.compiled.get(&object.key().namespace).into_iter().flatten();
            for (_, compiled) in here.filter(|(_, compiled)| compiled.selector.matches(&object.meta().labels)) {
                named.extend(compiled.sets.keys().cloned());
            }
        }
        named
    }
}

/// Names one set as it travels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SetRef {
    /// The set.
    pub set: String,
    /// Of a named port, which number.
    pub number: Option<u16>,
}

fn labels_of(object: &std::sync::Arc<masthead_api::object::Object>) -> std::collections::BTreeMap<String, String> {
    object.meta().labels.clone()
}
