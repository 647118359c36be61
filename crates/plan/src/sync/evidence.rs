//! What nodes brought back after the store was lost → whether a release was installed before that.

use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::POD;
use masthead_api::meta::LabelSelector;
use masthead_api::object::Object;

use crate::cluster::view::{Cluster, RECOVERED_OWNER};
use crate::desired::Desired;
use crate::sync::release::RELEASE_ANNOTATION;
use crate::sync::release::{Hook, WantedRelease};

/// A pod of a release that no change of this store made: one that its workloads select, one of its own, or one of its
/// hooks that has succeeded. A hook that has not is none: the release was on its way then.
pub fn of(target: &WantedRelease, desired: &Desired, cluster: &Cluster) -> Option<ObjectKey> {
    let of_objects = target.objects.iter().find_map(|key| {
        if key.kind == POD {
            return cluster.get(key).map(|_| key.clone());
        }
        let selector = selector(&desired.objects.get(key)?.object)?;
        let mut pods = cluster.list::<Pod>(&key.namespace);
        let is_of_it = |pod: &Pod| selector.matches(&pod.metadata.labels);
        pods.find(|pod| is_of_it(pod)).map(|pod| ObjectKey::new(POD, key.namespace.as_str(), pod.metadata.name.clone()))
    });
    of_objects.or_else(|| target.hooks.iter().find_map(|hook| of_hook(target, hook, cluster)))
}

fn of_hook(target: &WantedRelease, hook: &Hook, cluster: &Cluster) -> Option<ObjectKey> {
    let info = hook.key().kind.info();
    if info.kind == "Job" && !hook.is_test() {
        // The pod of a Job knows its Job, and that alone.
        let owner = format!("Job/{}", hook.key().name);
        let mut pods = cluster.list::<Pod>(&hook.key().namespace);
        let ended = |pod: &Pod| {
            pod.metadata.annotations.get(RECOVERED_OWNER) == Some(&owner) && pod.status.phase == "Succeeded"
        };
        let found = pods.find(|pod| ended(pod))?;
        return Some(ObjectKey::new(POD, hook.key().namespace.as_str(), found.metadata.name.clone()));
    }
    let pod = cluster.typed::<Pod>(hook.key())?;
    let release = format!("{}/{}", target.key.namespace, target.key.name);
    let is_ours = pod.metadata.annotations.get(RELEASE_ANNOTATION) == Some(&release);
    (is_ours && !hook.is_test() && pod.status.phase == "Succeeded").then(|| hook.key().clone())
}

/// The labels by which a workload knows its pods; none for what has no pods, and for an empty selector.
fn selector(object: &Object) -> Option<LabelSelector> {
    let value = object.value();
    value.pointer("/spec/template/spec")?;
    let selector: LabelSelector = serde_json::from_value(value.pointer("/spec/selector")?.clone()).ok()?;
    (!selector.is_empty()).then_some(selector)
}
