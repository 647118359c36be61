//! Environment variables and their sources to lines of a description.

use crate::core::container::Container;
use crate::core::env::{EnvFromSource, EnvVarSource, ObjectFieldSelector, ResourceFieldSelector};
use crate::describe::page::Page;
use crate::meta::object_meta::ObjectMeta;
use crate::quantity::Quantity;

/// ConfigMaps and Secrets whose keys all become variables.
pub fn variables_from(page: &mut Page, sources: &[EnvFromSource]) {
    if sources.is_empty() {
        return;
    }
    page.put(2, format_args!("Environment Variables from:\n"));
    for source in sources {
        let (from, name, optional) = match (&source.config_map_ref, &source.secret_ref) {
            (Some(map), _) => ("ConfigMap", map.name.as_str(), map.optional),
            (None, Some(secret)) => ("Secret", secret.name.as_str(), secret.optional),
            (None, None) => ("", "", None),
        };
        let optional = optional.unwrap_or_default();
        let prefix = match source.prefix.as_str() {
            "" => String::new(),
            prefix => format!(" with prefix '{prefix}'"),
        };
        page.put(3, format_args!("{name}\t{from}{prefix}\tOptional: {optional}\n"));
    }
}

/// Single variables. Secrets are named, never shown.
pub fn variables(page: &mut Page, container: &Container, pod: Option<&ObjectMeta>) {
    let none = if container.env.is_empty() { "\t<none>" } else { "" };
    page.put(2, format_args!("Environment:{none}\n"));
    for variable in &container.env {
        let name = &variable.name;
        if let Some(source) = &variable.value_from {
            if let Some(text) = sourced(source, container, pod) {
                page.put(3, format_args!("{name}:\t{text}\n"));
            }
            continue;
        }
        for (i, line) in variable.value.split('\n').enumerate() {
            match i {
                0 => page.put(3, format_args!("{name}:\t{line}\n")),
                _ => page.put(3, format_args!("\t{line}\n")),
            }
        }
    }
}

fn sourced(source: &EnvVarSource, container: &Container, pod: Option<&ObjectMeta>) -> Option<String> {
    if let Some(field) = &source.field_ref {
        let value = pod.map_or("", |meta| of_field(meta, field));
        return Some(format!("{value} ({}:{})", field.api_version, field.field_path));
    }
    if let Some(resource) = &source.resource_field_ref {
        let mut value = of_resource(resource, container).unwrap_or_default();
        if value == "0" && ["limits.cpu", "limits.memory"].contains(&resource.resource.as_str()) {
            "node allocatable".clone_into(&mut value);
        }
        return Some(format!("{value} ({})", resource.resource));
    }
    if let Some(key) = &source.secret_key_ref {
        let optional = key.optional.unwrap_or_default();
        return Some(format!("<set to the key '{}' in secret '{}'>\tOptional: {optional}", key.key, key.name));
    }
    let key = source.config_map_key_ref.as_ref()?;
    let optional = key.optional.unwrap_or_default();
    Some(format!("<set to the key '{}' of config map '{}'>\tOptional: {optional}", key.key, key.name))
}

/// The fields that kubectl fills in; it leaves the others empty.
fn of_field<'a>(meta: &'a ObjectMeta, field: &ObjectFieldSelector) -> &'a str {
    match field.field_path.as_str() {
        "metadata.name" => &meta.name,
        "metadata.namespace" => &meta.namespace,
        _ => "",
    }
}

/// A request or limit of the container in units of the divisor, rounded up.
fn of_resource(selector: &ResourceFieldSelector, container: &Container) -> Option<String> {
    let (amounts, name) = match selector.resource.split_once('.')? {
        ("limits", name) => (&container.resources.limits, name),
        ("requests", name) => (&container.resources.requests, name),
        _ => return None,
    };
    if !["cpu", "memory", "ephemeral-storage"].contains(&name) && !name.starts_with("hugepages-") {
        return None;
    }
    let divisor = if selector.divisor.is_zero() { Quantity::new(1) } else { selector.divisor };
    let amount = amounts.get(name).copied().unwrap_or_default();
    let (amount, unit) = match name {
        "cpu" => (amount.milli(), divisor.milli()),
        _ => (amount.value(), divisor.value()),
    };
    // A divisor is never zero here: amounts round away from it.
    Some((amount.checked_div_euclid(unit)? + i64::from(amount.rem_euclid(unit) != 0)).to_string())
}
