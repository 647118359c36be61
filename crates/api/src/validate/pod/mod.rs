//! Pods and pod templates to faults.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::core::container::ResourceRequirements;
use crate::core::pod::{HostAlias, Pod, PodDNSConfig, PodResourceClaim, PodSpec, PodTemplateSpec, Toleration};
use crate::decode::{strict, syntax};
use crate::meta::object_meta::ObjectMeta;
use crate::validate::error::Errors;
use crate::validate::ip::validate_ip;
use crate::validate::meta::{Scope, validate_annotations, validate_create as validate_meta};
use crate::validate::path::Path;
use crate::validate::pod::container::Context;
use crate::validate::pod::volume::Owner;
use crate::validate::resource::{Holder, validate_requirements};
use crate::validate::selector::validate_labels;
use crate::validate::{internal, name};

pub mod common;
pub mod container;
pub mod driver;
pub mod env;
pub mod place;
pub mod probe;
pub mod resources;
pub mod scheduling;
pub mod security;
pub mod source;
pub mod update;
pub mod volume;

const SPEC: Path<'static> = Path::root("spec");
const META: Path<'static> = Path::root("metadata");
const MIRROR: &str = "kubernetes.io/config.mirror";
const TOLERATIONS: &str = "scheduler.alpha.kubernetes.io/tolerations";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// A new pod.
pub fn validate_create(pod: &Pod, errors: &mut Errors) {
    validate_whole(pod, errors);
    if !pod.spec.ephemeral_containers.is_empty() {
        errors.forbidden(&SPEC.child("ephemeralContainers"), "cannot be set on create");
    }
    if !pod.spec.node_name.is_empty() && !pod.spec.scheduling_gates.is_empty() {
        let detail = "cannot be set until all schedulingGates have been cleared";
        errors.forbidden(&SPEC.child("nodeName"), detail);
    }
    security::validate_annotations_match(&SPEC, &pod.metadata.annotations, &pod.spec, errors);
}

/// What holds for a pod on create and on update.
fn validate_whole(pod: &Pod, errors: &mut Errors) {
    validate_meta(&pod.metadata, Scope::Namespaced, name::dns_subdomain, errors);
    validate_pod_annotations(&META.child("annotations"), &pod.metadata.annotations, &pod.spec, errors);
    validate_spec(&SPEC, &pod.spec, Some(&pod.metadata), errors);
    if pod.spec.service_account_name.is_empty() {
        let volumes = SPEC.child("volumes");
        for (i, volume) in pod.spec.volumes.iter().enumerate() {
            let element = volumes.index(i);
            let projected = element.child("projected");
            let sources = projected.child("sources");
            for (j, source) in volume.projected.iter().flat_map(|p| &p.sources).enumerate() {
                if source.service_account_token.is_some() {
                    let detail = "must not be specified when serviceAccountName is not set";
                    errors.forbidden(&sources.index(j).child("serviceAccountToken"), detail);
                }
            }
        }
    }
    for (field, list) in [("containers", &pod.spec.containers), ("initContainers", &pod.spec.init_containers)] {
        let at = SPEC.child(field);
        for (i, c) in list.iter().enumerate() {
            container::validate_image_edges(&at.index(i), &c.image, errors);
        }
    }
}

/// The tolerations in the annotation that came before the field, or what is wrong with its text.
fn tolerations_of(text: &str) -> Result<Vec<Toleration>, String> {
    let (value, _) = syntax::parse(text.as_bytes())?;
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(_) => serde_json::from_value(value).map_err(|fault| format!("json: {fault}")),
        other => {
            Err(format!("json: cannot unmarshal {} into Go value of type []core.Toleration", strict::word(&other)))
        }
    }
}

