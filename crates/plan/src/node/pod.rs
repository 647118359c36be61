//! What an agent reports of one pod → the status of its object, or its end.

use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::core::pod::Pod;
use masthead_api::core::pod_status::PodStatus;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::meta::Time;
use masthead_api::object::{Error, Object};

use crate::cluster::view::Cluster;
use crate::context::Reaction;

/// Which pod a report is about, and who reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The node of the agent, from its certificate.
    pub node: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The pod's uid.
    pub uid: String,
}

impl About {
    /// The live pod, if it is this one and runs on this node: an agent speaks for its own pods only.
    fn live<'c>(&self, cluster: &'c Cluster) -> Option<(&'c Arc<Object>, Arc<Pod>)> {
        let key = ObjectKey::new(Pod::KIND, self.namespace.clone(), self.name.clone());
        let (object, pod) = (cluster.get(&key)?, cluster.typed::<Pod>(&key)?);
        (pod.metadata.uid == self.uid && pod.spec.node_name == self.node).then_some((object, pod))
    }
}

/// Takes in a reported status; what the control plane owns of it (the scheduler's condition, the QoS class) stays.
///
/// # Errors
/// The pod cannot be written as JSON.
pub fn status(cluster: &Cluster, about: &About, reported: &PodStatus, now: Time) -> Result<Reaction, Error> {
    let mut reaction = Reaction::default();
    let Some((live, pod)) = about.live(cluster) else { return Ok(reaction) };
    if is_final(&pod.status.phase) && !is_final(&reported.phase) {
        // A finished pod does not come back to life: the report is older than what is known.
        return Ok(reaction);
    }
    let new = with_status(&pod, reported, now);
    let object = Object::of(&new)?;
    if object.body() != live.body() {
        let reason = format!("node {} reports {}", about.node, new.status.phase);
        reaction.changes.push(Change::Update { object: Arc::new(object), base: live.revision(), reason });
    }
    Ok(reaction)
}

/// A pod with the status that its agent reports; conditions that agents do not write, and the QoS class, stay.
///
/// Since when a condition is as it is, is told by the clock of the control plane, against which the availability of a pod
/// is judged: on a node whose clock is ahead no pod would be available for as long.
fn with_status(pod: &Pod, reported: &PodStatus, now: Time) -> Pod {
    let mut new = Pod { status: reported.clone(), ..Pod::clone(pod) };
    for condition in &mut new.status.conditions {
        let known = pod.status.conditions.iter().find(|c| c.type_ == condition.type_);
        let since = known.filter(|known| known.status == condition.status).and_then(|known| known.last_transition_time);
        condition.last_transition_time = Some(since.unwrap_or(now));
    }
    keep_own(pod, new)
}

/// A pod as its node brings it into a store that does not know it: its times are the node's, but none is yet to come.
///
/// A time that is tells of a clock that is ahead: then the pod counts since it was made, which a control plane's clock
/// told. As if it were new it would be given up before pods that were made in its place a moment ago.
pub fn as_found(pod: &Pod, reported: &PodStatus, now: Time) -> Pod {
    let mut new = Pod { status: reported.clone(), ..Pod::clone(pod) };
    for condition in &mut new.status.conditions {
        let made = pod.metadata.creation_timestamp.unwrap_or(now).min(now);
        condition.last_transition_time =
            condition.last_transition_time.map(|since| if since > now { made } else { since });
    }
    keep_own(pod, new)
}

/// Keeps what the control plane owns of a status.
fn keep_own(pod: &Pod, mut new: Pod) -> Pod {
    let told = &new.status.conditions;
    let kept: Vec<_> =
        pod.status.conditions.iter().filter(|c| !told.iter().any(|t| t.type_ == c.type_)).cloned().collect();
    new.status.conditions.extend(kept);
    new.status.conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    if new.status.qos_class.is_empty() {
        new.status.qos_class.clone_from(&pod.status.qos_class);
    }
    new
}

fn is_final(phase: &str) -> bool {
    matches!(phase, "Succeeded" | "Failed")
}

