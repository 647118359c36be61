//! The age of a node's lease → Ready or Unknown, taints, and the eviction of pods that do not tolerate the silence.

use std::sync::Arc;

use masthead_api::change::{Change, EventKind};
use masthead_api::coordination::lease::Lease;
use masthead_api::core::node::{Node, Taint};
use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::object::{Error, Object};

use crate::cluster::view::Cluster;
use crate::context::{Context, Reaction};
use crate::delete::{self, Propagation};
use crate::node::register::{LEASE_NAMESPACE, connected, note, set_condition};
use crate::node::taints::UNREACHABLE;

/// Seconds of silence after which a node is Unknown (Kubernetes' `node-monitor-grace-period`).
pub const GRACE_S: i64 = 50;

/// What the age of a node's lease asks for; `recheck_after_s` is when its next limit passes.
///
/// # Errors
/// An object cannot be written as JSON.
pub fn health(cluster: &Cluster, name: &str, cx: &mut Context) -> Result<Reaction, Error> {
    let mut reaction = Reaction::default();
    let key = ObjectKey::new(Node::KIND, "", name);
    let (Some(live), Some(node)) = (cluster.get(&key), cluster.typed::<Node>(&key)) else {
        return Ok(reaction);
    };
    let lease = cluster.typed::<Lease>(&ObjectKey::new(Lease::KIND, LEASE_NAMESPACE, name));
    let seen = lease
        .and_then(|lease| lease.spec.renew_time)
        .map(|at| at.0.div_euclid(1_000_000))
        .or(node.metadata.creation_timestamp.map(|at| at.0));
    let silent_s = cx.now.0 - seen.unwrap_or(cx.now.0);
    let unknown = node.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "Unknown");
    if silent_s <= GRACE_S {
        reaction.recheck_in_ms(Some(after_ms(GRACE_S - silent_s + 1)));
        if unknown {
            // It is heard of again, and nobody else takes its taints away.
            let mut node = Node::clone(&node);
            connected(&mut node, cx);
            let message = format!("Node {name} status is now: NodeReady");
            reaction.events.push(note(&key, &node.metadata.uid, EventKind::Normal, "NodeReady", &message));
            let object = Arc::new(Object::of(&node)?);
            reaction.changes.push(Change::Update {
                object,
                base: live.revision(),
                reason: "it is heard of again".to_owned(),
            });
        }
        return Ok(reaction);
    }
    if !unknown {
        let mut node = Node::clone(&node);
        for kind in ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"] {
            set_condition(
                &mut node.status.conditions,
                kind,
                "Unknown",
                "NodeStatusUnknown",
                "Kubelet stopped posting node status.",
                cx,
            );
        }
        for effect in ["NoSchedule", "NoExecute"] {
            node.spec.taints.push(Taint {
                key: UNREACHABLE.to_owned(),
                effect: effect.to_owned(),
                time_added: Some(cx.now),
                ..Taint::default()
            });
        }
        reaction.events.push(note(
            &key,
            &node.metadata.uid,
            EventKind::Normal,
            "NodeNotReady",
            &format!("Node {name} status is now: NodeNotReady"),
        ));
        let object = Arc::new(Object::of(&node)?);
        reaction.changes.push(Change::Update {
            object,
            base: live.revision(),
            reason: format!("silent for {silent_s} s"),
        });
    }
    for live in cluster.pods_on(name) {
        if let Ok(pod) = live.typed::<Pod>() {
            unreachable_pod(live, &node, &pod, cx, &mut reaction)?;
        }
    }
    Ok(reaction)
}

/// A pod of a silent node is not ready; it is deleted when its toleration of the taint runs out.
fn unreachable_pod(live: &Object, node: &Node, pod: &Pod, cx: &Context, reaction: &mut Reaction) -> Result<(), Error> {
    let since =
        node.spec.taints.iter().find(|t| t.key == UNREACHABLE && t.effect == "NoExecute").and_then(|t| t.time_added);
    if let Some(since) = since
        && pod.metadata.deletion_timestamp.is_none()
        && let Some(tolerated_s) = tolerated_s(pod)
    {
        let left_s = since.0 + tolerated_s - cx.now.0;
        if left_s > 0 {
            reaction.recheck_in_ms(Some(after_ms(left_s)));
        } else if let Some(change) =
            delete::delete(live, None, Propagation::Background, cx.now, "its node is unreachable")?
        {
            let message = format!("Marking for deletion Pod {}/{}", pod.metadata.namespace, pod.metadata.name);
            let mut event = note(live.key(), &pod.metadata.uid, EventKind::Normal, "TaintManagerEviction", &message);
            event.source = "taint-eviction-controller".to_owned();
            reaction.events.push(event);
            reaction.changes.push(change);
            return Ok(());
        }
    }
    if pod.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True") {
        let mut pod = pod.clone();
        for condition in pod.status.conditions.iter_mut().filter(|c| c.type_ == "Ready") {
            condition.status = "False".to_owned();
            condition.last_transition_time = Some(cx.now);
        }
        let object = Arc::new(Object::of(&pod)?);
        reaction.changes.push(Change::Update {
            object,
            base: live.revision(),
            reason: "its node is unreachable".to_owned(),
        });
    }
    Ok(())
}

/// Seconds, never negative, as the milliseconds of a recheck.
fn after_ms(seconds: i64) -> u64 {
    seconds.max(0).unsigned_abs() * 1000
}

/// For how long a pod bears an unreachable node, in seconds; `None` is for ever.
fn tolerated_s(pod: &Pod) -> Option<i64> {
    let mut least: Option<Option<i64>> = None;
    for toleration in &pod.spec.tolerations {
        let key = toleration.key.as_str();
        let matches = (key == UNREACHABLE || (key.is_empty() && toleration.operator == "Exists"))
            && (toleration.effect.is_empty() || toleration.effect == "NoExecute")
            && (toleration.operator == "Exists" || toleration.value.is_empty());
        if matches {
            least = Some(match (least, toleration.toleration_seconds) {
                (Some(Some(a)), Some(b)) => Some(a.min(b.max(0))),
                (_, Some(b)) => Some(b.max(0)),
                (Some(earlier), None) => earlier,
                (None, None) => None,
            });
        }
    }
    least.unwrap_or(Some(0))
}
