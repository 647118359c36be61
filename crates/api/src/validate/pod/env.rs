//! Environment variables and the fields of the downward API to faults.

use crate::core::env::{EnvFromSource, EnvVar, ObjectFieldSelector, ResourceFieldSelector};
use crate::core::pod::PodSpec;
use crate::validate::error::{Errors, Shown};
use crate::validate::name;
use crate::validate::path::Path;
use crate::validate::pod::common::visit_containers;
use crate::validate::pod::place::validate_no_backsteps;

/// Fields that a variable can take, sorted.
pub const ENV_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Fields that a file can take, sorted.
pub const FILE_FIELDS: &[&str] =
    &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

/// Resources that a variable or a file can take, sorted.
const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// Fields of a pod that any selector may name before it is asked which fit the place.
const POD_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// The variables of a container.
pub fn validate_env(path: &Path<'_>, env: &[EnvVar], errors: &mut Errors) {
    for (i, var) in env.iter().enumerate() {
        let at = path.index(i);
        if !errors.required_text(&at.child("name"), &var.name) {
            errors.invalid_each(&at.child("name"), &var.name, name::env_name(&var.name));
        }
        validate_value_from(&at.child("valueFrom"), var, errors);
    }
}

fn validate_value_from(path: &Path<'_>, var: &EnvVar, errors: &mut Errors) {
    let Some(from) = &var.value_from else { return };
    let mut sources = 0;
    if let Some(field) = &from.field_ref {
        sources += 1;
        validate_field(&path.child("fieldRef"), field, ENV_FIELDS, errors);
    }
    if let Some(resource) = &from.resource_field_ref {
        sources += 1;
        validate_resource_field(&path.child("resourceFieldRef"), resource, false, errors);
    }
    if let Some(key) = &from.config_map_key_ref {
        sources += 1;
        validate_key(&path.child("configMapKeyRef"), &key.name, &key.key, errors);
    }
    if let Some(key) = &from.secret_key_ref {
        sources += 1;
        validate_key(&path.child("secretKeyRef"), &key.name, &key.key, errors);
    }
    if let Some(file) = &from.file_key_ref {
        sources += 1;
        let at = path.child("fileKeyRef");
        if !errors.required_text(&at.child("key"), &file.key) {
            errors.invalid_each(&at.child("key"), &file.key, name::env_name(&file.key));
        }
        if !errors.required_text(&at.child("volumeName"), &file.volume_name) {
            errors.invalid_each(&at.child("volumeName"), &file.volume_name, name::dns_label(&file.volume_name));
        }
        if !errors.required_text(&at.child("path"), &file.path) {
            validate_no_backsteps(&at.child("path"), &file.path, errors);
        }
    }
    if sources == 0 {
        let detail =
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        errors.invalid(path, "", detail);
    } else if !var.value.is_empty() {
        errors.invalid(path, "", "may not be specified when `value` is not empty");
    } else if sources > 1 {
        errors.invalid(path, "", "may not have more than one field specified at a time");
    }
}

fn validate_key(path: &Path<'_>, object: &str, key: &str, errors: &mut Errors) {
    errors.invalid_each(&path.child("name"), object, name::dns_subdomain(object));
    if !errors.required_text(&path.child("key"), key) {
        errors.invalid_each(&path.child("key"), key, name::config_key(key));
    }
}

/// A field of the pod; `allowed` are those that fit the place.
pub fn validate_field(path: &Path<'_>, field: &ObjectFieldSelector, allowed: &[&str], errors: &mut Errors) {
    if errors.required_text(&path.child("apiVersion"), &field.api_version)
        || errors.required_text(&path.child("fieldPath"), &field.field_path)
    {
        return;
    }
    let subscript = split_subscript(&field.field_path);
    let plain = subscript.map_or(field.field_path.as_str(), |(path, _)| path);
    let at = path.child("fieldPath");
    if field.api_version != "v1" {
        let detail = format!("error converting fieldPath: unsupported pod version: {}", field.api_version);
        errors.invalid(&at, &field.field_path, &detail);
        return;
    }
    let convertible = match subscript {
        Some((path, _)) => path == "metadata.annotations" || path == "metadata.labels",
        None => POD_FIELDS.contains(&plain),
    };
    // spec.host is an old name of spec.nodeName.
    if !convertible && plain != "spec.host" {
        let what = match subscript {
            Some((path, _)) => format!("field label does not support subscript: {path}"),
            None => format!("field label not supported: {plain}"),
        };
        errors.invalid(&at, &field.field_path, &format!("error converting fieldPath: {what}"));
        return;
    }
    match subscript {
        Some(("metadata.annotations", key)) => {
            let key = key.to_lowercase();
            errors.invalid_each(path, &key, name::qualified_name(&key));
        }
        Some((_, key)) => errors.invalid_each(path, key, name::qualified_name(key)),
        None => {
            let plain = if plain == "spec.host" { "spec.nodeName" } else { plain };
            errors.one_of(&at, plain, allowed);
        }
    }
}

