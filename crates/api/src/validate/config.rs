//! ConfigMaps, Secrets, ServiceAccounts and Namespaces to faults.

use crate::core::config::{ConfigMap, Secret, ServiceAccount};
use crate::core::namespace::Namespace;
use crate::validate::error::Errors;
use crate::validate::meta::{
    Scope, validate_create as validate_meta, validate_kube_finalizer, validate_update as validate_meta_update,
};
use crate::validate::name;
use crate::validate::path::Path;

/// Bytes that all values of a ConfigMap or a Secret may have together.
const SIZE_MAX: usize = 1024 * 1024;
const FROZEN: &str = "field is immutable when `immutable` is set";
const DATA: Path<'static> = Path::root("data");
const BINARY: Path<'static> = Path::root("binaryData");
const IMMUTABLE: Path<'static> = Path::root("immutable");
const ACCOUNT: &str = "kubernetes.io/service-account.name";

/// A new ConfigMap.
pub fn validate_config_map(map: &ConfigMap, errors: &mut Errors) {
    validate_meta(&map.metadata, Scope::Namespaced, name::dns_subdomain, errors);
    let mut size = 0;
    for (key, value) in &map.data {
        let at = DATA.key(key);
        errors.invalid_each(&at, key, name::config_key(key));
        if map.binary_data.contains_key(key) {
            errors.invalid(&at, key, "duplicate of key present in binaryData");
        }
        size += value.len();
    }
    for (key, value) in &map.binary_data {
        errors.invalid_each(&BINARY.key(key), key, name::config_key(key));
        size += value.0.len();
    }
    if size > SIZE_MAX {
        errors.too_long(&Path::root(""), SIZE_MAX);
    }
}

/// A ConfigMap that replaces another.
pub fn validate_config_map_update(new: &ConfigMap, old: &ConfigMap, errors: &mut Errors) {
    validate_meta_update(&new.metadata, &old.metadata, true, errors);
    if old.immutable == Some(true) {
        for (path, changed) in [
            (IMMUTABLE, new.immutable != Some(true)),
            (DATA, new.data != old.data),
            (BINARY, new.binary_data != old.binary_data),
        ] {
            if changed {
                errors.forbidden(&path, FROZEN);
            }
        }
    }
    validate_config_map(new, errors);
}

/// A new Secret.
pub fn validate_secret(secret: &Secret, errors: &mut Errors) {
    validate_meta(&secret.metadata, Scope::Namespaced, name::dns_subdomain, errors);
    for key in secret.data.keys() {
        errors.invalid_each(&DATA.key(key), key, name::config_key(key));
    }
    if secret.data.values().map(|value| value.0.len()).sum::<usize>() > SIZE_MAX {
        errors.too_long(&DATA, SIZE_MAX);
    }
    let has = |key: &str| secret.data.contains_key(key);
    match secret.type_.as_str() {
        "kubernetes.io/service-account-token"
            if secret.metadata.annotations.get(ACCOUNT).is_none_or(String::is_empty) =>
        {
            let meta = Path::root("metadata");
            errors.required(&meta.child("annotations").key(ACCOUNT), "");
        }
        "kubernetes.io/dockercfg" => validate_json(".dockercfg", secret, errors),
        "kubernetes.io/dockerconfigjson" => validate_json(".dockerconfigjson", secret, errors),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            errors.required(&DATA.key("username"), "");
            errors.required(&DATA.key("password"), "");
        }
        "kubernetes.io/ssh-auth" if secret.data.get("ssh-privatekey").is_none_or(|key| key.0.is_empty()) => {
            errors.required(&DATA.key("ssh-privatekey"), "");
        }
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"] {
                if !has(key) {
                    errors.required(&DATA.key(key), "");
                }
            }
        }
        _ => {}
    }
}

/// The value of a key must be a JSON object; its text never reaches a message.
fn validate_json(key: &str, secret: &Secret, errors: &mut Errors) {
    let at = DATA.key(key);
    let Some(bytes) = secret.data.get(key) else { return errors.required(&at, "") };
    if let Some(fault) = crate::decode::syntax::object_fault(&bytes.0) {
        errors.invalid(&at, "<secret contents redacted>", &fault);
    }
}

/// A Secret that replaces another.
pub fn validate_secret_update(new: &Secret, old: &Secret, errors: &mut Errors) {
    validate_meta_update(&new.metadata, &old.metadata, true, errors);
    if new.type_ != old.type_ {
        errors.invalid_named(&Path::root("type"), &new.type_, "field is immutable");
    }
    if old.immutable == Some(true) {
        if new.immutable != Some(true) {
            errors.forbidden(&IMMUTABLE, FROZEN);
        }
        if new.data != old.data {
            errors.forbidden(&DATA, FROZEN);
        }
    }
    validate_secret(new, errors);
}

/// A new ServiceAccount.
pub fn validate_service_account(account: &ServiceAccount, errors: &mut Errors) {
    validate_meta(&account.metadata, Scope::Namespaced, name::dns_subdomain, errors);
}

/// A ServiceAccount that replaces another.
pub fn validate_service_account_update(new: &ServiceAccount, old: &ServiceAccount, errors: &mut Errors) {
    validate_meta_update(&new.metadata, &old.metadata, true, errors);
    validate_service_account(new, errors);
}

/// A new Namespace.
pub fn validate_namespace(namespace: &Namespace, errors: &mut Errors) {
    validate_meta(&namespace.metadata, Scope::Cluster, name::dns_label, errors);
    let spec = Path::root("spec");
    let at = spec.child("finalizers");
    for finalizer in &namespace.spec.finalizers {
        errors.invalid_each(&at, finalizer, name::qualified_name(finalizer));
        validate_kube_finalizer(&at, finalizer, errors);
    }
}

/// A Namespace that replaces another. Kubernetes checks the whole and then the change, so some faults come twice.
pub fn validate_namespace_update(new: &Namespace, old: &Namespace, errors: &mut Errors) {
    validate_namespace(new, errors);
    validate_meta_update(&new.metadata, &old.metadata, true, errors);
}
