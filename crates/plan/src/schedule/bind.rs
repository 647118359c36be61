//! All pods that have no node → the writes that bind them, that make room for them, or that tell why they wait.

use std::cmp::Reverse;
use std::sync::Arc;

use masthead_api::apps::replica_set::ReplicaSet;
use masthead_api::batch::job::Job;
use masthead_api::change::{Change, EventKind, EventNote};
use masthead_api::core::pod::Pod;
use masthead_api::core::pod_status::PodCondition;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::meta::Time;
use masthead_api::object::Object;

use crate::cluster::view::Cluster;
use crate::context::{Context, Reaction};
use crate::delete::{self, Propagation};
use crate::schedule::node_info::{self, NodeInfo, priority};
use crate::schedule::preempt;
use crate::schedule::select::{self, Assignment, Decision};
use crate::workload::job::recover;
use crate::workload::pods::{controller, is_finished};

/// The scheduler that this is; pods that name another are left to it.
const NAME: &str = "default-scheduler";

/// Writes of one round at most, so that a large wave does not hold up everything else.
const WRITES_MAX: usize = 500;

/// Refused pods that are remembered in a round, for those that ask for the same.
const REFUSED_MAX: usize = 32;

/// Bytes of an event's message at most (the API's limit); the condition says all.
const NOTE_MAX: usize = 1024;

/// Binds what can be bound, the highest priority first, then the oldest. Pods that are refused hold up no others.
pub fn bind(cluster: &Cluster, cx: &Context) -> Reaction {
    let waiting: Vec<(Arc<Object>, Arc<Pod>)> = cluster
        .pods_unscheduled()
        .filter_map(|object| Some((object.clone(), object.typed::<Pod>().ok()?)))
        .filter(|(_, pod)| is_ours(pod) && !is_spare(cluster, pod))
        .collect();
    if waiting.is_empty() {
        return Reaction::default();
    }
    let nodes = node_info::all(cluster, waiting.iter().map(|(_, pod)| pod));
    let mut round = Binding { cluster, cx, nodes, refused: Vec::new(), reaction: Reaction::default() };
    let mut order: Vec<usize> = (0..waiting.len()).collect();
    order.sort_by(|a, b| rank(&waiting[*a].1).cmp(&rank(&waiting[*b].1)));
    for (object, pod) in order.into_iter().map(|index| &waiting[index]) {
        if round.reaction.changes.len() >= WRITES_MAX {
            // The writes bring the next round, and with it the others.
            break;
        }
        round.place(object, pod);
    }
    round.reaction
}

fn is_ours(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && (pod.spec.scheduler_name.is_empty() || pod.spec.scheduler_name == NAME)
        && pod.spec.scheduling_gates.is_empty()
        && !is_finished(pod)
}

/// Whether the pod's owner is about to take in a pod that runs already, found on a node after the store was lost: then this
/// one is superfluous, and must not be started meanwhile.
fn is_spare(cluster: &Cluster, pod: &Pod) -> bool {
    let mut recovered = cluster.recovered(&pod.metadata.namespace).peekable();
    if recovered.peek().is_none() {
        return false;
    }
    let Some(owner) = controller(pod) else { return false };
    if owner.kind == Job::KIND.info().kind {
        let key = ObjectKey::new(Job::KIND, pod.metadata.namespace.clone(), owner.name.clone());
        return cluster.typed::<Job>(&key).is_some_and(|job| recovered.any(|found| recover::is_of(&job, found)));
    }
    let key = ObjectKey::new(ReplicaSet::KIND, pod.metadata.namespace.clone(), owner.name.clone());
    let Some(selector) = cluster.typed::<ReplicaSet>(&key).and_then(|set| set.spec.selector.clone()) else {
        return false;
    };
    recovered.any(|found| found.meta().deletion_timestamp.is_none() && selector.matches(&found.meta().labels))
}

fn rank(pod: &Pod) -> (Reverse<i32>, Option<Time>, &str, &str) {
    (Reverse(priority(pod)), pod.metadata.creation_timestamp, &pod.metadata.namespace, &pod.metadata.name)
}

/// One round: the nodes as they are after what was decided so far, and the writes.
struct Binding<'c> {
    cluster: &'c Cluster,
    cx: &'c Context,
    nodes: Vec<NodeInfo>,
    refused: Vec<(Arc<Pod>, String)>,
    reaction: Reaction,
}

