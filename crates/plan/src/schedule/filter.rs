//! A pod and a node → whether it may go there, or the reasons why not, in the order of Kubernetes' default plugins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use masthead_api::core::affinity::PodAffinityTerm;
use masthead_api::core::container::ContainerPort;
use masthead_api::core::node::Taint;
use masthead_api::core::pod::{Pod, Toleration};

use crate::cluster::view::Cluster;
use crate::schedule::near::{self, Places};
use crate::schedule::node_info::{NodeInfo, host_ports, priority};
use crate::schedule::node_match;
use crate::schedule::request::{self, Amounts};
use crate::schedule::spread::{self, Counted};

/// The address that stands for all of a node's.
const ANY_IP: &str = "0.0.0.0";

/// Why a node is out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The reasons, in Kubernetes' words.
    pub reasons: Vec<String>,
    /// Whether the removal of other pods could help.
    pub resolvable: bool,
}

/// What is the same for all nodes, worked out once a pod.
pub struct Prepared<'c> {
    cluster: &'c Cluster,
    request: Amounts,
    spread: Vec<Counted>,
    /// Pods that this pod must be near, by term.
    wanted: Vec<Places>,
    /// Pods that this pod may not be near, by term.
    unwanted: Vec<Places>,
    /// Pods that may not be near this one, by topology key.
    against: BTreeMap<String, Places>,
}

impl<'c> Prepared<'c> {
    /// For one pod over all nodes.
    pub fn new(cluster: &'c Cluster, pod: &Pod, nodes: &[&NodeInfo]) -> Prepared<'c> {
        let places = |terms: &[PodAffinityTerm], counts: &dyn Fn(&PodAffinityTerm, &Pod) -> bool| -> Vec<Places> {
            terms
                .iter()
                .map(|term| {
                    let mut places = Places::default();
                    for node in nodes {
                        let near = node.pods.iter().filter(|other| counts(term, other)).count();
                        places.add(&term.topology_key, node, i64::try_from(near).unwrap_or(i64::MAX));
                    }
                    places
                })
                .collect()
        };
        let wanted = near::required(pod);
        // A pod counts for nearness when all terms are about it, and against it when one is.
        let is_wanted =
            |_: &PodAffinityTerm, other: &Pod| wanted.iter().all(|term| near::term_selects(cluster, term, pod, other));
        let is_unwanted = |term: &PodAffinityTerm, other: &Pod| near::term_selects(cluster, term, pod, other);
        let mut against: BTreeMap<String, Places> = BTreeMap::new();
        for node in nodes {
            for other in &node.pods {
                for term in near::forbidden(other).iter().filter(|term| near::term_selects(cluster, term, other, pod)) {
                    against.entry(term.topology_key.clone()).or_default().add(&term.topology_key, node, 1);
                }
            }
        }
        Prepared {
            cluster,
            request: request::of(pod),
            spread: spread::counted(pod, nodes),
            wanted: places(wanted, &is_wanted),
            unwanted: places(near::forbidden(pod), &is_unwanted),
            against,
        }
    }

    /// Whether the pod may go to the node at `index`, beside the pods that are nominated for it and not below this one.
    ///
    /// # Errors
    /// The first plugin that is against it.
    pub fn admits(&self, pod: &Pod, nodes: &[&NodeInfo], index: usize) -> Result<(), Rejection> {
        self.admits_changed(pod, nodes, index, nodes[index])
    }

    /// As [`Prepared::admits`], with other pods on that node.
    ///
    /// # Errors
    /// As [`Prepared::admits`].
    pub fn admits_changed(
        &self,
        pod: &Pod,
        nodes: &[&NodeInfo],
        index: usize,
        changed: &NodeInfo,
    ) -> Result<(), Rejection> {
        let before = |other: &&Arc<Pod>| priority(other) >= priority(pod) && other.metadata.uid != pod.metadata.uid;
        let mut fuller: Option<NodeInfo> = None;
        for other in changed.nominated.iter().filter(before) {
            fuller.get_or_insert_with(|| changed.clone()).add(other.clone());
        }
        if let Some(fuller) = &fuller {
            self.anew(pod, nodes, index, fuller)?;
        }
        self.anew(pod, nodes, index, changed)
    }

    /// Checks a node that may differ from the one that this was prepared with.
    fn anew(&self, pod: &Pod, nodes: &[&NodeInfo], index: usize, changed: &NodeInfo) -> Result<(), Rejection> {
        if std::ptr::eq(changed, nodes[index]) || self.is_local(changed) {
            return self.check(pod, changed);
        }
        let mut all = nodes.to_vec();
        all[index] = changed;
        Prepared::new(self.cluster, pod, &all).check(pod, changed)
    }

    /// Whether nothing that was prepared depends on the pods of this node.
    fn is_local(&self, node: &NodeInfo) -> bool {
        self.spread.is_empty()
            && self.wanted.is_empty()
            && self.unwanted.is_empty()
            && self.against.is_empty()
            && node.pods.iter().all(|other| near::forbidden(other).is_empty())
    }

    fn check(&self, pod: &Pod, node: &NodeInfo) -> Result<(), Rejection> {
        unschedulable(pod, node)?;
        node_name(pod, node)?;
        taints(pod, node)?;
        selected(pod, node)?;
        ports(pod, node)?;
        self.fits(node)?;
        self.spread(node)?;
        self.affinity(pod, node)
    }

    fn fits(&self, node: &NodeInfo) -> Result<(), Rejection> {
        let mut reasons = BTreeSet::new();
        let mut resolvable = true;
        let pods = i64::try_from(node.pods.len()).unwrap_or(i64::MAX);
        if pods + 1 > node.allocatable("pods") {
            reasons.insert("Too many pods".to_owned());
        }
        for (resource, asked) in self.request.iter().filter(|(_, asked)| **asked > 0) {
            if *asked > node.allocatable(resource) - node.requested(resource) {
                reasons.insert(format!("Insufficient {resource}"));
                resolvable &= *asked <= node.allocatable(resource);
            }
        }
        if reasons.is_empty() { Ok(()) } else { Err(Rejection { reasons: reasons.into_iter().collect(), resolvable }) }
    }

    fn spread(&self, node: &NodeInfo) -> Result<(), Rejection> {
        const TEXT: &str = "node(s) didn't match pod topology spread constraints";
        for constraint in &self.spread {
            let Some(domain) = node.label(&constraint.key) else {
                return rejected(&format!("{TEXT} (missing required label)"), false);
            };
            if constraint.skew(domain) > constraint.max_skew {
                return rejected(TEXT, true);
            }
        }
        Ok(())
    }

    fn affinity(&self, pod: &Pod, node: &NodeInfo) -> Result<(), Rejection> {
        let terms = near::required(pod);
        let near_all = terms.iter().zip(&self.wanted).all(|(term, places)| places.at(&term.topology_key, node) > 0);
        // The first of a group that wants to be near its own kind may go anywhere that has the topology.
        let first = self.wanted.iter().all(Places::is_empty)
            && terms.iter().all(|term| {
                near::term_selects(self.cluster, term, pod, pod) && node.label(&term.topology_key).is_some()
            });
        if !terms.is_empty() && !near_all && !first {
            return rejected("node(s) didn't match pod affinity rules", false);
        }
        let forbidden = near::forbidden(pod);
        if forbidden.iter().zip(&self.unwanted).any(|(term, places)| places.at(&term.topology_key, node) > 0) {
            return rejected("node(s) didn't match pod anti-affinity rules", true);
        }
        if self.against.iter().any(|(key, places)| places.at(key, node) > 0) {
            return rejected("node(s) didn't satisfy existing pods anti-affinity rules", true);
        }
        Ok(())
    }
}

fn rejected(reason: &str, resolvable: bool) -> Result<(), Rejection> {
    Err(Rejection { reasons: vec![reason.to_owned()], resolvable })
}

fn unschedulable(pod: &Pod, node: &NodeInfo) -> Result<(), Rejection> {
    let taint = Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        effect: "NoSchedule".to_owned(),
        ..Taint::default()
    };
    let tolerated = |toleration: &Toleration| node_match::tolerates(toleration, &taint);
    if node.node.spec.unschedulable && !pod.spec.tolerations.iter().any(tolerated) {
        return rejected("node(s) were unschedulable", false);
    }
    Ok(())
}