fn validate_pod_annotations(
    path: &Path<'_>,
    annotations: &BTreeMap<String, String>,
    spec: &PodSpec,
    errors: &mut Errors,
) {
    if let Some(value) = annotations.get(MIRROR)
        && spec.node_name.is_empty()
    {
        errors.invalid(&path.key(MIRROR), value, "must set spec.nodeName if mirror pod annotation is set");
    }
    if let Some(text) = annotations.get(TOLERATIONS).filter(|text| !text.is_empty()) {
        match tolerations_of(text) {
            Ok(list) => scheduling::validate_tolerations(&path.child(TOLERATIONS), &list, errors),
            Err(fault) => errors.invalid(path, TOLERATIONS, &fault),
        }
    }
    if let Some(cost) = annotations.get(DELETION_COST) {
        let digits = cost.strip_prefix('-').unwrap_or(cost);
        let leading_zero = digits.len() > 1 && digits.starts_with('0');
        if cost.starts_with('+') || cost == "-0" || leading_zero || cost.parse::<i32>().is_err() {
            errors.invalid(&path.key(DELETION_COST), cost, "must be a 32bit integer");
        }
    }
    security::validate_annotations(path, annotations, spec, errors);
}

/// The template of a controller's pods.
pub fn validate_template(path: &Path<'_>, template: &PodTemplateSpec, errors: &mut Errors) {
    let meta = &template.metadata;
    validate_labels(&path.child("labels"), &meta.labels, errors);
    validate_annotations(&path.child("annotations"), &meta.annotations, errors);
    validate_pod_annotations(&path.child("annotations"), &meta.annotations, &template.spec, errors);
    let at = path.child("spec");
    validate_spec(&at, &template.spec, None, errors);
    security::validate_annotations_match(&at, &meta.annotations, &template.spec, errors);
    if !template.spec.ephemeral_containers.is_empty() {
        errors.forbidden(&at.child("ephemeralContainers"), "ephemeral containers not allowed in pod template");
    }
}

/// The specification of a pod; `meta` is that of a pod, none in a template.
pub fn validate_spec(path: &Path<'_>, spec: &PodSpec, meta: Option<&ObjectMeta>, errors: &mut Errors) {
    if spec.termination_grace_period_seconds.is_none() {
        errors.required(&path.child("terminationGracePeriodSeconds"), "");
    }
    let owner = Owner { pod_name: meta.map(|m| m.name.as_str()) };
    let volumes = volume::validate_volumes(&path.child("volumes"), &spec.volumes, owner, errors);
    let claims: BTreeSet<&str> =
        spec.resource_claims.iter().map(|c| c.name.as_str()).filter(|name| !name.is_empty()).collect();
    let is_mirror = meta.is_some_and(|meta| meta.annotations.contains_key(MIRROR));
    validate_claims(&path.child("resourceClaims"), &spec.resource_claims, is_mirror, errors);
    let context = Context { spec, volumes, claims };
    container::validate_containers(path, &context, errors);
    if let Some(resources) = &spec.resources {
        validate_pod_resources(&path.child("resources"), resources, &context, errors);
    }
    container::validate_host_network_ports(path, spec, meta.is_some(), errors);
    validate_policies(path, spec, errors);
    if let Some(hostname) = &spec.hostname_override {
        validate_hostname_override(path, hostname, spec, errors);
    }
    validate_names(path, spec, errors);
    env::validate_files(path, spec, errors);
}

/// What the pod as a whole asks for.
fn validate_pod_resources(path: &Path<'_>, resources: &ResourceRequirements, of: &Context<'_>, errors: &mut Errors) {
    if of.spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        return errors.forbidden(path, "may not be set for a windows pod");
    }
    if !resources.claims.is_empty() {
        errors.forbidden(&path.child("claims"), "claims may not be set for Resources at pod-level");
    }
    validate_requirements(path, resources, &of.claims, Holder::Pod, errors);
    resources::validate_consistency(path, of.spec, resources, errors);
}

