//! Pods and pod templates with their defaults.

use std::collections::BTreeMap;

use crate::core::container::{Container, EphemeralContainer, ResourceRequirements};
use crate::core::env::EnvVar;
use crate::core::pod::{Pod, PodSpec, PodTemplateSpec};
use crate::core::probe::{HTTPGetAction, Lifecycle, Probe};
use crate::core::security::PodSecurityContext;
use crate::core::volume::{DownwardAPIVolumeFile, EmptyDirVolumeSource, Volume};
use crate::default::image::pull_policy;
use crate::quantity::Quantity;
use crate::validate::pod::resources::aggregate;
use crate::validate::resource::{is_huge_page, is_overcommit_allowed};

/// Files of a volume made of keys: readable by all, writable by their owner.
const FILE_MODE: i32 = 0o644;

fn fill(text: &mut String, default: &str) {
    if text.is_empty() {
        default.clone_into(text);
    }
}

/// What held init containers before there was a field; Kubernetes drops it.
const OLD_ANNOTATIONS: [&str; 4] = [
    "pod.beta.kubernetes.io/init-containers",
    "pod.alpha.kubernetes.io/init-containers",
    "pod.beta.kubernetes.io/init-container-statuses",
    "pod.alpha.kubernetes.io/init-container-statuses",
];

/// A template of a controller's pods.
pub fn template(template: &mut PodTemplateSpec) {
    drop_old(&mut template.metadata.annotations);
    spec(&mut template.spec);
}

fn drop_old(annotations: &mut BTreeMap<String, String>) {
    for key in OLD_ANNOTATIONS {
        annotations.remove(key);
    }
}

/// A pod of its own; a template lacks some of these defaults.
pub fn pod(pod: &mut Pod) {
    drop_old(&mut pod.metadata.annotations);
    spec(&mut pod.spec);
    // Less than nothing stands for the shortest time there is.
    if pod.spec.termination_grace_period_seconds.is_some_and(|seconds| seconds < 0) {
        pod.spec.termination_grace_period_seconds = Some(1);
    }
    let all = pod.spec.containers.iter_mut().chain(&mut pod.spec.init_containers);
    for container in all {
        let resources = &mut container.resources;
        for (resource, limit) in &resources.limits {
            resources.requests.entry(resource.clone()).or_insert(*limit);
        }
    }
    pod_resources(&mut pod.spec);
    pod.spec.enable_service_links.get_or_insert(true);
    if pod.spec.host_network {
        let all = pod.spec.containers.iter_mut().chain(&mut pod.spec.init_containers);
        for port in all.flat_map(|c| &mut c.ports).filter(|port| port.host_port == 0) {
            port.host_port = port.container_port;
        }
    }
}

/// Whether a resource can be asked for by a pod as a whole.
fn is_pod_level(resource: &str) -> bool {
    resource == "cpu" || resource == "memory" || is_huge_page(resource)
}

/// Requests of the pod as a whole, filled in from its containers' and its limits; limits of huge pages from its
/// containers'.
fn pod_resources(spec: &mut PodSpec) {
    let Some(mut pod) = spec.resources.take() else { return };
    let requests = aggregate(spec, |c| &c.resources.requests);
    let limits = aggregate(spec, |c| &c.resources.limits);
    if !pod.limits.is_empty() || !pod.requests.is_empty() {
        for (resource, limit) in limits.iter().filter(|(r, _)| is_huge_page(r)) {
            if !pod.requests.contains_key(resource) {
                pod.limits.entry(resource.clone()).or_insert(*limit);
            }
        }
    }
    if !pod.limits.is_empty() {
        for (resource, amount) in &requests {
            if is_pod_level(resource) && is_overcommit_allowed(resource) {
                pod.requests.entry(resource.clone()).or_insert(*amount);
            }
        }
        for (resource, limit) in &pod.limits {
            if is_pod_level(resource) {
                pod.requests.entry(resource.clone()).or_insert(*limit);
            }
        }
    }
    spec.resources = Some(pod);
}

/// The specification of a pod, of its own or in a template.
pub fn spec(spec: &mut PodSpec) {
    fill(&mut spec.dns_policy, "ClusterFirst");
    fill(&mut spec.restart_policy, "Always");
    spec.security_context.get_or_insert_with(PodSecurityContext::default);
    spec.termination_grace_period_seconds.get_or_insert(30);
    fill(&mut spec.scheduler_name, "default-scheduler");
    // The older name of the field and the newer one say the same.
    if spec.service_account_name.is_empty() {
        spec.service_account_name.clone_from(&spec.service_account);
    }
    spec.service_account.clone_from(&spec.service_account_name);
    spec.volumes.iter_mut().for_each(volume);
    spec.init_containers.iter_mut().chain(&mut spec.containers).for_each(container);
    spec.ephemeral_containers.iter_mut().for_each(ephemeral);
    round(&mut spec.overhead);
    if let Some(resources) = &mut spec.resources {
        requirements(resources);
    }
}

/// Amounts finer than a thousandth are rounded up.
pub fn round(amounts: &mut BTreeMap<String, Quantity>) {
    for amount in amounts.values_mut().filter(|amount| !amount.is_whole_milli()) {
        *amount = amount.rounded_to_milli();
    }
}

fn requirements(resources: &mut ResourceRequirements) {
    round(&mut resources.limits);
    round(&mut resources.requests);
}