fn node_name(pod: &Pod, node: &NodeInfo) -> Result<(), Rejection> {
    if !pod.spec.node_name.is_empty() && pod.spec.node_name != node.name() {
        return rejected("node(s) didn't match the requested node name", false);
    }
    Ok(())
}

fn taints(pod: &Pod, node: &NodeInfo) -> Result<(), Rejection> {
    if node_match::untolerated(pod, &node.node).is_some() {
        return rejected("node(s) had untolerated taint(s)", false);
    }
    Ok(())
}

fn selected(pod: &Pod, node: &NodeInfo) -> Result<(), Rejection> {
    if !node_match::selected(pod, &node.node) {
        return rejected("node(s) didn't match Pod's node affinity/selector", false);
    }
    Ok(())
}

fn ports(pod: &Pod, node: &NodeInfo) -> Result<(), Rejection> {
    // Only this address stands for all; `::` is one like any other, as in Kubernetes.
    let ip = |port: &ContainerPort| if port.host_ip.is_empty() { ANY_IP.to_owned() } else { port.host_ip.clone() };
    let protocol =
        |port: &ContainerPort| if port.protocol.is_empty() { "TCP".to_owned() } else { port.protocol.clone() };
    for wanted in host_ports(pod) {
        let clash = node.host_ports().any(|held| {
            held.host_port == wanted.host_port
                && protocol(held) == protocol(wanted)
                && (ip(held) == ANY_IP || ip(wanted) == ANY_IP || ip(held) == ip(wanted))
        });
        if clash {
            return rejected("node(s) didn't have free ports for the requested pod ports", true);
        }
    }
    Ok(())
}