impl Binding<'_> {
    fn place(&mut self, object: &Object, pod: &Arc<Pod>) {
        let alike = self.refused.iter().find(|(other, _)| asks_alike(other, pod)).map(|(_, message)| message.clone());
        let is_new = alike.is_none();
        let decision = alike.map_or_else(|| select::select(self.cluster, pod, &self.nodes), Decision::Refuse);
        match decision {
            Decision::Wait => {}
            Decision::Assign(chosen) => self.assign(object, pod, &chosen),
            Decision::Refuse(message) => {
                if is_new && self.refused.len() < REFUSED_MAX {
                    self.refused.push((pod.clone(), message.clone()));
                }
                self.refuse(object, pod, String::new(), message);
            }
            Decision::Preempt(message, room) => {
                for victim in &room.victims {
                    self.evict(pod, room.node, victim);
                }
                let node = &mut self.nodes[room.node];
                let name = node.name().to_owned();
                node.nominated.push(pod.clone());
                self.refuse(object, pod, name, message);
            }
        }
    }

    fn assign(&mut self, object: &Object, pod: &Pod, chosen: &Assignment) {
        let node = &mut self.nodes[chosen.node];
        let name = node.name().to_owned();
        let mut new = pod.clone();
        new.spec.node_name.clone_from(&name);
        new.status.nominated_node_name.clear();
        set_condition(&mut new, PodCondition { status: "True".to_owned(), ..scheduled() }, self.cx);
        node.add(Arc::new(new.clone()));
        let message = format!("Successfully assigned {}/{} to {name}", pod.metadata.namespace, pod.metadata.name);
        let reason = format!("{name} is the best of {} possible nodes (score {})", chosen.possible, chosen.score);
        self.update(object, &new, reason, note(object, EventKind::Normal, "Scheduled", message));
    }

    fn refuse(&mut self, object: &Object, pod: &Pod, nominated: String, message: String) {
        let mut new = pod.clone();
        new.status.nominated_node_name = nominated;
        let condition = PodCondition {
            status: "False".to_owned(),
            reason: "Unschedulable".to_owned(),
            message: message.clone(),
            ..scheduled()
        };
        set_condition(&mut new, condition, self.cx);
        let event = note(object, EventKind::Warning, "FailedScheduling", shortened(message.clone()));
        self.update(object, &new, message, event);
    }

    fn update(&mut self, object: &Object, new: &Pod, reason: String, event: EventNote) {
        let Ok(changed) = Object::of(new) else { return };
        if changed.body() != object.body() {
            self.reaction.changes.push(Change::Update { object: Arc::new(changed), base: object.revision(), reason });
            self.reaction.events.push(event);
        }
    }

    /// Deletes a pod that is in the way of another, gracefully; one that is on its way out already is let be.
    fn evict(&mut self, pod: &Pod, node: usize, victim: &Arc<Pod>) {
        if victim.metadata.deletion_timestamp.is_some() {
            return;
        }
        let key = ObjectKey::new(Pod::KIND, victim.metadata.namespace.clone(), victim.metadata.name.clone());
        let Some(object) = self.cluster.get(&key) else { return };
        let mut told = Pod::clone(victim);
        set_condition(&mut told, preempt::disruption(scheduler(pod)), self.cx);
        let reason = format!("room for {}/{}, which is above it", pod.metadata.namespace, pod.metadata.name);
        let Ok(told_object) = Object::of(&told).map(|told| told.at(object.revision())) else { return };
        let Ok(Some(change)) = delete::delete(&told_object, None, Propagation::Background, self.cx.now, &reason) else {
            return;
        };
        let node = &mut self.nodes[node];
        let message = format!("Preempted by pod {} on node {}", pod.metadata.uid, node.name());
        self.reaction.changes.push(change);
        self.reaction.events.push(note(object, EventKind::Normal, "Preempted", message));
        // Whoever comes next in this round finds it on its way out.
        told.metadata.deletion_timestamp = Some(self.cx.now);
        if let Some(place) = node.pods.iter_mut().find(|other| other.metadata.uid == told.metadata.uid) {
            *place = Arc::new(told);
        }
    }
}

/// Whether what was decided of one pod holds for the other.
fn asks_alike(a: &Pod, b: &Pod) -> bool {
    let nominated = |pod: &Pod| !pod.status.nominated_node_name.is_empty();
    a.metadata.namespace == b.metadata.namespace
        && a.metadata.labels == b.metadata.labels
        && a.spec == b.spec
        && !nominated(a)
        && !nominated(b)
}

fn scheduler(pod: &Pod) -> &str {
    if pod.spec.scheduler_name.is_empty() { NAME } else { &pod.spec.scheduler_name }
}

fn scheduled() -> PodCondition {
    PodCondition { type_: "PodScheduled".to_owned(), ..PodCondition::default() }
}

/// Sets a condition; the time of transition moves only when the status does.
fn set_condition(pod: &mut Pod, mut condition: PodCondition, cx: &Context) {
    condition.observed_generation = pod.metadata.generation;
    condition.last_transition_time = Some(cx.now);
    match pod.status.conditions.iter_mut().find(|c| c.type_ == condition.type_) {
        Some(known) => {
            if known.status == condition.status {
                condition.last_transition_time = known.last_transition_time;
            }
            *known = condition;
        }
        None => pod.status.conditions.push(condition),
    }
}

fn shortened(mut message: String) -> String {
    const END: &str = " ...";
    if message.len() > NOTE_MAX {
        message.truncate(message.floor_char_boundary(NOTE_MAX - END.len()));
        message.push_str(END);
    }
    message
}

fn note(about: &Object, kind: EventKind, reason: &str, message: String) -> EventNote {
    EventNote {
        about: about.key().clone(),
        uid: about.meta().uid.clone(),
        kind,
        reason: reason.to_owned(),
        message,
        source: NAME.to_owned(),
    }
}
