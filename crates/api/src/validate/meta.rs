//! Metadata of an object to faults, on create and on update.

use std::collections::{BTreeMap, BTreeSet};

use crate::meta::object_meta::{ManagedFieldsEntry, ObjectMeta, OwnerReference};
use crate::validate::error::{Errors, Shown};
use crate::validate::name;
use crate::validate::path::Path;
use crate::validate::quote::is_print;
use crate::validate::selector::validate_labels;

/// Bytes that all annotations of an object may have together.
const ANNOTATIONS_MAX: usize = 256 * 1024;

const META: Path<'static> = Path::root("metadata");

/// Whether a kind's objects live in namespaces.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// They do.
    Namespaced,
    /// They do not.
    Cluster,
}

/// Metadata of a new object; `rule` judges its name.
pub fn validate_create(meta: &ObjectMeta, scope: Scope, rule: fn(&str) -> Vec<String>, errors: &mut Errors) {
    validate_common(meta, scope, rule, errors);
    validate_kube_finalizers(&META, &meta.finalizers, errors);
}

/// What holds for metadata of every kind, custom ones included.
pub fn validate_any(meta: &ObjectMeta, scope: Scope, errors: &mut Errors) {
    let prefix = name::path_segment_prefix(&meta.generate_name);
    validate_with(meta, scope, name::path_segment, prefix, errors);
}

/// Metadata of an object whose name this rule judges.
pub fn validate_common(meta: &ObjectMeta, scope: Scope, rule: fn(&str) -> Vec<String>, errors: &mut Errors) {
    let prefix = if meta.generate_name.is_empty() { Vec::new() } else { name::prefix(&meta.generate_name, rule) };
    validate_with(meta, scope, rule, prefix, errors);
}

fn validate_with(
    meta: &ObjectMeta,
    scope: Scope,
    rule: fn(&str) -> Vec<String>,
    prefix: Vec<String>,
    errors: &mut Errors,
) {
    errors.invalid_each(&META.child("generateName"), &meta.generate_name, prefix);
    let path = META.child("name");
    if !meta.name.is_empty() {
        errors.invalid_each(&path, &meta.name, rule(&meta.name));
    } else if meta.generate_name.is_empty() {
        errors.required(&path, "name or generateName is required");
    }
    let path = META.child("namespace");
    match scope {
        Scope::Namespaced if meta.namespace.is_empty() => errors.required(&path, ""),
        Scope::Namespaced => errors.invalid_each(&path, &meta.namespace, name::dns_label(&meta.namespace)),
        Scope::Cluster if !meta.namespace.is_empty() => errors.forbidden(&path, "not allowed on this type"),
        Scope::Cluster => {}
    }
    errors.non_negative(&META.child("generation"), meta.generation);
    validate_labels(&META.child("labels"), &meta.labels, errors);
    validate_annotations(&META.child("annotations"), &meta.annotations, errors);
    validate_owners(&META.child("ownerReferences"), &meta.owner_references, errors);
    validate_finalizers(&META.child("finalizers"), &meta.finalizers, errors);
    validate_managed_fields(&META.child("managedFields"), &meta.managed_fields, errors);
}

/// Metadata of an object that replaces another; `kube` adds the rule about unqualified finalizers.
pub fn validate_update(new: &ObjectMeta, old: &ObjectMeta, kube: bool, errors: &mut Errors) {
    if old.deletion_timestamp.is_some() {
        let before: BTreeSet<&String> = old.finalizers.iter().collect();
        let extra: BTreeSet<&String> = new.finalizers.iter().filter(|f| !before.contains(f)).collect();
        if !extra.is_empty() {
            let list: Vec<String> = extra.iter().map(|f| f.shown()).collect();
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                list.join(", ")
            );
            errors.forbidden(&META.child("finalizers"), &detail);
        }
    }
    if new.resource_version.is_empty() {
        errors.invalid(&META.child("resourceVersion"), "", "must be specified for an update");
    }
    if new.generation < old.generation {
        errors.invalid(&META.child("generation"), &new.generation, "must not be decremented");
    }
    errors.immutable(&META.child("name"), &new.name, &old.name);
    errors.immutable(&META.child("namespace"), &new.namespace, &old.namespace);
    errors.immutable(&META.child("uid"), &new.uid, &old.uid);
    errors.immutable(&META.child("creationTimestamp"), &new.creation_timestamp, &old.creation_timestamp);
    errors.immutable(&META.child("deletionTimestamp"), &new.deletion_timestamp, &old.deletion_timestamp);
    let path = META.child("deletionGracePeriodSeconds");
    errors.immutable(&path, &new.deletion_grace_period_seconds, &old.deletion_grace_period_seconds);
    validate_labels(&META.child("labels"), &new.labels, errors);
    validate_annotations(&META.child("annotations"), &new.annotations, errors);
    validate_owners(&META.child("ownerReferences"), &new.owner_references, errors);
    validate_managed_fields(&META.child("managedFields"), &new.managed_fields, errors);
    if kube {
        validate_kube_finalizers(&META, &new.finalizers, errors);
    }
}