fn container(container: &mut Container) {
    fill(&mut container.image_pull_policy, pull_policy(&container.image));
    fill(&mut container.termination_message_path, "/dev/termination-log");
    fill(&mut container.termination_message_policy, "File");
    common(&mut container.ports, &mut container.env);
    requirements(&mut container.resources);
    let probes = [&mut container.liveness_probe, &mut container.readiness_probe, &mut container.startup_probe];
    probes.into_iter().flatten().for_each(probe);
    if let Some(hooks) = &mut container.lifecycle {
        lifecycle(hooks);
    }
}

fn ephemeral(container: &mut EphemeralContainer) {
    fill(&mut container.image_pull_policy, pull_policy(&container.image));
    fill(&mut container.termination_message_path, "/dev/termination-log");
    fill(&mut container.termination_message_policy, "File");
    common(&mut container.ports, &mut container.env);
    requirements(&mut container.resources);
    let probes = [&mut container.liveness_probe, &mut container.readiness_probe, &mut container.startup_probe];
    probes.into_iter().flatten().for_each(probe);
    if let Some(hooks) = &mut container.lifecycle {
        lifecycle(hooks);
    }
}

fn common(ports: &mut [crate::core::container::ContainerPort], env: &mut [EnvVar]) {
    for port in ports {
        fill(&mut port.protocol, "TCP");
    }
    for source in env.iter_mut().filter_map(|var| var.value_from.as_mut()) {
        if let Some(field) = &mut source.field_ref {
            fill(&mut field.api_version, "v1");
        }
        if let Some(file) = &mut source.file_key_ref {
            file.optional.get_or_insert(false);
        }
    }
}

fn http(action: &mut HTTPGetAction) {
    fill(&mut action.path, "/");
    fill(&mut action.scheme, "HTTP");
}

fn probe(probe: &mut Probe) {
    for (value, default) in [
        (&mut probe.timeout_seconds, 1),
        (&mut probe.period_seconds, 10),
        (&mut probe.success_threshold, 1),
        (&mut probe.failure_threshold, 3),
    ] {
        if *value == 0 {
            *value = default;
        }
    }
    if let Some(action) = &mut probe.http_get {
        http(action);
    }
    if let Some(action) = &mut probe.grpc {
        action.service.get_or_insert_with(String::new);
    }
}

fn lifecycle(hooks: &mut Lifecycle) {
    let handlers = [&mut hooks.post_start, &mut hooks.pre_stop];
    handlers.into_iter().flatten().filter_map(|handler| handler.http_get.as_mut()).for_each(http);
}

fn downward(files: &mut [DownwardAPIVolumeFile]) {
    for field in files.iter_mut().filter_map(|file| file.field_ref.as_mut()) {
        fill(&mut field.api_version, "v1");
    }
}

fn volume(volume: &mut Volume) {
    let bare = Volume { name: volume.name.clone(), ..Volume::default() };
    if *volume == bare {
        volume.empty_dir = Some(EmptyDirVolumeSource::default());
    }
    if let Some(host) = &mut volume.host_path {
        host.type_.get_or_insert_with(String::new);
    }
    if let Some(secret) = &mut volume.secret {
        secret.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(map) = &mut volume.config_map {
        map.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(source) = &mut volume.downward_api {
        source.default_mode.get_or_insert(FILE_MODE);
        downward(&mut source.items);
    }
    if let Some(projected) = &mut volume.projected {
        projected.default_mode.get_or_insert(FILE_MODE);
        for source in &mut projected.sources {
            if let Some(source) = &mut source.downward_api {
                downward(&mut source.items);
            }
            if let Some(token) = &mut source.service_account_token {
                token.expiration_seconds.get_or_insert(3600);
            }
            if let Some(certificate) = &mut source.pod_certificate {
                certificate.max_expiration_seconds.get_or_insert(86_400);
            }
        }
    }
    if let Some(template) = volume.ephemeral.as_mut().and_then(|e| e.volume_claim_template.as_mut()) {
        template.spec.volume_mode.get_or_insert_with(|| "Filesystem".to_owned());
        round(&mut template.spec.resources.limits);
        round(&mut template.spec.resources.requests);
    }
    if let Some(image) = &mut volume.image {
        fill(&mut image.pull_policy, pull_policy(&image.reference));
    }
    vendor(volume);
}

fn vendor(volume: &mut Volume) {
    if let Some(iscsi) = &mut volume.iscsi {
        fill(&mut iscsi.iscsi_interface, "default");
    }
    if let Some(rbd) = &mut volume.rbd {
        fill(&mut rbd.pool, "rbd");
        fill(&mut rbd.user, "admin");
        fill(&mut rbd.keyring, "/etc/ceph/keyring");
    }
    if let Some(disk) = &mut volume.azure_disk {
        disk.caching_mode.get_or_insert_with(|| "ReadWrite".to_owned());
        disk.kind.get_or_insert_with(|| "Shared".to_owned());
        disk.fs_type.get_or_insert_with(|| "ext4".to_owned());
        disk.read_only.get_or_insert(false);
    }
    if let Some(scale) = &mut volume.scale_io {
        fill(&mut scale.storage_mode, "ThinProvisioned");
        fill(&mut scale.fs_type, "xfs");
    }
}
