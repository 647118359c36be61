//! What agents report → the newest word about each pod and node, decided on together in the next round.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use masthead_api::change::{EventKind, EventNote};
use masthead_api::core::event::Event;
use masthead_api::core::node::{NodeAddress, NodeSystemInfo, Taint};
use masthead_api::core::pod::Pod;
use masthead_api::core::pod_status::PodStatus;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::meta::Time;
use masthead_api::object::Object;
use masthead_api::quantity::Quantity;
use masthead_plan::cluster::view::Cluster;
use masthead_plan::context::{Context, Reaction};
use masthead_plan::network::nodes::Blocks;
use masthead_plan::node::facts::Facts;
use masthead_plan::node::pod::About;
use masthead_plan::node::{beat, import, pod, register};
use masthead_plan::round::Round;
use masthead_wire::limits::MAX_MANIFEST_ITEMS;
use masthead_wire::object::PodEntry;
use masthead_wire::report::{Hello, NodeFacts};

use crate::control::heard;
use crate::control::problems::Told;
use crate::nodes::report::{Report, What};

/// What a report asks of the loop at once.
#[derive(Debug, PartialEq, Eq)]
pub enum Pending {
    /// Nothing.
    Nothing,
    /// Tell this node what it must run.
    Admit(String),
    /// Ask this node for pods that it holds and nobody here knows.
    Ask(String, Vec<String>),
    /// A node has seen this later term: this control plane's must be above it.
    Ahead(u64),
}

/// Events of agents that may wait for one round.
const EVENTS_MAX: usize = 4096;

/// Pods of one node that it may have said something of since the last round, or gives back: as many as a node may hold.
const NODE_PODS_MAX: usize = MAX_MANIFEST_ITEMS;

/// Reports that no round has taken in yet.
pub struct Reports {
    born: Time,
    hellos: BTreeMap<String, Facts>,
    beats: BTreeSet<String>,
    statuses: BTreeMap<Arc<str>, (About, PodStatus)>,
    gone: BTreeMap<Arc<str>, About>,
    /// Of how many pods each node has said something that waits.
    said: BTreeMap<String, usize>,
    recalled: BTreeMap<String, Vec<Arc<Object>>>,
    held: BTreeMap<String, Vec<Arc<Object>>>,
    events: Vec<EventNote>,
    /// Nodes that were asked for pods and have not answered, with what they said of themselves.
    asked: BTreeMap<String, Facts>,
    admitted: BTreeSet<String>,
    later: BTreeSet<String>,
    problems: Told,
}

impl Reports {
    /// No reports, over a store that was made at `born_s` Unix seconds.
    pub fn new(born_s: i64) -> Reports {
        Reports {
            born: Time(born_s),
            hellos: BTreeMap::new(),
            beats: BTreeSet::new(),
            statuses: BTreeMap::new(),
            gone: BTreeMap::new(),
            said: BTreeMap::new(),
            recalled: BTreeMap::new(),
            held: BTreeMap::new(),
            events: Vec::new(),
            asked: BTreeMap::new(),
            admitted: BTreeSet::new(),
            later: BTreeSet::new(),
            problems: Told::default(),
        }
    }

    /// Takes in one report.
    pub fn take(&mut self, cluster: &Cluster, report: Report) -> Pending {
        let Report { node, what } = report;
        match what {
            What::Hello(hello) => return self.hello(cluster, node, &hello),
            What::Recalled { pods, last } => self.recalled(node, &pods, last),
            What::Heartbeat(_) => {
                self.beats.insert(node);
            }
            What::PodStatus(status) => {
                let about = About { node, namespace: status.namespace, name: status.name, uid: status.uid.to_string() };
                match serde_json::from_slice::<PodStatus>(&status.status) {
                    Ok(reported) if self.has_room(&about, &status.uid) => {
                        self.statuses.insert(status.uid, (about, reported));
                    }
                    Ok(_) => {}
                    Err(error) => tracing::warn!(?about, %error, "the agent reported a status that cannot be read"),
                }
            }
            What::PodGone(gone) => {
                let about = About { node, namespace: gone.namespace, name: gone.name, uid: gone.uid.to_string() };
                if self.has_room(&about, &gone.uid) {
                    self.statuses.remove(&gone.uid);
                    self.gone.insert(gone.uid, about);
                }
            }
            What::Events { events, dropped } => self.notes(cluster, &node, &events, dropped),
            What::Ahead(generation) => return Pending::Ahead(generation.term),
            What::Rejected { generation, why } => {
                tracing::error!(node, %generation, why, "the node cannot take what it should run")
            }
            What::Intruder { why } => tracing::warn!(node, why, "somebody came as this node and was turned away"),
            What::Problems(problems) => {
                let room = EVENTS_MAX.saturating_sub(self.events.len());
                self.events.extend(self.problems.take(cluster, &node, problems).into_iter().take(room));
            }
            What::Disconnected { why } => {
                self.problems.forget(&node);
                // The next session says it all again.
                self.asked.remove(&node);
                self.recalled.remove(&node);
                tracing::info!(node, why, "the agent is gone for now");
            }
            // What the tables say is asked for when it matters: the word that it changed is enough.
            What::Joined | What::Holds(_) | What::Applied(_) => {}
        }
        Pending::Nothing
    }