/// Keys and size of annotations.
pub fn validate_annotations(path: &Path<'_>, annotations: &BTreeMap<String, String>, errors: &mut Errors) {
    for key in annotations.keys() {
        errors.invalid_each(path, key, name::qualified_name(&key.to_lowercase()));
    }
    if annotations.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > ANNOTATIONS_MAX {
        errors.too_long(path, ANNOTATIONS_MAX);
    }
}

fn validate_owners(path: &Path<'_>, owners: &[OwnerReference], errors: &mut Errors) {
    let mut controller: Option<String> = None;
    for owner in owners {
        // `group/version`; what has more parts is read as neither.
        let parts: Vec<&str> = owner.api_version.split('/').collect();
        let version = if parts.len() > 2 { "" } else { parts[parts.len() - 1] };
        if version.is_empty() {
            errors.invalid(&path.child("apiVersion"), &owner.api_version, "version must not be empty");
        }
        for (field, value) in [("kind", &owner.kind), ("name", &owner.name), ("uid", &owner.uid)] {
            if value.is_empty() {
                errors.invalid(&path.child(field), value, "must not be empty");
            }
        }
        if ["v1", "/v1"].contains(&owner.api_version.as_str()) && owner.kind == "Event" {
            errors.invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner");
        }
        if owner.controller == Some(true) {
            let this = format!("{}/{}", owner.kind, owner.name);
            match &controller {
                None => controller = Some(this),
                Some(first) => {
                    let detail = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}"
                    );
                    errors.invalid(path, owners, &detail);
                }
            }
        }
    }
}

fn validate_finalizers(path: &Path<'_>, finalizers: &[String], errors: &mut Errors) {
    for finalizer in finalizers {
        errors.invalid_each(path, finalizer, name::qualified_name(finalizer));
    }
    let has = |wanted: &str| finalizers.iter().any(|f| f == wanted);
    if has("orphan") && has("foregroundDeletion") {
        errors.invalid(path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set");
    }
}

fn validate_kube_finalizers(meta: &Path<'_>, finalizers: &[String], errors: &mut Errors) {
    let path = meta.child("finalizers");
    for (i, finalizer) in finalizers.iter().enumerate() {
        validate_kube_finalizer(&path.index(i), finalizer, errors);
    }
}

/// A finalizer without a prefix must be one of Kubernetes' own.
pub fn validate_kube_finalizer(path: &Path<'_>, finalizer: &str, errors: &mut Errors) {
    if !finalizer.contains('/') && !["kubernetes", "orphan", "foregroundDeletion"].contains(&finalizer) {
        errors.invalid(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified");
    }
}

fn validate_managed_fields(path: &Path<'_>, entries: &[ManagedFieldsEntry], errors: &mut Errors) {
    for (i, entry) in entries.iter().enumerate() {
        let at = path.index(i);
        if !["Apply", "Update"].contains(&entry.operation.as_str()) {
            errors.invalid_named(&at.child("operation"), &entry.operation, "must be `Apply` or `Update`");
        }
        if !entry.fields_type.is_empty() && entry.fields_type != "FieldsV1" {
            errors.invalid(&at.child("fieldsType"), &entry.fields_type, "must be `FieldsV1`");
        }
        validate_manager(&at.child("manager"), &entry.manager, errors);
        if entry.subresource.len() > 256 {
            errors.too_long(&at.child("subresource"), 256);
        }
    }
}

/// The name of who manages fields: 128 bytes, and all of it prints.
fn validate_manager(path: &Path<'_>, manager: &str, errors: &mut Errors) {
    if manager.len() > 128 {
        errors.too_long(path, 128);
    }
    for (at, c) in manager.char_indices().filter(|(_, c)| !is_print(*c)) {
        errors.invalid(path, manager, &format!("invalid character U+{:04X} (at position {at})", u32::from(c)));
    }
}
