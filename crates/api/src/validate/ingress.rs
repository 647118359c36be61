//! Ingresses and their classes to faults, on create and on update.

use crate::core::reference::TypedLocalObjectReference;
use crate::networking::class::CLASS_ANNOTATION;
use crate::networking::ingress::{
    HTTPIngressPath, Ingress, IngressBackend, IngressClass, IngressClassParametersReference, IngressServiceBackend,
    IngressTLS,
};
use crate::validate::error::Errors;
use crate::validate::ip;
use crate::validate::meta::{Scope, validate_create as validate_meta, validate_update as validate_meta_update};
use crate::validate::name;
use crate::validate::path::Path;

const SPEC: Path<'static> = Path::root("spec");
/// Bytes that the name of a controller may have.
const CONTROLLER_MAX: usize = 250;
/// What a controller's name may hold after its domain (Kubernetes' `httpPathFmt`).
const PATH_BYTES: &[u8] = b"/-._~%!$&'()*+,;=:";

/// A new ingress.
pub fn validate_create(ingress: &Ingress, errors: &mut Errors) {
    validate(ingress, false, errors);
    if let (Some(annotation), Some(class)) =
        (ingress.metadata.annotations.get(CLASS_ANNOTATION), &ingress.spec.ingress_class_name)
        && annotation != class
    {
        let at = Path::root("annotations");
        let detail = "must match `ingressClassName` when both are specified";
        errors.invalid(&at.child(CLASS_ANNOTATION), annotation, detail);
    }
}

/// An ingress that replaces another.
pub fn validate_update(new: &Ingress, old: &Ingress, errors: &mut Errors) {
    validate_meta_update(&new.metadata, &old.metadata, true, errors);
    let bad_secret = |tls: &IngressTLS| !secret_faults(&tls.secret_name).is_empty();
    validate(new, old.spec.tls.iter().any(bad_secret), errors);
}

fn validate(ingress: &Ingress, any_secret_name: bool, errors: &mut Errors) {
    validate_meta(&ingress.metadata, Scope::Namespaced, name::dns_subdomain, errors);
    let spec = &ingress.spec;
    if spec.rules.is_empty() && spec.default_backend.is_none() {
        errors.invalid_shown(&SPEC, "null".to_owned(), "either `defaultBackend` or `rules` must be specified");
    }
    if let Some(backend) = &spec.default_backend {
        validate_backend(&SPEC.child("defaultBackend"), backend, errors);
    }
    let rules = SPEC.child("rules");
    for (i, rule) in spec.rules.iter().enumerate() {
        let at = rules.index(i);
        if !rule.host.is_empty() {
            let host = at.child("host");
            if ip::parse(&rule.host).is_some() {
                errors.invalid(&host, &rule.host, "must be a DNS name, not an IP address");
            }
            validate_host(&host, &rule.host, errors);
        }
        if let Some(http) = &rule.http {
            let http_at = at.child("http");
            let paths = http_at.child("paths");
            if http.paths.is_empty() {
                errors.required(&paths, "");
            }
            for (j, path) in http.paths.iter().enumerate() {
                validate_path(&paths.index(j), path, errors);
            }
        }
    }
    let tls_at = SPEC.child("tls");
    for (i, tls) in spec.tls.iter().enumerate() {
        let at = tls_at.index(i);
        let hosts = at.child("hosts");
        for (j, host) in tls.hosts.iter().enumerate() {
            validate_host(&hosts.index(j), host, errors);
        }
        if !any_secret_name {
            errors.invalid_each(&at.child("secretName"), &tls.secret_name, secret_faults(&tls.secret_name));
        }
    }
    if let Some(class) = &spec.ingress_class_name {
        errors.invalid_each(&SPEC.child("ingressClassName"), class, name::dns_subdomain(class));
    }
}

fn secret_faults(secret: &str) -> Vec<String> {
    if secret.is_empty() { Vec::new() } else { name::dns_subdomain(secret) }
}

fn validate_host(path: &Path<'_>, host: &str, errors: &mut Errors) {
    let faults = if host.contains('*') { name::wildcard_subdomain(host) } else { name::dns_subdomain(host) };
    errors.invalid_each(path, host, faults);
}

fn validate_path(at: &Path<'_>, path: &HTTPIngressPath, errors: &mut Errors) {
    let text = path.path.as_str();
    let path_at = at.child("path");
    let Some(kind) = &path.path_type else {
        return errors.required(&at.child("pathType"), "pathType must be specified");
    };
    match kind.as_str() {
        "Exact" | "Prefix" => {
            if !text.starts_with('/') {
                errors.invalid(&path_at, text, "must be an absolute path");
            }
            for part in ["//", "/./", "/../", "%2f", "%2F"].into_iter().filter(|part| text.contains(part)) {
                errors.invalid(&path_at, text, &format!("must not contain '{part}'"));
            }
            for end in ["/..", "/."].into_iter().filter(|end| text.ends_with(end)) {
                errors.invalid(&path_at, text, &format!("cannot end with '{end}'"));
            }
        }
        "ImplementationSpecific" => {
            if !text.is_empty() && !text.starts_with('/') {
                errors.invalid(&path_at, text, "must be an absolute path");
            }
        }
        other => errors.not_supported(&at.child("pathType"), other, &["Exact", "ImplementationSpecific", "Prefix"]),
    }
    validate_backend(&at.child("backend"), &path.backend, errors);
}