    /// A session of a node begins: it may be told what to run once all that it holds is known.
    fn hello(&mut self, cluster: &Cluster, node: String, hello: &Hello) -> Pending {
        let facts = facts(&hello.facts);
        // What an earlier session began to give back is given back again.
        self.recalled.remove(&node);
        let known: BTreeSet<&str> = cluster.pods_on(&node).map(|pod| pod.meta().uid.as_str()).collect();
        let strangers: Vec<String> =
            hello.holding.pods.keys().filter(|uid| !known.contains(&***uid)).map(|uid| uid.to_string()).collect();
        if strangers.is_empty() {
            self.asked.remove(&node);
            self.admitted.insert(node.clone());
            self.hellos.insert(node.clone(), facts);
            return Pending::Admit(node);
        }
        // The node is registered together with its pods, so that nothing is scheduled beside them meanwhile.
        self.asked.insert(node.clone(), facts);
        Pending::Ask(node, strangers)
    }

    /// A node gives pods back; more than it was asked for are left.
    fn recalled(&mut self, node: String, pods: &[Arc<PodEntry>], last: bool) {
        if !self.asked.contains_key(&node) {
            return;
        }
        let back = self.recalled.entry(node.clone()).or_default();
        for entry in pods {
            match Object::from_bytes(&entry.bytes, 0) {
                Ok(_) if back.len() >= NODE_PODS_MAX => {
                    tracing::warn!(node, "the node gives back more than {NODE_PODS_MAX} pods; the rest is left");
                    break;
                }
                Ok(object) => back.push(Arc::new(object)),
                Err(error) => tracing::warn!(node, %error, "the node holds a pod that cannot be read"),
            }
        }
        if last && let Some(mut facts) = self.asked.remove(&node) {
            let pods = youngest(self.recalled.remove(&node).unwrap_or_default());
            facts.pod_ips = pods.iter().flat_map(|pod| self.ips(pod)).collect();
            self.hellos.insert(node.clone(), facts);
            self.held.insert(node, pods);
        }
    }

    /// Whether what a node says of a pod may wait for the next round.
    fn has_room(&mut self, about: &About, uid: &Arc<str>) -> bool {
        if self.statuses.contains_key(uid) || self.gone.contains_key(uid) {
            return true;
        }
        let said = self.said.entry(about.node.clone()).or_default();
        if *said >= NODE_PODS_MAX {
            tracing::warn!(?about, "the node speaks of more than {NODE_PODS_MAX} pods; the rest is not heard");
            return false;
        }
        *said += 1;
        true
    }

    /// Events that an agent tells: only about pods of its own.
    fn notes(&mut self, cluster: &Cluster, node: &str, events: &[bytes::Bytes], dropped: u64) {
        if dropped > 0 {
            tracing::warn!(node, dropped, "the agent had more events than it could keep");
        }
        for body in events {
            let Ok(event) = serde_json::from_slice::<Event>(body) else { continue };
            let about =
                ObjectKey::new(Pod::KIND, event.involved_object.namespace.clone(), event.involved_object.name.clone());
            let own = cluster
                .typed::<Pod>(&about)
                .is_some_and(|pod| pod.spec.node_name == node && pod.metadata.uid == event.involved_object.uid);
            if own && self.events.len() < EVENTS_MAX {
                self.events.push(EventNote {
                    about,
                    uid: event.involved_object.uid,
                    kind: if event.type_ == "Warning" { EventKind::Warning } else { EventKind::Normal },
                    reason: event.reason,
                    message: event.message,
                    source: "kubelet".to_owned(),
                });
            }
        }
    }

    /// Whether a round has something to decide.
    pub fn is_ready(&self) -> bool {
        let mut abouts = self.statuses.values().map(|(about, _)| about).chain(self.gone.values());
        !(self.hellos.is_empty() && self.beats.is_empty() && self.held.is_empty() && self.events.is_empty())
            || abouts.any(|about| !self.is_unknown(&about.node))
    }

