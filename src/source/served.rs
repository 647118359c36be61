//! A manifest that Kubernetes accepts → the fields of its pods that no node of ours acts upon yet, each with what to do.
//!
//! What stands in a manifest and has no effect would be found out in production, so it is refused at the push.

use serde_json::Value;

/// A field that is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    /// Kubernetes' dotted path.
    pub path: String,
    /// What is not there.
    pub message: String,
    /// What to do instead.
    pub hint: &'static str,
}

/// Volumes that nodes make; a volume without a kind is an `emptyDir`.
const VOLUMES: [&str; 7] = ["name", "emptyDir", "hostPath", "configMap", "secret", "downwardAPI", "projected"];

/// Sources of a projected volume that need a server of tokens or certificates.
const SOURCES: [&str; 3] = ["serviceAccountToken", "clusterTrustBundle", "podCertificate"];

/// Priority classes that every cluster has; others are objects of a kind that is not there.
const PRIORITIES: [&str; 2] = ["system-cluster-critical", "system-node-critical"];

const NO_SUPPORT: &str = "is not supported yet";
const REMOVE: &str = "remove it";

/// What of the pods that an object of `kind` makes is not served, in the order of its fields.
pub fn unserved(kind: &str, value: &Value) -> Vec<Unserved> {
    let path = match kind {
        "Pod" => "spec",
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" => "spec.template.spec",
        "CronJob" => "spec.jobTemplate.spec.template.spec",
        _ => return Vec::new(),
    };
    let Some(spec) = path.split('.').try_fold(value, |value, name| value.get(name)) else { return Vec::new() };
    let mut found = Found { out: Vec::new() };
    found.pod(path, spec);
    found.out
}

struct Found {
    out: Vec<Unserved>,
}

impl Found {
    fn push(&mut self, path: String, message: &str, hint: &'static str) {
        self.out.push(Unserved { path, message: message.to_owned(), hint });
    }

    fn pod(&mut self, at: &str, spec: &Value) {
        if spec.get("hostUsers") == Some(&Value::Bool(false)) {
            self.push(format!("{at}.hostUsers"), "user namespaces are not supported yet", REMOVE);
        }
        if spec.pointer("/os/name").and_then(Value::as_str) == Some("windows") {
            self.push(format!("{at}.os.name"), "nodes run Linux", "leave it out, or set linux");
        }
        for field in ["resourceClaims", "schedulingGroup"] {
            if given(spec.get(field)) {
                self.push(format!("{at}.{field}"), NO_SUPPORT, REMOVE);
            }
        }
        let class = spec.get("priorityClassName").and_then(Value::as_str).unwrap_or_default();
        if !class.is_empty() && !PRIORITIES.contains(&class) {
            let message = format!("no PriorityClass with name {} was found", crate::source::words::short(class));
            self.push(format!("{at}.priorityClassName"), &message, "the kind PriorityClass is not supported yet");
        }
        if spec.get("automountServiceAccountToken") == Some(&Value::Bool(true)) {
            let message = "tokens of service accounts are not supported yet";
            self.push(format!("{at}.automountServiceAccountToken"), message, "set it to false, or remove it");
        }
        self.security(&format!("{at}.securityContext"), spec.get("securityContext"));
        for (i, volume) in list(spec, "volumes").enumerate() {
            self.volume(&format!("{at}.volumes[{i}]"), volume);
        }
        for field in ["initContainers", "containers"] {
            for (i, container) in list(spec, field).enumerate() {
                self.container(&format!("{at}.{field}[{i}]"), container);
            }
        }
    }

    fn security(&mut self, at: &str, context: Option<&Value>) {
        let Some(context) = context else { return };
        for field in ["seLinuxOptions", "windowsOptions"] {
            if given(context.get(field)) {
                self.push(format!("{at}.{field}"), NO_SUPPORT, REMOVE);
            }
        }
        let profile = context.pointer("/appArmorProfile/type").and_then(Value::as_str).unwrap_or("Unconfined");
        if profile != "Unconfined" {
            let path = format!("{at}.appArmorProfile.type");
            self.push(path, "AppArmor profiles are not supported yet", "remove it, or set Unconfined");
        }
    }

    fn volume(&mut self, at: &str, volume: &Value) {
        for (kind, what) in volume.as_object().into_iter().flatten() {
            if !VOLUMES.contains(&kind.as_str()) && given(Some(what)) {
                let message = format!("volumes of kind {kind} are not supported yet");
                let hint = "an emptyDir or a hostPath volume is kept on the node";
                self.push(format!("{at}.{kind}"), &message, hint);
            }
        }
        let medium = volume.pointer("/emptyDir/medium").and_then(Value::as_str).unwrap_or_default();
        if medium.starts_with("HugePages") {
            self.push(format!("{at}.emptyDir.medium"), "huge pages are not supported yet", "set Memory, or remove it");
        }
        let Some(projected) = volume.get("projected") else { return };
        for (i, source) in list(projected, "sources").enumerate() {
            for kind in SOURCES.iter().filter(|kind| given(source.get(**kind))) {
                self.push(format!("{at}.projected.sources[{i}].{kind}"), NO_SUPPORT, REMOVE);
            }
        }
    }

