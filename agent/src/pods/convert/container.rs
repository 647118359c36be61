//! A container of a pod → the container a runtime is asked for: command, environment, mounts, limits, privileges.

use masthead_api::core::container::{Container, VolumeMount};
use masthead_api::core::pod::Pod;
use masthead_api::core::security::{PodSecurityContext, SeccompProfile, SecurityContext};
use sha2::{Digest, Sha256};

use crate::pods::convert::context::{Placed, References};
use crate::pods::convert::env::{self, Error};
use crate::pods::convert::{labels, resources, sandbox};
use crate::runtime::v1;

/// One directory or file of the node to mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostMount {
    /// Where in the container.
    pub container_path: String,
    /// What of the node.
    pub host_path: String,
    /// Whether the container may only read it.
    pub read_only: bool,
    /// How later mounts travel between node and container.
    pub propagation: v1::MountPropagation,
}

/// Everything that is decided outside of the container's own manifest.
pub struct Making<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// The container.
    pub container: &'a Container,
    /// How often it was restarted before.
    pub attempt: u32,
    /// The node's name.
    pub node: &'a str,
    /// The image's id, as resolved by the pull.
    pub image_ref: &'a str,
    /// Addresses and sizes.
    pub placed: &'a Placed,
    /// ConfigMaps and Secrets.
    pub refs: &'a dyn References,
    /// Mounts of volumes, hosts file, termination message.
    pub mounts: &'a [HostMount],
}

/// The container's log below the pod's log directory: `name/3.log`.
pub fn log_path(name: &str, attempt: u32) -> String {
    format!("{name}/{attempt}.log")
}

/// What changes when the container's manifest does: a digest of the fields that need a new container.
pub fn spec_hash(container: &Container) -> String {
    let mut shaped = container.clone();
    // Limits can change while it runs.
    shaped.resources = Default::default();
    let json = serde_json::to_vec(&shaped).unwrap_or_default();
    Sha256::digest(json).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The runtime's configuration of a container.
///
/// # Errors
/// The environment cannot be resolved, or the manifest asks for what is not supported.
pub fn config(making: &Making<'_>) -> Result<v1::ContainerConfig, Error> {
    let Making { pod, container, attempt, node, .. } = *making;
    let vars = env::variables(pod, container, making.placed, making.refs)?;
    if !container.volume_devices.is_empty() {
        return Err(Error("volumeDevices (raw block volumes) are not supported yet".to_owned()));
    }
    let mut own_labels = labels::container(pod, node, &container.name);
    own_labels.insert(labels::SPEC_HASH.to_owned(), spec_hash(container));
    let mut annotations = std::collections::HashMap::new();
    annotations.insert(labels::RESTART_COUNT.to_owned(), attempt.to_string());
    annotations.insert(labels::MESSAGE_PATH.to_owned(), container.termination_message_path.clone());
    Ok(v1::ContainerConfig {
        metadata: Some(v1::ContainerMetadata { name: container.name.clone(), attempt }),
        image: Some(v1::ImageSpec {
            image: making.image_ref.to_owned(),
            user_specified_image: container.image.clone(),
            ..v1::ImageSpec::default()
        }),
        command: env::expand_words(&container.command, &vars),
        args: env::expand_words(&container.args, &vars),
        working_dir: container.working_dir.clone(),
        envs: vars.into_iter().map(|(key, value)| v1::KeyValue { key, value }).collect(),
        mounts: making.mounts.iter().map(mount).collect(),
        devices: Vec::new(),
        labels: own_labels,
        annotations,
        log_path: log_path(&container.name, attempt),
        stdin: container.stdin,
        stdin_once: container.stdin_once,
        tty: container.tty,
        linux: Some(v1::LinuxContainerConfig {
            resources: Some(resources::container(pod, container, making.placed.node_memory_bytes)),
            security_context: Some(security(pod, container)?),
        }),
        ..v1::ContainerConfig::default()
    })
}

fn mount(mount: &HostMount) -> v1::Mount {
    v1::Mount {
        container_path: mount.container_path.clone(),
        host_path: mount.host_path.clone(),
        readonly: mount.read_only,
        propagation: i32::from(mount.propagation),
        ..v1::Mount::default()
    }
}

/// How a mount's propagation is written in CRI.
pub fn propagation(mount: &VolumeMount) -> v1::MountPropagation {
    match mount.mount_propagation.as_deref() {
        Some("HostToContainer") => v1::MountPropagation::PropagationHostToContainer,
        Some("Bidirectional") => v1::MountPropagation::PropagationBidirectional,
        _ => v1::MountPropagation::PropagationPrivate,
    }
}

/// Paths of `/proc` and `/sys` that an unprivileged container may not see.
const MASKED: [&str; 11] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];