    /// Whether pods of a node are not in the view yet: what is said of them waits until they are, for it is not said
    /// again.
    fn is_unknown(&self, node: &str) -> bool {
        self.asked.contains_key(node) || self.held.contains_key(node)
    }

    /// The addresses of a pod that a node held, by its own word and by ours of long ago.
    fn ips(&self, object: &Arc<Object>) -> Vec<IpAddr> {
        let Ok(pod) = object.typed::<Pod>() else { return Vec::new() };
        let told = self.statuses.get(pod.metadata.uid.as_str()).map(|(_, status)| status);
        let texts = told.into_iter().chain([&pod.status]).flat_map(|status| status.pod_ips.iter().map(|ip| &ip.ip));
        // Pods on the node's own network say nothing about its pods' addresses.
        if pod.spec.host_network { Vec::new() } else { texts.filter_map(|text| text.parse().ok()).collect() }
    }

    /// The pods that a node held, as they are by its own word: what came last from here may be long ago.
    fn as_reported(&self, held: &[Arc<Object>], now: Time) -> Vec<Arc<Object>> {
        let found = |object: &Arc<Object>| {
            let pod = object.typed::<Pod>().ok()?;
            let (_, status) = self.statuses.get(pod.metadata.uid.as_str())?;
            Object::of(&pod::as_found(&pod, status, now)).ok().map(Arc::new)
        };
        held.iter().map(|object| found(object).unwrap_or_else(|| object.clone())).collect()
    }

    /// Whether all that a node held is known, so that it may be told what to run.
    pub fn is_admitted(&self, node: &str) -> bool {
        self.admitted.contains(node)
    }

    /// The nodes that may be told.
    pub fn admitted(&self) -> Vec<String> {
        self.admitted.iter().cloned().collect()
    }

    /// Forgets a node that is gone.
    pub fn forget(&mut self, node: &str) {
        self.admitted.remove(node);
        self.later.remove(node);
    }

    /// Notes that a node has to be told once it is admitted.
    pub fn later(&mut self, node: &str) {
        self.later.insert(node.to_owned());
    }

    /// The nodes that had to wait and are admitted now.
    pub fn newly_admitted(&mut self) -> Vec<String> {
        let ready: Vec<String> = self.later.iter().filter(|node| self.admitted.contains(*node)).cloned().collect();
        self.later.retain(|node| !self.admitted.contains(node));
        ready
    }

    /// Decides on all reports; they stay until the round is [`Reports::done`].
    pub fn decide(&mut self, cluster: &Cluster, cx: &mut Context, round: &mut Round) {
        let mut collect = |what: &str, reaction: Result<Reaction, masthead_api::object::Error>| match reaction {
            Ok(reaction) => round.collect(None, reaction),
            Err(error) => tracing::error!(what, %error, "a report is left out"),
        };
        let mut blocks = Blocks::of(cluster);
        for (node, facts) in &self.hellos {
            collect(node, register::register(cluster, node, facts, &mut blocks, cx));
        }
        for (node, held) in &self.held {
            collect(node, import::import(cluster, node, &self.as_reported(held, cx.now), self.born));
        }
        for node in &self.beats {
            collect(node, beat::beat(cluster, node, cx));
        }
        for (about, status) in self.statuses.values().filter(|(about, _)| !self.is_unknown(&about.node)) {
            collect(&about.name, pod::status(cluster, about, status, cx.now));
        }
        for about in self.gone.values().filter(|about| !self.is_unknown(&about.node)) {
            collect(&about.name, pod::gone(cluster, about));
        }
        // After what the agents say of their pods, which counts for more.
        for node in &self.beats {
            match heard::pods(cluster, node, cx.now) {
                Ok(reactions) => reactions.into_iter().for_each(|reaction| round.collect(None, reaction)),
                Err(error) => tracing::error!(node, %error, "pods of a node that is heard of again"),
            }
        }
        round.collect(None, Reaction { events: self.events.clone(), ..Reaction::default() });
    }

    /// Forgets what the round has taken in; nodes whose pods were imported may now be told.
    pub fn done(&mut self) {
        self.hellos.clear();
        self.beats.clear();
        let (asked, held) = (&self.asked, &self.held);
        let is_unknown = |about: &About| asked.contains_key(&about.node) || held.contains_key(&about.node);
        self.statuses.retain(|_, (about, _)| is_unknown(about));
        self.gone.retain(|_, about| is_unknown(about));
        self.said.clear();
        for about in self.statuses.values().map(|(about, _)| about).chain(self.gone.values()) {
            *self.said.entry(about.node.clone()).or_default() += 1;
        }
        self.events.clear();
        for node in std::mem::take(&mut self.held).into_keys() {
            self.later.insert(node.clone());
            self.admitted.insert(node);
        }
    }
}