/// `metadata.labels['key']` as its path and key.
fn split_subscript(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_suffix("']")?;
    let (path, key) = inner.split_once("['")?;
    (!path.is_empty()).then_some((path, key))
}

/// A request or limit of a container; a file must say of which.
pub fn validate_resource_field(path: &Path<'_>, field: &ResourceFieldSelector, file: bool, errors: &mut Errors) {
    let resource = field.resource.as_str();
    let huge = resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-");
    if file && field.container_name.is_empty() {
        errors.required(&path.child("containerName"), "");
    } else if !errors.required_text(&path.child("resource"), resource) && !huge && !RESOURCES.contains(&resource) {
        errors.not_supported_shown(&path.child("resource"), resource.shown(), RESOURCES);
    }
    validate_divisor(path, field, huge, errors);
}

fn validate_divisor(path: &Path<'_>, field: &ResourceFieldSelector, huge: bool, errors: &mut Errors) {
    const BYTES: &[&str] = &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
    if field.divisor.is_zero() {
        return;
    }
    let divisor = field.divisor.to_string();
    let (good, units, what) = match field.resource.as_str() {
        "limits.cpu" | "requests.cpu" => (["1m", "1"].contains(&divisor.as_str()), "1m and 1".to_owned(), "cpu"),
        resource => {
            let what = match resource {
                "limits.memory" | "requests.memory" => "memory",
                "limits.ephemeral-storage" | "requests.ephemeral-storage" => "local ephemeral storage",
                _ if huge => "hugepages",
                _ => return,
            };
            (BYTES.contains(&divisor.as_str()), BYTES.join(", "), what)
        }
    };
    if !good {
        let detail = format!("only divisor's values {units} are supported with the {what} resource");
        errors.invalid(&path.child("divisor"), &field.resource, &detail);
    }
}

/// Variables out of files: their volumes are there, and empty directories.
pub fn validate_files(path: &Path<'_>, spec: &PodSpec, errors: &mut Errors) {
    visit_containers(path, spec, &mut |at, container| {
        let list = at.child("env");
        for (i, var) in container.env.iter().enumerate() {
            let Some(file) = var.value_from.as_ref().and_then(|from| from.file_key_ref.as_ref()) else { continue };
            let element = list.index(i);
            let from = element.child("valueFrom");
            let key = from.child("fileKeyRef");
            let at = key.child("volumeName");
            match spec.volumes.iter().rev().find(|volume| volume.name == file.volume_name) {
                None => errors.not_found(&at, &file.volume_name, ""),
                Some(volume) if volume.empty_dir.is_none() => {
                    errors.invalid(&at, &file.volume_name, "referenced volume must be of type emptyDir");
                }
                Some(_) => {}
            }
        }
    });
}

/// The bulk sources of variables.
pub fn validate_env_from(path: &Path<'_>, sources: &[EnvFromSource], errors: &mut Errors) {
    for (i, source) in sources.iter().enumerate() {
        let at = path.index(i);
        if !source.prefix.is_empty() {
            errors.invalid_each(&at.child("prefix"), &source.prefix, name::env_name(&source.prefix));
        }
        let named = [
            ("configMapRef", source.config_map_ref.as_ref().map(|r| &r.name)),
            ("secretRef", source.secret_ref.as_ref().map(|r| &r.name)),
        ];
        let mut count = 0;
        for (field, object) in named {
            let Some(object) = object else { continue };
            count += 1;
            let at = at.child(field);
            if !errors.required_text(&at.child("name"), object) {
                errors.invalid_each(&at.child("name"), object, name::prefix(object, name::dns_subdomain));
            }
        }
        if count == 0 {
            errors.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`");
        } else if count > 1 {
            errors.invalid(path, "", "may not have more than one field specified at a time");
        }
    }
}