fn validate_policies(path: &Path<'_>, spec: &PodSpec, errors: &mut Errors) {
    errors.required_one_of(&path.child("restartPolicy"), &spec.restart_policy, &["Always", "OnFailure", "Never"]);
    let policies = &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    errors.required_one_of(&path.child("dnsPolicy"), &spec.dns_policy, policies);
    validate_labels(&path.child("nodeSelector"), &spec.node_selector, errors);
    if let Some(context) = &spec.security_context {
        security::validate_pod(&path.child("securityContext"), context, spec, errors);
    }
    if let Some(affinity) = &spec.affinity {
        scheduling::validate_affinity(&path.child("affinity"), affinity, errors);
    }
    validate_dns(&path.child("dnsConfig"), spec, errors);
    let gates = path.child("readinessGates");
    for (i, gate) in spec.readiness_gates.iter().enumerate() {
        let at = gates.index(i);
        errors.invalid_each(
            &at.child("conditionType"),
            &gate.condition_type,
            name::qualified_name(&gate.condition_type),
        );
    }
    scheduling::validate_gates(&path.child("schedulingGates"), &spec.scheduling_gates, errors);
    scheduling::validate_spread(&path.child("topologySpreadConstraints"), &spec.topology_spread_constraints, errors);
    security::validate_windows_host_process(path, spec, errors);
    if spec.host_users == Some(false) {
        const DETAIL: &str = "when `hostUsers` is false";
        // Kubernetes writes two of these fields so.
        for (field, set) in [("hostNetwork", spec.host_network), ("HostPID", spec.host_pid), ("HostIPC", spec.host_ipc)]
        {
            if set {
                errors.forbidden(&path.child(field), DETAIL);
            }
        }
        common::visit_containers(path, spec, &mut |at, container| {
            if !container.volume_devices.is_empty() {
                errors.forbidden(&at.child("volumeDevices"), DETAIL);
            }
        });
    }
}

fn validate_names(path: &Path<'_>, spec: &PodSpec, errors: &mut Errors) {
    let named = |field: &str, value: &str, rule: fn(&str) -> Vec<String>, errors: &mut Errors| {
        if !value.is_empty() {
            errors.invalid_each(&path.child(field), value, rule(value));
        }
    };
    named("serviceAccountName", &spec.service_account_name, name::dns_subdomain, errors);
    named("nodeName", &spec.node_name, name::dns_subdomain, errors);
    if let Some(seconds) = spec.active_deadline_seconds {
        errors.in_range(&path.child("activeDeadlineSeconds"), seconds, 1, i64::from(i32::MAX));
    }
    named("hostname", &spec.hostname, name::dns_label, errors);
    named("subdomain", &spec.subdomain, name::dns_label, errors);
    scheduling::validate_tolerations(&path.child("tolerations"), &spec.tolerations, errors);
    validate_host_aliases(&path.child("hostAliases"), &spec.host_aliases, errors);
    named("priorityClassName", &spec.priority_class_name, name::dns_subdomain, errors);
    if let Some(class) = &spec.runtime_class_name {
        errors.invalid_each(&path.child("runtimeClassName"), class, name::dns_subdomain(class));
    }
    if let Some(policy) = &spec.preemption_policy {
        errors.required_one_of(&path.child("preemptionPolicy"), policy, &["PreemptLowerPriority", "Never"]);
    }
    if !spec.overhead.is_empty() {
        let overhead = ResourceRequirements { limits: spec.overhead.clone(), ..Default::default() };
        validate_requirements(&path.child("overhead"), &overhead, &BTreeSet::new(), Holder::Container, errors);
    }
    let Some(os) = &spec.os else { return };
    match os.name.as_str() {
        "" => errors.required(&path.child("os").child("name"), ""),
        "linux" => security::validate_linux(path, spec, errors),
        "windows" => security::validate_windows(path, spec, errors),
        other => errors.not_supported(&path.child("os"), other, &["linux", "windows"]),
    }
}