/// One pod of each name: a node may still hold the one before, whose end it has not told yet.
fn youngest(pods: Vec<Arc<Object>>) -> Vec<Arc<Object>> {
    let mut found: BTreeMap<ObjectKey, Arc<Object>> = BTreeMap::new();
    for pod in pods {
        match found.get(pod.key()) {
            Some(other) if other.meta().creation_timestamp >= pod.meta().creation_timestamp => {}
            _ => drop(found.insert(pod.key().clone(), pod)),
        }
    }
    found.into_values().collect()
}

/// `key[=value]:effect`; what is not of this form is left out, since its agent has checked it.
fn taint(text: &str) -> Option<Taint> {
    let (word, effect) = text.rsplit_once(':')?;
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    Some(Taint { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned(), time_added: None })
}

/// The agent's facts as the node deciders take them; a quantity that cannot be read is left out.
fn facts(told: &NodeFacts) -> Facts {
    let quantities = |map: &BTreeMap<String, String>| {
        map.iter()
            .filter_map(|(name, text)| Quantity::parse(text).ok().map(|quantity| (name.clone(), quantity)))
            .collect()
    };
    let info = |field: &str| told.node_info.get(field).cloned().unwrap_or_default();
    Facts {
        labels: told.labels.clone(),
        taints: told.taints.iter().filter_map(|text| taint(text)).collect(),
        capacity: quantities(&told.capacity),
        allocatable: quantities(&told.allocatable),
        addresses: told
            .addresses
            .iter()
            .map(|a| NodeAddress { type_: a.kind.clone(), address: a.address.clone() })
            .collect(),
        pod_ips: Vec::new(),
        info: NodeSystemInfo {
            machine_id: info("machineID"),
            system_uuid: info("systemUUID"),
            boot_id: info("bootID"),
            kernel_version: info("kernelVersion"),
            os_image: info("osImage"),
            container_runtime_version: info("containerRuntimeVersion"),
            kubelet_version: info("kubeletVersion"),
            kube_proxy_version: info("kubeProxyVersion"),
            operating_system: info("operatingSystem"),
            architecture: info("architecture"),
            swap: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use masthead_api::change::Change;
    use masthead_wire::manifest::{Holding, NodeContent};
    use masthead_wire::report::PodStatus as Told;
    use serde_json::json;

    fn report(what: What) -> Report {
        Report { node: "n1".to_owned(), what }
    }

    /// Found by the simulation: an agent says how a pod is once a session, and that is before its pods are recalled.
    #[test]
    fn what_is_said_of_a_pod_that_is_being_recalled_is_not_lost() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "default", "uid": "u",
            "creationTimestamp": "2020-01-01T00:00:00Z"}, "spec": {"nodeName": "n1", "containers": []}, "status": {"phase": "Pending"}});
        let entry = Arc::new(PodEntry::parse(pod.to_string().into()).unwrap());
        let mut content = NodeContent::default();
        content.insert_pod(entry.clone());
        let hello = Hello { holding: Holding::from(&content), ..Hello::default() };
        let status = br#"{"phase": "Running"}"#.as_slice().into();
        let (namespace, name) = ("default".to_owned(), "a".to_owned());
        let told = Told { uid: "u".into(), namespace, name, status, observed: Default::default(), sequence: 1 };
        let (mut reports, cluster, mut cx) =
            (Reports::new(2_000_000_000), Cluster::default(), Context::new(2_000_000_000, 1));
        let mut decide = |reports: &mut Reports| {
            let mut round = Round::default();
            reports.decide(&cluster, &mut cx, &mut round);
            reports.done();
            round
        };
        assert_eq!(
            reports.take(&cluster, report(What::Hello(hello))),
            Pending::Ask("n1".to_owned(), vec!["u".to_owned()])
        );
        reports.take(&cluster, report(What::PodStatus(told)));
        assert!(!reports.is_ready(), "nothing can be decided before the pods are here");
        assert!(decide(&mut reports).is_empty());
        reports.take(&cluster, report(What::Recalled { pods: vec![entry], last: true }));
        let round = decide(&mut reports);
        let imported = round.changes.iter().find_map(|change| match change {
            Change::Create { object, .. } => object.typed::<Pod>().ok(),
            _ => None,
        });
        assert_eq!(imported.unwrap().status.phase, "Running");
        assert!(reports.is_ready(), "the status is decided on again once the pod is in the view");
    }
}
