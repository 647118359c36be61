//! Objects to what is left of them where features are off that Kubernetes leaves off too unless it is asked for them.
//!
//! Its server drops their fields without a word (`dropDisabledFields`). Trust bundles and certificates as volumes and
//! groups of pods stay, so that who reads manifests can say that they are not served.

use crate::coordination::lease::Lease;
use crate::core::node::Node;
use crate::core::pod::PodSpec;
use crate::core::probe::Lifecycle;

/// Stop signals of containers.
pub fn pod(spec: &mut PodSpec) {
    for container in spec.containers.iter_mut().chain(&mut spec.init_containers) {
        drop_stop_signal(&mut container.lifecycle);
    }
    for container in &mut spec.ephemeral_containers {
        drop_stop_signal(&mut container.lifecycle);
    }
}

/// What held nothing but a signal goes with it.
fn drop_stop_signal(lifecycle: &mut Option<Lifecycle>) {
    if let Some(held) = lifecycle
        && held.stop_signal.take().is_some()
        && *held == Lifecycle::default()
    {
        *lifecycle = None;
    }
}

/// Elections that are coordinated by the server.
pub fn lease(lease: &mut Lease) {
    lease.spec.strategy = None;
    lease.spec.preferred_holder = None;
}

/// The configuration that nodes took from ConfigMaps; no version knows of it any more.
pub fn node(node: &mut Node) {
    node.spec.config_source = None;
    node.status.config = None;
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::admit;

    #[test]
    fn what_belongs_to_features_that_are_off_goes_without_a_word() {
        let check = |mut given: Value, pointer: &str, with: Value| {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            let plain = given.clone();
            given.pointer_mut(parent).unwrap()[field] = with;
            let got = admit::create(given.clone(), "default");
            assert_eq!(got, admit::create(plain, "default"), "{given}");
            let (mut old, mut new) = (got.unwrap(), given);
            old["metadata"]["resourceVersion"] = "7".into();
            new["metadata"]["resourceVersion"] = "7".into();
            if let Some(status) = old.get("status") {
                new["status"] = status.clone();
            }
            let updated = admit::update(&old, new).unwrap();
            assert_eq!(updated.pointer(pointer), old.pointer(pointer), "{pointer}");
        };
        let pod = || {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
                "os": {"name": "linux"},
                "containers": [{"name": "c", "image": "c:1", "lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}]}})
        };
        check(pod(), "/spec/containers/0/lifecycle/stopSignal", json!("SIGNONE"));
        let mut signal = pod();
        signal["spec"]["containers"][0]["lifecycle"] = json!({"stopSignal": "SIGINT"});
        let stored = admit::create(signal, "default").unwrap();
        assert_eq!(stored.pointer("/spec/containers/0/lifecycle"), None);
        let lease =
            || json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}});
        check(lease(), "/spec/strategy", json!("OldestEmulationVersion"));
        check(lease(), "/spec/preferredHolder", json!("h"));
        let node = || json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {}, "status": {}});
        check(node(), "/spec/configSource", json!({"configMap": {"name": "", "namespace": "n"}}));
        check(node(), "/status/config", json!({"error": "e"}));
    }
}