fn validate_backend(at: &Path<'_>, backend: &IngressBackend, errors: &mut Errors) {
    match (&backend.resource, &backend.service) {
        (Some(_), Some(_)) => errors.invalid(at, "", "cannot set both resource and service backends"),
        (Some(resource), None) => validate_resource(&at.child("resource"), resource, errors),
        (None, Some(service)) => validate_service(at, service, errors),
        (None, None) => errors.invalid(at, "", "resource or service backend is required"),
    }
}

fn validate_service(at: &Path<'_>, service: &IngressServiceBackend, errors: &mut Errors) {
    let service_at = at.child("service");
    let name_at = service_at.child("name");
    if !errors.required_text(&name_at, &service.name) {
        errors.invalid_each(&name_at, &service.name, name::dns_label(&service.name));
    }
    let port_at = service_at.child("port");
    match (service.port.name.as_str(), service.port.number) {
        ("", 0) => errors.required(at, "port name or number is required"),
        ("", number) => errors.port(&port_at.child("number"), number),
        (name, 0) => errors.invalid_each(&port_at.child("name"), name, name::port_name(name)),
        _ => errors.invalid(at, "", "cannot set both port name & port number"),
    }
}

fn validate_resource(at: &Path<'_>, resource: &TypedLocalObjectReference, errors: &mut Errors) {
    validate_group(at, resource.api_group.as_deref(), errors);
    validate_segment(at, "kind", &resource.kind, errors);
    validate_segment(at, "name", &resource.name, errors);
}

fn validate_group(at: &Path<'_>, group: Option<&str>, errors: &mut Errors) {
    if let Some(group) = group {
        errors.invalid_each(&at.child("apiGroup"), group, name::dns_subdomain(group));
    }
}

fn validate_segment(parent: &Path<'_>, field: &str, text: &str, errors: &mut Errors) {
    let at = &parent.child(field);
    if !errors.required_text(at, text) {
        errors.invalid_each(at, text, name::path_segment(text));
    }
}

/// A new class.
pub fn validate_class_create(class: &IngressClass, errors: &mut Errors) {
    validate_meta(&class.metadata, Scope::Cluster, name::dns_subdomain, errors);
    let at = SPEC.child("controller");
    let controller = class.spec.controller.as_str();
    if controller.len() > CONTROLLER_MAX {
        errors.too_long(&at, CONTROLLER_MAX);
    }
    if !errors.required_text(&at, controller) {
        validate_domain_path(&at, controller, errors);
    }
    if let Some(parameters) = &class.spec.parameters {
        validate_parameters(&SPEC.child("parameters"), parameters, errors);
    }
}

/// A class that replaces another.
pub fn validate_class_update(new: &IngressClass, old: &IngressClass, errors: &mut Errors) {
    validate_meta_update(&new.metadata, &old.metadata, true, errors);
    errors.immutable(&SPEC.child("controller"), &new.spec.controller, &old.spec.controller);
    validate_class_create(new, errors);
}

fn validate_domain_path(at: &Path<'_>, text: &str, errors: &mut Errors) {
    match text.split_once('/') {
        Some((host, path)) if !host.is_empty() && !path.is_empty() => {
            errors.invalid_each(at, host, name::dns_subdomain(host));
            if !path.bytes().all(|b| b.is_ascii_alphanumeric() || PATH_BYTES.contains(&b)) {
                let detail = r"Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')";
                errors.invalid(at, path, detail);
            }
        }
        _ => errors.invalid(at, text, "must be a domain-prefixed path (such as \"acme.io/foo\")"),
    }
}

fn validate_parameters(at: &Path<'_>, parameters: &IngressClassParametersReference, errors: &mut Errors) {
    validate_group(at, parameters.api_group.as_deref(), errors);
    validate_segment(at, "kind", &parameters.kind, errors);
    validate_segment(at, "name", &parameters.name, errors);
    let namespace_at = at.child("namespace");
    match (parameters.scope.as_deref(), &parameters.namespace) {
        (None, _) => errors.required(&at.child("scope"), ""),
        (Some("Namespace"), None) => errors.required(&namespace_at, "`parameters.scope` is set to 'Namespace'"),
        (Some("Namespace"), Some(namespace)) => {
            errors.invalid_each(&namespace_at, namespace, name::dns_label(namespace));
        }
        (Some("Cluster"), Some(_)) => errors.forbidden(&namespace_at, "`parameters.scope` is set to 'Cluster'"),
        (Some("Cluster"), None) => {}
        (Some(other), _) => errors.not_supported(&at.child("scope"), other, &["Cluster", "Namespace"]),
    }
}
