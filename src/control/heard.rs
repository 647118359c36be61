//! (Cluster, a node that is heard of again) → its pods as ready as they were.
//!
//! Node health makes the pods of a silent node unready, and their agent says nothing anew when its session never broke:
//! for it nothing has changed. What it said is still in the pod's other conditions, from which the kubelet too makes
//! `Ready` (`GeneratePodReadyCondition`).

use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::core::node::Node;
use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::meta::Time;
use masthead_api::object::{Error, Object};
use masthead_plan::cluster::view::Cluster;
use masthead_plan::context::Reaction;

/// What a heartbeat of a node asks for when its silence has been noted: one reaction a pod.
///
/// # Errors
/// A pod cannot be written as JSON.
pub fn pods(cluster: &Cluster, node: &str, now: Time) -> Result<Vec<Reaction>, Error> {
    let Some(found) = cluster.typed::<Node>(&ObjectKey::new(Node::KIND, "", node)) else { return Ok(Vec::new()) };
    if !found.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "Unknown") {
        return Ok(Vec::new());
    }
    let mut reactions = Vec::new();
    for live in cluster.pods_on(node) {
        let Ok(pod) = live.typed::<Pod>() else { continue };
        if !was_ready(&pod) {
            continue;
        }
        let mut pod = Pod::clone(&pod);
        for condition in pod.status.conditions.iter_mut().filter(|c| c.type_ == "Ready") {
            condition.status = "True".to_owned();
            condition.last_transition_time = Some(now);
        }
        let change = Change::Update {
            object: Arc::new(Object::of(&pod)?),
            base: live.revision(),
            reason: "its node is heard of again".to_owned(),
        };
        reactions.push(Reaction { changes: vec![change], ..Reaction::default() });
    }
    Ok(reactions)
}

/// Whether a pod that is not ready has containers that are, and all that its readiness gates ask for.
fn was_ready(pod: &Pod) -> bool {
    let is = |kind: &str, status: &str| pod.status.conditions.iter().any(|c| c.type_ == kind && c.status == status);
    let gates = &pod.spec.readiness_gates;
    is("Ready", "False") && is("ContainersReady", "True") && gates.iter().all(|gate| is(&gate.condition_type, "True"))
}

#[cfg(test)]
mod tests {
    use masthead_plan::cluster::event::Event;
    use masthead_plan::context::Context;
    use masthead_plan::network::nodes::Blocks;
    use masthead_plan::node::facts::Facts;
    use masthead_plan::node::register::register;
    use masthead_plan::node::{beat, health};
    use serde_json::json;

    use super::*;

    const START_S: i64 = 1_800_000_000;

    fn write(cluster: &mut Cluster, reaction: Reaction) {
        for change in reaction.changes {
            if let Change::Create { object, .. } | Change::Update { object, .. } = change {
                let revision = cluster.revision() + 1;
                cluster.apply(Event::Put(Arc::new(Object::clone(&object).at(revision))));
            }
        }
    }

    fn pod(cluster: &mut Cluster, name: &str, containers: &str, gates: &[(&str, &str)]) {
        let mut conditions = vec![json!({"type": "ContainersReady", "status": containers})];
        let is_ready = containers == "True" && gates.iter().all(|(_, status)| *status == "True");
        conditions.push(json!({"type": "Ready", "status": if is_ready { "True" } else { "False" }}));
        conditions.extend(gates.iter().map(|(kind, status)| json!({"type": kind, "status": status})));
        let asked: Vec<_> = gates.iter().map(|(kind, _)| json!({"conditionType": kind})).collect();
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "d", "uid": name},
            "spec": {"nodeName": "n1", "containers": [], "readinessGates": asked,
                "tolerations": [{"operator": "Exists"}]},
            "status": {"phase": "Running", "conditions": conditions},
        });
        let object = Object::from_value(pod).unwrap().at(cluster.revision() + 1);
        cluster.apply(Event::Put(Arc::new(object)));
    }

    fn ready(cluster: &Cluster) -> Vec<String> {
        let is_ready = |pod: &Pod| pod.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
        let pods = cluster.pods_on("n1").map(|object| object.typed::<Pod>().unwrap());
        pods.filter(|pod| is_ready(pod)).map(|pod| pod.metadata.name.clone()).collect()
    }

    #[test]
    fn pods_of_a_node_that_was_silent_are_as_ready_as_their_agent_said() {
        let mut cluster = Cluster::default();
        let mut cx = Context::new(START_S, 1);
        let hello = register(&cluster, "n1", &Facts::default(), &mut Blocks::of(&cluster), &mut cx).unwrap();
        write(&mut cluster, hello);
        pod(&mut cluster, "gated", "True", &[("example.com/gate", "False")]);
        pod(&mut cluster, "open", "True", &[("example.com/gate", "True")]);
        pod(&mut cluster, "plain", "True", &[]);
        pod(&mut cluster, "sick", "False", &[]);
        let all = ["open", "plain"].map(str::to_owned);
        assert_eq!(ready(&cluster), all);
        assert!(pods(&cluster, "n1", cx.now).unwrap().is_empty(), "nothing to do for a node that is well");
        let mut cx = Context::new(START_S + health::GRACE_S + 9, 2);
        let silent = health::health(&cluster, "n1", &mut cx).unwrap();
        write(&mut cluster, silent);
        assert!(ready(&cluster).is_empty(), "the silence is noted");
        // The session never broke: a heartbeat is all that comes.
        let mut cx = Context::new(START_S + health::GRACE_S + 10, 3);
        let beat = beat::beat(&cluster, "n1", &cx).unwrap();
        let reactions = pods(&cluster, "n1", cx.now).unwrap();
        write(&mut cluster, beat);
        for reaction in reactions {
            write(&mut cluster, reaction);
        }
        let well = health::health(&cluster, "n1", &mut cx).unwrap();
        write(&mut cluster, well);
        assert_eq!(ready(&cluster), all);
        assert!(pods(&cluster, "n1", cx.now).unwrap().is_empty(), "and nothing more");
    }
}
