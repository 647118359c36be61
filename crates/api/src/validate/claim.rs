//! Claims on storage, as templates of ephemeral volumes, to faults.

use crate::core::claim::{PersistentVolumeClaimSpec, PersistentVolumeClaimTemplate};
use crate::validate::error::Errors;
use crate::validate::meta::validate_annotations;
use crate::validate::name;
use crate::validate::path::Path;
use crate::validate::selector::{validate_labels, validate_selector};

const ACCESS_MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// The claim an ephemeral volume makes: labels, annotations and a spec, nothing else.
pub fn validate_claim_template(path: &Path<'_>, template: &PersistentVolumeClaimTemplate, errors: &mut Errors) {
    let meta_at = path.child("metadata");
    let meta = &template.metadata;
    validate_annotations(&meta_at.child("annotations"), &meta.annotations, errors);
    validate_labels(&meta_at.child("labels"), &meta.labels, errors);
    for (field, set) in [
        ("name", !meta.name.is_empty()),
        ("generateName", !meta.generate_name.is_empty()),
        ("namespace", !meta.namespace.is_empty()),
        ("selfLink", !meta.self_link.is_empty()),
        ("uID", !meta.uid.is_empty()),
        ("resourceVersion", !meta.resource_version.is_empty()),
        ("generation", meta.generation != 0),
        ("creationTimestamp", meta.creation_timestamp.is_some()),
        ("deletionTimestamp", meta.deletion_timestamp.is_some()),
        ("deletionGracePeriodSeconds", meta.deletion_grace_period_seconds.is_some()),
        ("ownerReferences", !meta.owner_references.is_empty()),
        ("finalizers", !meta.finalizers.is_empty()),
        ("managedFields", !meta.managed_fields.is_empty()),
    ] {
        if set {
            errors.forbidden(&meta_at.child(field), "cannot be set");
        }
    }
    validate_claim_spec(&path.child("spec"), &template.spec, errors);
}

fn validate_claim_spec(path: &Path<'_>, spec: &PersistentVolumeClaimSpec, errors: &mut Errors) {
    let modes = path.child("accessModes");
    if spec.access_modes.is_empty() {
        errors.required(&modes, "at least 1 access mode is required");
    }
    validate_selector(&path.child("selector"), spec.selector.as_ref(), errors);
    for mode in &spec.access_modes {
        errors.one_of(&modes, mode, ACCESS_MODES);
    }
    let once = spec.access_modes.iter().any(|m| m == "ReadWriteOncePod");
    let other = spec.access_modes.iter().any(|m| m != "ReadWriteOncePod" && ACCESS_MODES.contains(&m.as_str()));
    if once && other {
        errors.forbidden(&modes, "may not use ReadWriteOncePod with other access modes");
    }
    let resources = path.child("resources");
    match spec.resources.requests.get("storage") {
        None => errors.required(&resources.key("storage"), ""),
        Some(amount) if amount.sign() <= 0 => {
            errors.invalid(&resources.key("storage"), &amount.to_string(), "must be greater than zero");
        }
        Some(_) => {}
    }
    if let Some(class) = spec.storage_class_name.as_ref().filter(|class| !class.is_empty()) {
        errors.invalid_each(&path.child("storageClassName"), class, name::dns_subdomain(class));
    }
    if let Some(mode) = &spec.volume_mode {
        errors.one_of(&path.child("volumeMode"), mode, &["Block", "Filesystem"]);
    }
    validate_sources(path, spec, errors);
    if let Some(class) = spec.volume_attributes_class_name.as_ref().filter(|class| !class.is_empty()) {
        errors.invalid_each(&path.child("volumeAttributesClassName"), class, name::dns_subdomain(class));
    }
}

/// What a claim is filled from, in its older and its newer form, which must not contradict each other.
fn validate_sources(path: &Path<'_>, spec: &PersistentVolumeClaimSpec, errors: &mut Errors) {
    if let Some(source) = &spec.data_source {
        let at = path.child("dataSource");
        validate_source(&at, source.api_group.as_deref(), &source.kind, &source.name, errors);
    }
    let Some(source) = &spec.data_source_ref else { return };
    let at = path.child("dataSourceRef");
    validate_source(&at, source.api_group.as_deref(), &source.kind, &source.name, errors);
    let namespace = source.namespace.as_deref().unwrap_or_default();
    if !namespace.is_empty() {
        errors.invalid_each(&at.child("namespace"), namespace, name::dns_label(namespace));
    }
    let Some(older) = &spec.data_source else { return };
    // Kubernetes shows the path where the value should be, as a struct without fields of its own.
    if !namespace.is_empty() {
        let detail = "may not be specified when dataSourceRef.namespace is specified";
        errors.invalid_shown(path, "{}".to_owned(), detail);
    } else if (&older.api_group, &older.kind, &older.name) != (&source.api_group, &source.kind, &source.name) {
        errors.invalid_shown(path, "{}".to_owned(), "must match dataSourceRef");
    }
}

fn validate_source(path: &Path<'_>, group: Option<&str>, kind: &str, named: &str, errors: &mut Errors) {
    errors.required_text(&path.child("name"), named);
    errors.required_text(&path.child("kind"), kind);
    match group.unwrap_or_default() {
        "" if kind != "PersistentVolumeClaim" => {
            errors.invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
        }
        "" => {}
        group => errors.invalid_each(&path.child("apiGroup"), group, name::dns_subdomain(group)),
    }
}