/// Paths of `/proc` that an unprivileged container may not write.
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

fn security(pod: &Pod, container: &Container) -> Result<v1::LinuxContainerSecurityContext, Error> {
    let none = SecurityContext::default();
    let no_pod = PodSecurityContext::default();
    let own = container.security_context.as_ref().unwrap_or(&none);
    let shared = pod.spec.security_context.as_ref().unwrap_or(&no_pod);
    let privileged = own.privileged == Some(true);
    let unmasked = own.proc_mount.as_deref() == Some("Unmasked");
    let paths = |paths: &[&str]| {
        if privileged || unmasked { Vec::new() } else { paths.iter().map(|p| (*p).to_owned()).collect() }
    };
    let mut groups = shared.supplemental_groups.clone();
    groups.extend(shared.fs_group);
    let number = |value: Option<i64>| value.map(|value| v1::Int64Value { value });
    let capabilities = own.capabilities.clone().unwrap_or_default();
    Ok(v1::LinuxContainerSecurityContext {
        capabilities: Some(v1::Capability {
            add_capabilities: capabilities.add,
            drop_capabilities: capabilities.drop,
            ..v1::Capability::default()
        }),
        privileged,
        namespace_options: Some(sandbox::namespaces(pod)),
        run_as_user: number(own.run_as_user.or(shared.run_as_user)),
        run_as_group: number(own.run_as_group.or(shared.run_as_group)),
        readonly_rootfs: own.read_only_root_filesystem == Some(true),
        supplemental_groups: groups,
        supplemental_groups_policy: i32::from(match shared.supplemental_groups_policy.as_deref() {
            Some("Strict") => v1::SupplementalGroupsPolicy::Strict,
            _ => v1::SupplementalGroupsPolicy::Merge,
        }),
        no_new_privs: own.allow_privilege_escalation == Some(false),
        masked_paths: paths(&MASKED),
        readonly_paths: paths(&READ_ONLY),
        seccomp: Some(seccomp(own.seccomp_profile.as_ref().or(shared.seccomp_profile.as_ref()), privileged)?),
        ..v1::LinuxContainerSecurityContext::default()
    })
}

/// The system call filter: the runtime's default unless the manifest says otherwise, which is stricter than the kubelet's
/// own default and what `--seccomp-default` gives.
fn seccomp(profile: Option<&SeccompProfile>, privileged: bool) -> Result<v1::SecurityProfile, Error> {
    use v1::security_profile::ProfileType;
    let (kind, localhost_ref) = match profile.map(|p| p.type_.as_str()) {
        _ if privileged => (ProfileType::Unconfined, String::new()),
        None | Some("RuntimeDefault") => (ProfileType::RuntimeDefault, String::new()),
        Some("Unconfined") => (ProfileType::Unconfined, String::new()),
        Some("Localhost") => {
            (ProfileType::Localhost, profile.and_then(|p| p.localhost_profile.clone()).unwrap_or_default())
        }
        Some(other) => return Err(Error(format!("unknown seccomp profile type {other:?}"))),
    };
    Ok(v1::SecurityProfile { profile_type: i32::from(kind), localhost_ref })
}

/// Whether a container that must not run as root would: by its number, or by its image's user when it names none.
///
/// # Errors
/// In the kubelet's words.
pub fn verify_non_root(
    pod: &Pod,
    container: &Container,
    image_uid: Option<i64>,
    image_user: &str,
) -> Result<(), Error> {
    let own = container.security_context.as_ref();
    let shared = pod.spec.security_context.as_ref();
    let must = own.and_then(|s| s.run_as_non_root).or(shared.and_then(|s| s.run_as_non_root)) == Some(true);
    if !must {
        return Ok(());
    }
    let said = own.and_then(|s| s.run_as_user).or(shared.and_then(|s| s.run_as_user));
    let why = match (said, image_uid) {
        (Some(0), _) => "container's runAsUser breaks non-root policy".to_owned(),
        (Some(_), _) => return Ok(()),
        (None, Some(0)) => "container has runAsNonRoot and image will run as root".to_owned(),
        (None, Some(_)) => return Ok(()),
        (None, None) if image_user.is_empty() => "container has runAsNonRoot and image will run as root".to_owned(),
        (None, None) => format!(
            "container has runAsNonRoot and image has non-numeric user ({image_user}), cannot verify user is non-root"
        ),
    };
    Err(Error(format!(
        "{why} (pod: {:?}, container: {})",
        format!("{}_{}({})", pod.metadata.name, pod.metadata.namespace, pod.metadata.uid),
        container.name
    )))
}
