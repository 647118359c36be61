//! What a policy calls a peer or a named port → the addresses in the cluster that it stands for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use masthead_api::core::namespace::Namespace;
use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::kind::registry::POD;
use masthead_api::meta::LabelSelector;
use masthead_api::networking::resolved::{AddressSet, ResolvedMeta};
use masthead_api::object::Object;
use sha2::{Digest as _, Sha256};

use crate::cluster::view::Cluster;
use crate::service::endpoint::{ips, named_port};
use crate::workload::pods::is_finished;

/// What a set is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Def {
    /// Pods of one namespace, or of those that a selector names; all of them, or those that a selector names.
    Peer {
        /// The policy's own namespace, when the peer names no other.
        namespace: Option<String>,
        /// Namespaces by label.
        namespaces: Option<LabelSelector>,
        /// Pods by label.
        pods: Option<LabelSelector>,
    },
    /// All pods with a container port of this name, told apart by its number.
    Port {
        /// `TCP`, `UDP` or `SCTP`.
        protocol: String,
        /// The port's name.
        name: String,
    },
}

/// A pod in a set: the number of the named port, for [`Def::Port`], and its addresses.
type Member = (Option<u16>, Vec<IpAddr>);

/// A set with the pods that are in it.
#[derive(Clone, Debug)]
pub struct Set {
    def: Def,
    members: BTreeMap<ObjectKey, Member>,
}

impl Def {
    /// A text that tells any two definitions apart, as sixteen digits.
    pub fn name(&self) -> String {
        let mut hash = Sha256::new();
        match self {
            Def::Peer { namespace, namespaces, pods } => {
                // Selectors are typed objects, and those always have a JSON form.
                let text = serde_json::json!(["peer", namespace, namespaces, pods]).to_string();
                hash.update(text);
            }
            Def::Port { protocol, name } => hash.update(serde_json::json!(["port", protocol, name]).to_string()),
        }
        hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The namespace to which the set is bound.
    fn namespace(&self) -> &str {
        match self {
            Def::Peer { namespace: Some(namespace), .. } => namespace,
            _ => "",
        }
    }

    /// Whether labels of namespaces matter.
    fn asks_namespaces(&self) -> bool {
        matches!(self, Def::Peer { namespaces: Some(_), .. })
    }

    fn member(&self, cluster: &Cluster, pod: &Pod) -> Option<Member> {
        if !counts(pod) {
            return None;
        }
        let addresses = addresses(pod);
        match self {
            Def::Peer { namespace, namespaces, pods } => {
                let of = &pod.metadata.namespace;
                let here = namespace.as_ref().is_none_or(|namespace| namespace == of);
                let there = namespaces.as_ref().is_none_or(|selector| {
                    let key = ObjectKey::new(Namespace::KIND, "", of.as_str());
                    cluster.get(&key).is_some_and(|namespace| selector.matches(&namespace.meta().labels))
                });
                let named = pods.as_ref().is_none_or(|selector| selector.matches(&pod.metadata.labels));
                (here && there && named).then_some((None, addresses))
            }
            Def::Port { protocol, name } => {
                let number = named_port(pod, name, protocol).and_then(|number| u16::try_from(number).ok())?;
                Some((Some(number), addresses))
            }
        }
    }
}

/// Whether a pod can be selected, or be a peer.
pub fn counts(pod: &Pod) -> bool {
    !pod.spec.host_network && !is_finished(pod) && ips(pod).next().is_some()
}

/// The addresses of a pod, sorted.
pub fn addresses(pod: &Pod) -> Vec<IpAddr> {
    let all: BTreeSet<IpAddr> = ips(pod).filter_map(|ip| ip.parse().ok()).collect();
    all.into_iter().collect()
}

impl Set {
    /// A set with all pods of a view that are in it.
    pub fn new(cluster: &Cluster, def: Def) -> Set {
        let mut set = Set { def, members: BTreeMap::new() };
        let namespace = set.def.namespace().to_owned();
        let pods: Vec<&Arc<Object>> = match namespace.as_str() {
            "" => cluster.of_kind(POD).collect(),
            namespace => cluster.in_namespace(POD, namespace).collect(),
        };
        for object in pods {
            set.look_at(cluster, object.key());
        }
        set
    }

    /// Looks at one pod anew; says whether the set is another now.
    pub fn look_at(&mut self, cluster: &Cluster, key: &ObjectKey) -> bool {
        let member = cluster.typed::<Pod>(key).and_then(|pod| self.def.member(cluster, &pod));
        match member {
            Some(member) => self.members.insert(key.clone(), member.clone()).is_none_or(|known| known != member),
            None => self.members.remove(key).is_some(),
        }
    }

    /// Looks at all pods of a namespace anew, when its labels matter; says whether the set is another now.
    pub fn look_at_namespace(&mut self, cluster: &Cluster, namespace: &str) -> bool {
        if !self.def.asks_namespaces() {
            return false;
        }
        let keys: Vec<ObjectKey> = cluster.in_namespace(POD, namespace).map(|object| object.key().clone()).collect();
        let mut changed = false;
        for key in keys {
            changed |= self.look_at(cluster, &key);
        }
        changed
    }

    /// The numbers that a named port has, in order.
    pub fn numbers(&self) -> BTreeSet<u16> {
        self.members.values().filter_map(|(number, _)| *number).collect()
    }

    /// The set as it travels; of a named port those pods in which it has this number.
    pub fn addresses(&self, name: &str, number: Option<u16>) -> AddressSet {
        let all: BTreeSet<IpAddr> =
            self.members.values().filter(|(of, _)| *of == number).flat_map(|(_, ips)| ips.iter().copied()).collect();
        AddressSet {
            metadata: ResolvedMeta { namespace: self.def.namespace().to_owned(), name: set_name(name, number) },
            addresses: all.into_iter().collect(),
        }
    }
}

/// The name of a set in rules; of a named port's the number is a part.
pub fn set_name(name: &str, number: Option<u16>) -> String {
    match number {
        None => name.to_owned(),
        // The last four of sixteen digits make room for the number.
        Some(number) => format!("{}{number:04x}", &name[..12.min(name.len())]),
    }
}
