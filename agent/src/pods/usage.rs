//! A pod and the disk space it uses → whether it has more than it may, in the kubelet's words.
//!
//! Source: `localStorageEviction` of Kubernetes' `pkg/kubelet/eviction/eviction_manager.go`.

use std::collections::BTreeMap;

use masthead_api::core::pod::Pod;
use masthead_api::core::volume::Volume;
use masthead_api::quantity::Quantity;

const STORAGE: &str = "ephemeral-storage";

/// Disk space in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the pod's `emptyDir` volumes that are on disk, by name.
    pub volumes: BTreeMap<String, u64>,
    /// Of the containers' written layers and logs, by name.
    pub containers: BTreeMap<String, u64>,
}

/// Whether anything bounds the disk space of a pod, so that it must be measured.
pub fn is_bounded(pod: &Pod) -> bool {
    pod.spec.volumes.iter().any(|volume| volume_bound(volume).is_some()) || has_container_bounds(pod)
}

/// Whether its containers have bounds, so that their layers and logs count.
pub fn has_container_bounds(pod: &Pod) -> bool {
    pod.spec.containers.iter().any(|container| container.resources.limits.contains_key(STORAGE))
}

/// Volumes whose use counts.
pub fn counted(pod: &Pod) -> impl Iterator<Item = &Volume> {
    pod.spec.volumes.iter().filter(|volume| volume.empty_dir.as_ref().is_some_and(|empty| empty.medium.is_empty()))
}

fn volume_bound(volume: &Volume) -> Option<&Quantity> {
    let empty = volume.empty_dir.as_ref().filter(|empty| empty.medium.is_empty())?;
    empty.size_limit.as_ref().filter(|limit| limit.sign() > 0)
}

fn exceeds(used_bytes: u64, bound: &Quantity) -> bool {
    u64::try_from(bound.value()).is_ok_and(|bound| used_bytes > bound)
}

/// Why the pod must go, if it must.
pub fn excess(pod: &Pod, usage: &Usage) -> Option<String> {
    for volume in &pod.spec.volumes {
        if let Some(bound) = volume_bound(volume)
            && exceeds(usage.volumes.get(&volume.name).copied().unwrap_or(0), bound)
        {
            return Some(format!("Usage of EmptyDir volume \"{}\" exceeds the limit \"{bound}\". ", volume.name));
        }
    }
    let bounds = || pod.spec.containers.iter().filter_map(|c| Some((&c.name, c.resources.limits.get(STORAGE)?)));
    let total = bounds().map(|(_, bound)| *bound).reduce(Quantity::add)?;
    let used = usage.volumes.values().chain(usage.containers.values()).sum();
    if exceeds(used, &total) {
        return Some(format!("Pod ephemeral local storage usage exceeds the total limit of containers {total}. "));
    }
    bounds()
        .find(|(name, bound)| exceeds(usage.containers.get(*name).copied().unwrap_or(0), bound))
        .map(|(name, bound)| format!("Container {name} exceeded its local ephemeral storage limit \"{bound}\". "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const MIB: u64 = 1 << 20;

    fn check(spec: &Value, volumes: &[(&str, u64)], containers: &[(&str, u64)], expect: Option<&str>) {
        let pod: Pod = serde_json::from_value(json!({ "metadata": { "name": "p" }, "spec": spec })).unwrap();
        let named = |list: &[(&str, u64)]| list.iter().map(|(name, mib)| ((*name).to_owned(), mib * MIB)).collect();
        let usage = Usage { volumes: named(volumes), containers: named(containers) };
        assert_eq!(excess(&pod, &usage).as_deref(), expect, "{spec}");
    }

    #[test]
    fn a_volume_holds_what_it_may() {
        let spec = json!({ "volumes": [{ "name": "v", "emptyDir": { "sizeLimit": "10Mi" } }, { "name": "free", "emptyDir": {} }],
            "containers": [{ "name": "c" }] });
        check(&spec, &[("v", 10), ("free", 1000)], &[], None);
        check(&spec, &[("v", 11)], &[], Some("Usage of EmptyDir volume \"v\" exceeds the limit \"10Mi\". "));
        let memory = json!({ "volumes": [{ "name": "v", "emptyDir": { "sizeLimit": "1Mi", "medium": "Memory" } }], "containers": [] });
        check(&memory, &[("v", 11)], &[], None);
    }

    #[test]
    fn containers_and_their_sum() {
        let limits = |bound: &str| json!({ "limits": { "ephemeral-storage": bound } });
        let spec = json!({ "volumes": [{ "name": "v", "emptyDir": {} }],
            "containers": [{ "name": "a", "resources": limits("10Mi") }, { "name": "b", "resources": limits("20Mi") }, { "name": "c" }] });
        check(&spec, &[("v", 10)], &[("a", 10), ("b", 10)], None);
        check(
            &spec,
            &[("v", 11)],
            &[("a", 10), ("b", 10)],
            Some("Pod ephemeral local storage usage exceeds the total limit of containers 30Mi. "),
        );
        check(&spec, &[], &[("a", 11)], Some("Container a exceeded its local ephemeral storage limit \"10Mi\". "));
        check(&json!({ "containers": [{ "name": "c" }] }), &[], &[("c", 1000)], None);
    }
}
