//! Namespaces, ConfigMaps, Secrets and ServiceAccounts to their descriptions.

use crate::core::config::{ConfigMap, Secret, ServiceAccount};
use crate::core::namespace::Namespace;
use crate::describe::event::Events;
use crate::describe::page::{Page, stamp};
use crate::meta::object_meta::ObjectMeta;

/// The type of secrets that hold a token of a service account.
const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";

/// A namespace. Quotas and limit ranges are not supported, so that there are none.
pub fn namespace(namespace: &Namespace) -> String {
    let mut page = Page::default();
    page.field(0, "Name", &namespace.metadata.name);
    page.labels("Labels", &namespace.metadata.labels);
    page.annotations("Annotations", &namespace.metadata.annotations);
    page.field(0, "Status", &namespace.status.phase);
    if !namespace.status.conditions.is_empty() {
        page.put(0, format_args!("Conditions:\n"));
        page.put(1, format_args!("Type\tStatus\tLastTransitionTime\tReason\tMessage\n"));
        page.put(1, format_args!("----\t------\t------------------\t------\t-------\n"));
        for c in &namespace.status.conditions {
            let time = stamp(c.last_transition_time);
            page.put(1, format_args!("{}\t{}\t{time}\t{}\t{}\n", c.type_, c.status, c.reason, c.message));
        }
    }
    page.put(0, format_args!("\nNo resource quota.\n"));
    page.put(0, format_args!("\nNo LimitRange resource.\n"));
    page.finish()
}

fn head(page: &mut Page, meta: &ObjectMeta) {
    page.name(meta);
    page.labels("Labels", &meta.labels);
    page.annotations("Annotations", &meta.annotations);
}

/// A ConfigMap with its text; of bytes only how many.
pub fn config_map(map: &ConfigMap, events: &Events) -> String {
    let mut page = Page::default();
    head(&mut page, &map.metadata);
    page.put(0, format_args!("\nData\n====\n"));
    for (key, value) in &map.data {
        page.put(0, format_args!("{key}:\n----\n{value}\n\n"));
    }
    page.put(0, format_args!("\nBinaryData\n====\n"));
    for (key, value) in &map.binary_data {
        page.put(0, format_args!("{key}: {} bytes\n", value.0.len()));
    }
    page.put(0, format_args!("\n"));
    events.write(&mut page);
    page.finish()
}

/// A Secret; of its values only how long they are, but a service account's token is shown, as kubectl does.
pub fn secret(secret: &Secret) -> String {
    let mut page = Page::default();
    head(&mut page, &secret.metadata);
    page.put(0, format_args!("\nType:\t{}\n", secret.type_));
    page.put(0, format_args!("\nData\n====\n"));
    for (key, value) in &secret.data {
        if key == "token" && secret.type_ == TOKEN_TYPE {
            page.field(0, key, String::from_utf8_lossy(&value.0));
        } else {
            page.put(0, format_args!("{key}:\t{} bytes\n", value.0.len()));
        }
    }
    page.finish()
}

/// A ServiceAccount with the secrets it names and the tokens made for it.
pub fn service_account(account: &ServiceAccount, secrets: Option<&[Secret]>, events: &Events) -> String {
    let meta = &account.metadata;
    let mut page = Page::default();
    head(&mut page, meta);
    let here: Vec<&Secret> =
        secrets.unwrap_or_default().iter().filter(|secret| secret.metadata.namespace == meta.namespace).collect();
    let is_missing = |name: &str| secrets.is_some() && !here.iter().any(|secret| secret.metadata.name == name);
    let is_token = |secret: &&&Secret| {
        let note = |key: &str| secret.metadata.annotations.get(key).map_or("", String::as_str);
        secret.type_ == TOKEN_TYPE
            && note("kubernetes.io/service-account.name") == meta.name
            && note("kubernetes.io/service-account.uid") == meta.uid
    };
    let pull: Vec<&str> = account.image_pull_secrets.iter().map(|s| s.name.as_str()).collect();
    let mount: Vec<&str> = account.secrets.iter().map(|s| s.name.as_str()).collect();
    let tokens: Vec<&str> = here.iter().filter(is_token).map(|s| s.metadata.name.as_str()).collect();
    let headers = ["Image pull secrets:", "Mountable secrets: ", "Tokens:            "];
    for (header, names) in headers.into_iter().zip([pull, mount, tokens]) {
        if names.is_empty() {
            page.put(0, format_args!("{header}\t<none>\n"));
        }
        for (i, name) in names.iter().enumerate() {
            let header = if i == 0 { header } else { "                   " };
            let note = if is_missing(name) { " (not found)" } else { "" };
            page.put(0, format_args!("{header}\t{name}{note}\n"));
        }
    }
    events.write(&mut page);
    page.finish()
}
