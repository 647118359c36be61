//! What an agent reports of one pod → the status of its object, or its end.

use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::core::pod::Pod;
use masthead_api::core::pod_status::PodStatus;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
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
pub fn status(cluster: &Cluster, about: &About, reported: &PodStatus) -> Result<Reaction, Error> {
    let mut reaction = Reaction::default();
    let Some((live, pod)) = about.live(cluster) else { return Ok(reaction) };
    if is_final(&pod.status.phase) && !is_final(&reported.phase) {
        // A finished pod does not come back to life: the report is older than what is known.
        return Ok(reaction);
    }
    let new = with_status(&pod, reported);
    let object = Object::of(&new)?;
    if object.body() != live.body() {
        let reason = format!("node {} reports {}", about.node, new.status.phase);
        reaction.changes.push(Change::Update { object: Arc::new(object), base: live.revision(), reason });
    }
    Ok(reaction)
}

/// A pod with the status that its agent reports; conditions that agents do not write, and the QoS class, stay.
pub fn with_status(pod: &Pod, reported: &PodStatus) -> Pod {
    let mut new = Pod { status: reported.clone(), ..Pod::clone(pod) };
    let kept = pod.status.conditions.iter().filter(|c| !reported.conditions.iter().any(|r| r.type_ == c.type_)).cloned();
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
pub fn gone(cluster: &Cluster, about: &About) -> Reaction {
    let mut reaction = Reaction::default();
    if let Some((live, pod)) = about.live(cluster)
        && pod.metadata.deletion_timestamp.is_some()
        && pod.metadata.finalizers.is_empty()
    {
        reaction.changes.push(Change::Delete {
            key: live.key().clone(),
            base: live.revision(),
            reason: format!("node {} has stopped and removed it", about.node),
        });
    }
    reaction
}
