//! A pod and a node → whether it may go there, or the reasons why not, in the order of Kubernetes' default plugins.

use std::collections::BTreeSet;

use masthead_api::core::affinity::PodAffinityTerm;
use masthead_api::core::pod::{Pod, Toleration};

use crate::cluster::view::Cluster;
use crate::schedule::near::{self, Places};
use crate::schedule::node_info::{NodeInfo, host_ports};
use crate::schedule::node_match;
use crate::schedule::request::{self, Amounts};
use crate::schedule::spread::{self, Counted};

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
    /// Pods that may not be near this one.
    against: Vec<(String, Places)>,
}

impl<'c> Prepared<'c> {
    /// For one pod over all nodes.
    pub fn new(cluster: &'c Cluster, pod: &Pod, nodes: &[NodeInfo]) -> Prepared<'c> {
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
        let mut against = Vec::new();
        for node in nodes {
            for other in &node.pods {
                for term in near::forbidden(other).iter().filter(|term| near::term_selects(cluster, term, other, pod)) {
                    let mut at = Places::default();
                    at.add(&term.topology_key, node, 1);
                    against.push((term.topology_key.clone(), at));
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

    /// What the pod asks for.
    pub fn request(&self) -> &Amounts {
        &self.request
    }

    /// Whether the pod may go to a node.
    ///
    /// # Errors
    /// The first plugin that is against it.
    pub fn check(&self, pod: &Pod, node: &NodeInfo) -> Result<(), Rejection> {
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
    let taint = masthead_api::core::node::Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        effect: "NoSchedule".to_owned(),
        ..Default::default()
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
    let any = |ip: &str| ip.is_empty() || ip == "0.0.0.0" || ip == "::";
    let protocol = |p: &str| if p.is_empty() { "TCP".to_owned() } else { p.to_owned() };
    for wanted in host_ports(pod) {
        let clash = node.host_ports().any(|held| {
            held.host_port == wanted.host_port
                && protocol(&held.protocol) == protocol(&wanted.protocol)
                && (any(&held.host_ip) || any(&wanted.host_ip) || held.host_ip == wanted.host_ip)
        });
        if clash {
            return rejected("node(s) didn't have free ports for the requested pod ports", true);
        }
    }
    Ok(())
}
