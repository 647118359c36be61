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
        ("uID", !meta.uid.is_empty()),
        ("resourceVersion", !meta.resource_version.is_empty()),
        ("ownerReferences", !meta.owner_references.is_empty()),
        ("finalizers", !meta.finalizers.is_empty()),
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
            let requests = resources.child("requests");
            errors.invalid(&requests.key("storage"), &amount.to_string(), "must be greater than zero");
        }
        Some(_) => {}
    }
    if let Some(class) = spec.storage_class_name.as_ref().filter(|class| !class.is_empty()) {
        errors.invalid_each(&path.child("storageClassName"), class, name::dns_subdomain(class));
    }
    if let Some(mode) = &spec.volume_mode {
        errors.one_of(&path.child("volumeMode"), mode, &["Block", "Filesystem"]);
    }
}