/// The agent has removed the last trace of a pod: its object goes, if its deletion was asked for.
///
/// One that finalizers hold is noted as stopped, and goes with the last of them. If it had not ended before, it has
/// failed: nobody will ever tell otherwise.
///
/// # Errors
/// The pod cannot be written as JSON.
pub fn gone(cluster: &Cluster, about: &About) -> Result<Reaction, Error> {
    let mut reaction = Reaction::default();
    let Some((live, pod)) = about.live(cluster).filter(|(_, pod)| pod.metadata.deletion_timestamp.is_some()) else {
        return Ok(reaction);
    };
    let reason = format!("node {} has stopped and removed it", about.node);
    let base = live.revision();
    if pod.metadata.finalizers.is_empty() {
        reaction.changes.push(Change::Delete { key: live.key().clone(), base, reason });
        return Ok(reaction);
    }
    let mut stopped = Pod::clone(&pod);
    stopped.metadata.deletion_grace_period_seconds = Some(0);
    if !is_final(&pod.status.phase) {
        stopped.status.phase = "Failed".to_owned();
    }
    let object = Object::of(&stopped)?;
    if object.body() != live.body() {
        reaction.changes.push(Change::Update { object: Arc::new(object), base, reason });
    }
    Ok(reaction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::event::Event;
    use serde_json::json;

    const NOW: Time = Time(1_800_000_000);

    fn reported(ready: &str, since: i64) -> PodStatus {
        let condition = json!({"type": "Ready", "status": ready, "lastTransitionTime": Time(since)});
        serde_json::from_value(json!({"phase": "Running", "conditions": [condition]})).unwrap()
    }

    /// Found by the simulation: pods of a node whose clock was ahead were ready and not available.
    #[test]
    fn since_when_a_pod_is_ready_is_told_by_our_clock() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "n", "uid": "u"},
            "spec": {"nodeName": "n1", "containers": []}, "status": {"phase": "Pending"}});
        let about = About { node: "n1".into(), namespace: "n".into(), name: "a".into(), uid: "u".into() };
        let mut cluster = Cluster::default();
        cluster.apply(Event::Put(Arc::new(Object::from_value(pod).unwrap().at(1))));
        let mut since = |ready: &str, told: i64, now: Time| {
            let reaction = status(&cluster, &about, &reported(ready, told), now).unwrap();
            if let Some(Change::Update { object, .. }) = reaction.changes.first() {
                cluster.apply(Event::Put(Arc::new(Object::clone(object).at(cluster.revision() + 1))));
            }
            let pod = cluster.typed::<Pod>(&ObjectKey::new(Pod::KIND, "n", "a")).unwrap();
            pod.status.conditions[0].last_transition_time
        };
        assert_eq!(since("True", NOW.0 + 300, NOW), Some(NOW));
        assert_eq!(since("True", NOW.0 + 301, Time(NOW.0 + 9)), Some(NOW), "it stays as it is");
        assert_eq!(since("False", NOW.0 - 300, Time(NOW.0 + 20)), Some(Time(NOW.0 + 20)));
        let found = as_found(&Pod::default(), &reported("True", NOW.0 + 300), NOW);
        assert_eq!(found.status.conditions[0].last_transition_time, Some(NOW));
        let mut old = Pod::default();
        old.metadata.creation_timestamp = Some(Time(NOW.0 - 900));
        let found = as_found(&old, &reported("True", NOW.0 + 300), NOW);
        assert_eq!(found.status.conditions[0].last_transition_time, Some(Time(NOW.0 - 900)), "found by the simulation");
    }

    /// A pod that a job has still to count stays when its node has let go of it, as failed unless it ended before.
    #[test]
    fn a_pod_that_finalizers_hold_is_noted_as_stopped() {
        let check = |phase: &str, finalizers: serde_json::Value, expect: Option<&str>| {
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "n", "uid": "u",
                "deletionTimestamp": Time(1), "deletionGracePeriodSeconds": 30, "finalizers": finalizers},
                "spec": {"nodeName": "n1", "containers": []}, "status": {"phase": phase}});
            let about = About { node: "n1".into(), namespace: "n".into(), name: "a".into(), uid: "u".into() };
            let mut cluster = Cluster::default();
            cluster.apply(Event::Put(Arc::new(Object::from_value(pod).unwrap().at(1))));
            let Some(change) = gone(&cluster, &about).unwrap().changes.pop() else { panic!("nothing for {phase}") };
            match (change, expect) {
                (Change::Delete { base: 1, .. }, None) => {}
                (Change::Update { object, base: 1, .. }, Some(after)) => {
                    let pod = object.typed::<Pod>().unwrap();
                    assert_eq!(
                        (pod.status.phase.as_str(), pod.metadata.deletion_grace_period_seconds),
                        (after, Some(0))
                    );
                    cluster.apply(Event::Put(Arc::new(Object::clone(&object).at(2))));
                    assert!(gone(&cluster, &about).unwrap().is_empty(), "said once is enough");
                }
                other => panic!("{other:?}"),
            }
        };
        check("Running", json!([]), None);
        check("Running", json!(["a/b"]), Some("Failed"));
        check("Pending", json!(["a/b"]), Some("Failed"));
        check("Succeeded", json!(["a/b"]), Some("Succeeded"));
    }
}