    fn container(&mut self, at: &str, container: &Value) {
        if given(container.get("volumeDevices")) {
            self.push(format!("{at}.volumeDevices"), "raw block volumes are not supported yet", REMOVE);
        }
        if given(container.get("restartPolicyRules")) {
            self.push(format!("{at}.restartPolicyRules"), NO_SUPPORT, REMOVE);
        }
        if given(container.pointer("/lifecycle/stopSignal")) {
            let hint = "remove it; the image's own STOPSIGNAL is sent";
            self.push(format!("{at}.lifecycle.stopSignal"), NO_SUPPORT, hint);
        }
        if given(container.pointer("/resources/claims")) {
            self.push(format!("{at}.resources.claims"), NO_SUPPORT, REMOVE);
        }
        for (i, variable) in list(container, "env").enumerate() {
            if given(variable.pointer("/valueFrom/fileKeyRef")) {
                self.push(format!("{at}.env[{i}].valueFrom.fileKeyRef"), NO_SUPPORT, REMOVE);
            }
        }
        self.security(&format!("{at}.securityContext"), container.get("securityContext"));
    }
}

/// Whether a value says anything: it is there, and neither null, empty text, nor an empty list or mapping.
fn given(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(_) => true,
    }
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(spec: &Value, expect: &[&str]) {
        let told: Vec<String> = unserved("Deployment", &json!({ "spec": { "template": { "spec": spec } } }))
            .iter()
            .map(|u| format!("{}: {}", u.path.trim_start_matches("spec.template.spec."), u.message))
            .collect();
        assert_eq!(told, expect, "{spec}");
    }

    #[test]
    fn what_nothing_acts_upon_is_told() {
        check(&json!({ "hostUsers": false }), &["hostUsers: user namespaces are not supported yet"]);
        check(&json!({ "hostUsers": true, "os": { "name": "linux" } }), &[]);
        check(&json!({ "os": { "name": "windows" } }), &["os.name: nodes run Linux"]);
        check(&json!({ "resourceClaims": [{ "name": "gpu" }] }), &["resourceClaims: is not supported yet"]);
        check(&json!({ "priorityClassName": "system-node-critical" }), &[]);
        check(
            &json!({ "priorityClassName": "gold" }),
            &["priorityClassName: no PriorityClass with name gold was found"],
        );
        check(&json!({ "automountServiceAccountToken": false }), &[]);
        check(
            &json!({ "automountServiceAccountToken": true }),
            &["automountServiceAccountToken: tokens of service accounts are not supported yet"],
        );
    }

    #[test]
    fn security_of_the_pod_and_of_each_container() {
        check(&json!({ "securityContext": { "seLinuxOptions": {}, "fsGroupChangePolicy": "OnRootMismatch" } }), &[]);
        check(
            &json!({ "securityContext": { "seLinuxOptions": { "level": "s0" } },
                "initContainers": [{ "securityContext": { "appArmorProfile": { "type": "RuntimeDefault" } } }],
                "containers": [{ "securityContext": { "appArmorProfile": { "type": "Unconfined" } } },
                    { "securityContext": { "windowsOptions": { "runAsUserName": "x" } } }] }),
            &[
                "securityContext.seLinuxOptions: is not supported yet",
                "initContainers[0].securityContext.appArmorProfile.type: AppArmor profiles are not supported yet",
                "containers[1].securityContext.windowsOptions: is not supported yet",
            ],
        );
    }

    #[test]
    fn volumes_devices_and_sources() {
        check(&json!({ "volumes": [{ "name": "a" }, { "name": "b", "emptyDir": { "medium": "Memory" } }] }), &[]);
        check(
            &json!({ "volumes": [{ "name": "a", "persistentVolumeClaim": { "claimName": "c" } },
                { "name": "b", "emptyDir": { "medium": "HugePages-2Mi" } },
                { "name": "c", "projected": { "sources": [{ "secret": { "name": "s" } },
                    { "serviceAccountToken": { "path": "t" } }] } }],
                "containers": [{ "volumeDevices": [{ "name": "a" }], "restartPolicyRules": [{ "action": "Restart" }],
                    "lifecycle": { "stopSignal": "SIGINT" }, "resources": { "claims": [{ "name": "gpu" }] },
                    "env": [{ "name": "A", "value": "b" }, { "name": "B", "valueFrom": { "fileKeyRef": { "key": "k" } } }] }] }),
            &[
                "volumes[0].persistentVolumeClaim: volumes of kind persistentVolumeClaim are not supported yet",
                "volumes[1].emptyDir.medium: huge pages are not supported yet",
                "volumes[2].projected.sources[1].serviceAccountToken: is not supported yet",
                "containers[0].volumeDevices: raw block volumes are not supported yet",
                "containers[0].restartPolicyRules: is not supported yet",
                "containers[0].lifecycle.stopSignal: is not supported yet",
                "containers[0].resources.claims: is not supported yet",
                "containers[0].env[1].valueFrom.fileKeyRef: is not supported yet",
            ],
        );
    }

    #[test]
    fn only_kinds_with_pods_are_looked_at() {
        assert_eq!(unserved("ConfigMap", &json!({ "spec": { "hostUsers": false } })), []);
        assert_eq!(unserved("Pod", &json!({ "spec": { "hostUsers": false } }))[0].path, "spec.hostUsers");
    }
}