fn validate_hostname_override(path: &Path<'_>, hostname: &str, spec: &PodSpec, errors: &mut Errors) {
    let at = path.child("hostnameOverride");
    if spec.set_hostname_as_fqdn == Some(true) {
        errors.forbidden(&at, "may not be specified when setHostnameAsFQDN is true");
    }
    if spec.host_network {
        errors.forbidden(&at, "may not be specified when hostNetwork is true");
    }
    if hostname.len() > 64 {
        errors.too_long(&at, 64);
    }
    errors.invalid_each(&at, hostname, name::dns_subdomain(hostname));
}

fn validate_claims(path: &Path<'_>, claims: &[PodResourceClaim], is_mirror: bool, errors: &mut Errors) {
    let mut names = BTreeSet::new();
    for (i, claim) in claims.iter().enumerate() {
        if is_mirror {
            // Kubernetes names no field here.
            errors.forbidden(&Path::root(""), "static pods do not support resource claims");
            continue;
        }
        let at = path.index(i);
        let name_at = at.child("name");
        if !errors.required_text(&name_at, &claim.name) {
            if names.insert(claim.name.as_str()) {
                errors.invalid_each(&name_at, &claim.name, name::dns_label(&claim.name));
            } else {
                errors.duplicate(&name_at, &claim.name);
            }
        }
        let detail = match (&claim.resource_claim_name, &claim.resource_claim_template_name) {
            (Some(_), Some(_)) => "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
            (None, None) => "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
            _ => "",
        };
        if !detail.is_empty() {
            errors.invalid_shown(&at, internal::compact(claim), detail);
        }
        for (field, value) in [
            ("resourceClaimName", &claim.resource_claim_name),
            ("resourceClaimTemplateName", &claim.resource_claim_template_name),
        ] {
            if let Some(value) = value {
                errors.invalid_each(&at.child(field), value, name::dns_subdomain(value));
            }
        }
    }
}

fn validate_dns(path: &Path<'_>, spec: &PodSpec, errors: &mut Errors) {
    let none = spec.dns_policy == "None";
    let Some(PodDNSConfig { nameservers, searches, options }) = &spec.dns_config else {
        if none {
            errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        return;
    };
    let servers_at = path.child("nameservers");
    if none && nameservers.is_empty() {
        return errors.required(&servers_at, "must provide at least one DNS nameserver when `dnsPolicy` is None");
    }
    if nameservers.len() > 3 {
        errors.invalid(&servers_at, nameservers, "must not have more than 3 nameservers");
    }
    for (i, server) in nameservers.iter().enumerate() {
        validate_ip(&servers_at.index(i), server, errors);
    }
    let searches_at = path.child("searches");
    if searches.len() > 32 {
        errors.invalid(&searches_at, searches, "must not have more than 32 search paths");
    }
    if searches.join(" ").len() > 2048 {
        let detail = "must not have more than 2048 characters (including spaces) in the search list";
        errors.invalid(&searches_at, searches, detail);
    }
    for (i, search) in searches.iter().enumerate().filter(|(_, search)| *search != ".") {
        let search = search.strip_suffix('.').unwrap_or(search);
        errors.invalid_each(&searches_at.index(i), search, name::dns_subdomain_underscore(search));
    }
    let options_at = path.child("options");
    for (i, option) in options.iter().enumerate() {
        if option.name.is_empty() {
            errors.required(&options_at.index(i), "must not be empty");
        }
    }
}

fn validate_host_aliases(path: &Path<'_>, aliases: &[HostAlias], errors: &mut Errors) {
    for (i, alias) in aliases.iter().enumerate() {
        let at = path.index(i);
        validate_ip(&at.child("ip"), &alias.ip, errors);
        let names = at.child("hostnames");
        for (j, host) in alias.hostnames.iter().enumerate() {
            errors.invalid_each(&names.index(j), host, name::dns_subdomain(host));
        }
    }
}
