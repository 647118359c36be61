//! All pods that have no node → the writes that bind them, or that tell why they wait.

use std::sync::Arc;

use masthead_api::apps::replica_set::ReplicaSet;
use masthead_api::batch::job::Job;
use masthead_api::change::{Change, EventKind, EventNote};
use masthead_api::core::pod::Pod;
use masthead_api::core::pod_status::PodCondition;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::object::Object;

use crate::cluster::view::Cluster;
use crate::context::{Context, Reaction};
use crate::schedule::node_info::{self, NodeInfo};
use crate::schedule::select;
use crate::workload::job::recover;

/// The scheduler that this is; pods that name another are left to it.
const NAME: &str = "default-scheduler";

/// Pods bound in one round, so that a large wave does not hold up everything else.
const BINDINGS_MAX: usize = 500;

/// Binds what can be bound, the highest priority first, then the oldest.
pub fn bind(cluster: &Cluster, cx: &Context) -> Reaction {
    let mut reaction = Reaction::default();
    let mut waiting: Vec<(Arc<Object>, Arc<Pod>)> = cluster
        .pods_unscheduled()
        .filter_map(|object| Some((object.clone(), object.typed::<Pod>().ok()?)))
        .filter(|(_, pod)| is_ours(pod) && !is_spare(cluster, pod))
        .collect();
    if waiting.is_empty() {
        return reaction;
    }
    waiting.sort_by(|(_, a), (_, b)| order(a).cmp(&order(b)));
    let mut nodes = node_info::all(cluster);
    for (object, pod) in waiting.into_iter().take(BINDINGS_MAX) {
        place(cluster, &object, &pod, &mut nodes, cx, &mut reaction);
    }
    reaction
}

fn is_ours(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && (pod.spec.scheduler_name.is_empty() || pod.spec.scheduler_name == NAME)
        && pod.spec.scheduling_gates.is_empty()
        && !matches!(pod.status.phase.as_str(), "Succeeded" | "Failed")
}

/// Whether the pod's owner is about to take in a pod that runs already, found on a node after the store was lost: then this
/// one is superfluous, and must not be started meanwhile.
fn is_spare(cluster: &Cluster, pod: &Pod) -> bool {
    let mut recovered = cluster.recovered(&pod.metadata.namespace).peekable();
    if recovered.peek().is_none() {
        return false;
    }
    let Some(owner) = pod.metadata.owner_references.iter().find(|owner| owner.controller == Some(true)) else {
        return false;
    };
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

fn order(pod: &Pod) -> (i64, Option<masthead_api::meta::Time>, &str, &str) {
    let priority = -i64::from(pod.spec.priority.unwrap_or(0));
    (priority, pod.metadata.creation_timestamp, &pod.metadata.namespace, &pod.metadata.name)
}

fn place(cluster: &Cluster, object: &Object, pod: &Pod, nodes: &mut [NodeInfo], cx: &Context, reaction: &mut Reaction) {
    let mut new = pod.clone();
    let (reason, event) = match select::select(cluster, pod, nodes) {
        Ok(chosen) => {
            let node = &mut nodes[chosen.node];
            node.name().clone_into(&mut new.spec.node_name);
            set_condition(&mut new, PodCondition { status: "True".to_owned(), ..PodCondition::default() }, cx);
            let pod_name = format!("{}/{}", pod.metadata.namespace, pod.metadata.name);
            let event = note(
                object,
                EventKind::Normal,
                "Scheduled",
                format!("Successfully assigned {pod_name} to {}", node.name()),
            );
            let reason =
                format!("{} is the best of {} possible nodes (score {})", node.name(), chosen.possible, chosen.score);
            node.add(Arc::new(new.clone()));
            (reason, event)
        }
        Err(message) => {
            let condition = PodCondition {
                status: "False".to_owned(),
                reason: "Unschedulable".to_owned(),
                message: message.clone(),
                ..PodCondition::default()
            };
            set_condition(&mut new, condition, cx);
            (message.clone(), note(object, EventKind::Warning, "FailedScheduling", message))
        }
    };
    let Ok(changed) = Object::of(&new) else { return };
    if changed.body() != object.body() {
        reaction.changes.push(Change::Update { object: Arc::new(changed), base: object.revision(), reason });
        reaction.events.push(event);
    }
}

/// Sets `PodScheduled`; the time of transition moves only when the status does.
fn set_condition(pod: &mut Pod, mut condition: PodCondition, cx: &Context) {
    condition.type_ = "PodScheduled".to_owned();
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

fn note(pod: &Object, kind: EventKind, reason: &str, message: String) -> EventNote {
    EventNote {
        about: pod.key().clone(),
        uid: pod.meta().uid.clone(),
        kind,
        reason: reason.to_owned(),
        message,
        source: NAME.to_owned(),
    }
}
