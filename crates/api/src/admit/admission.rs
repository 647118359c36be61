//! What Kubernetes' admission plugins add to a new pod, each as a function of the objects it looks at.

use crate::core::config::ServiceAccount;
use crate::core::container::VolumeMount;
use crate::core::env::ObjectFieldSelector;
use crate::core::pod::{Pod, PodSpec, Toleration};
use crate::core::volume::{
    ConfigMapProjection, DownwardAPIProjection, DownwardAPIVolumeFile, KeyToPath, ProjectedVolumeSource,
    ServiceAccountTokenProjection, Volume, VolumeProjection,
};
use crate::scheduling::priority_class::PriorityClass;

const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Seconds a pod stays on a node that is not ready or not reachable.
const TOLERATION_S: i64 = 300;
/// Seconds for which a token is valid; the odd seven tell that it was injected.
const TOKEN_S: i64 = 3607;

/// DefaultTolerationSeconds: a pod puts up with a failing node for five minutes, unless it says otherwise.
pub fn default_tolerations(spec: &mut PodSpec) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covers =
            |t: &Toleration| (t.key.is_empty() || t.key == key) && (t.effect.is_empty() || t.effect == "NoExecute");
        if !spec.tolerations.iter().any(covers) {
            spec.tolerations.push(Toleration {
                key: key.to_owned(),
                operator: "Exists".to_owned(),
                effect: "NoExecute".to_owned(),
                toleration_seconds: Some(TOLERATION_S),
                ..Toleration::default()
            });
        }
    }
}

/// Priority: the number and the preemption policy behind a pod's priority class.
///
/// # Errors
/// The class does not exist, or the pod names another number than its class; in Kubernetes' words.
pub fn priority(spec: &mut PodSpec, classes: &[PriorityClass]) -> Result<(), String> {
    let (mut value, mut policy) = (0, "PreemptLowerPriority".to_owned());
    if spec.priority_class_name.is_empty() {
        if let Some(class) = classes.iter().filter(|c| c.global_default).min_by_key(|c| c.value) {
            spec.priority_class_name.clone_from(&class.metadata.name);
            value = class.value;
            policy = class.preemption_policy.clone().unwrap_or(policy);
        }
    } else {
        match spec.priority_class_name.as_str() {
            "system-cluster-critical" => value = 2_000_000_000,
            "system-node-critical" => value = 2_000_001_000,
            name => {
                let Some(class) = classes.iter().find(|c| c.metadata.name == name) else {
                    return Err(format!("no PriorityClass with name {name} was found"));
                };
                value = class.value;
                policy = class.preemption_policy.clone().unwrap_or(policy);
            }
        }
    }
    if let Some(given) = spec.priority
        && given != value
    {
        return Err(format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
             computed {value} from the given PriorityClass name"
        ));
    }
    spec.priority = Some(value);
    match &spec.preemption_policy {
        Some(given) if *given != policy => Err(format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
             controller computed {policy} from the given PriorityClass name"
        )),
        _ => {
            spec.preemption_policy = Some(policy);
            Ok(())
        }
    }
}

/// The name of the service account a pod runs as, `default` when it names none; set before the account is looked up.
pub fn service_account_name(spec: &mut PodSpec) -> &str {
    if spec.service_account_name.is_empty() {
        spec.service_account_name = "default".to_owned();
    }
    spec.service_account.clone_from(&spec.service_account_name);
    &spec.service_account_name
}

/// ServiceAccount: pull secrets of the account, and its token mounted into every container.
///
/// `suffix` makes the volume's name unique within the pod.
pub fn service_account(pod: &mut Pod, account: &ServiceAccount, suffix: &str) {
    let spec = &mut pod.spec;
    let mounted = spec.automount_service_account_token.or(account.automount_service_account_token).unwrap_or(true);
    if mounted {
        mount_token(spec, suffix);
    }
    if spec.image_pull_secrets.is_empty() {
        spec.image_pull_secrets.clone_from(&account.image_pull_secrets);
    }
}

fn mount_token(spec: &mut PodSpec, suffix: &str) {
    let present = spec.volumes.iter().find(|v| v.name.starts_with("kube-api-access-"));
    let name = present.map_or_else(|| format!("kube-api-access-{suffix}"), |v| v.name.clone());
    let is_new = present.is_none();
    let mut used = false;
    for container in spec.init_containers.iter_mut().chain(&mut spec.containers) {
        if container.volume_mounts.iter().any(|mount| mount.mount_path == TOKEN_PATH) {
            continue;
        }
        container.volume_mounts.push(VolumeMount {
            name: name.clone(),
            read_only: true,
            mount_path: TOKEN_PATH.to_owned(),
            ..VolumeMount::default()
        });
        used = true;
    }
    if used && is_new {
        spec.volumes.push(Volume { name, projected: Some(token_volume()), ..Volume::default() });
    }
}

fn token_volume() -> ProjectedVolumeSource {
    let token = ServiceAccountTokenProjection {
        expiration_seconds: Some(TOKEN_S),
        path: "token".to_owned(),
        ..ServiceAccountTokenProjection::default()
    };
    let authority = ConfigMapProjection {
        name: "kube-root-ca.crt".to_owned(),
        items: vec![KeyToPath { key: "ca.crt".to_owned(), path: "ca.crt".to_owned(), mode: None }],
        optional: None,
    };
    let namespace = DownwardAPIVolumeFile {
        path: "namespace".to_owned(),
        field_ref: Some(ObjectFieldSelector {
            api_version: "v1".to_owned(),
            field_path: "metadata.namespace".to_owned(),
        }),
        ..DownwardAPIVolumeFile::default()
    };
    ProjectedVolumeSource {
        sources: vec![
            VolumeProjection { service_account_token: Some(token), ..VolumeProjection::default() },
            VolumeProjection { config_map: Some(authority), ..VolumeProjection::default() },
            VolumeProjection {
                downward_api: Some(DownwardAPIProjection { items: vec![namespace] }),
                ..VolumeProjection::default()
            },
        ],
        default_mode: Some(0o644),
    }
}
