//! The environment a container declares → the variables it gets, with references resolved and `$(NAME)` expanded.

use std::collections::BTreeMap;

use masthead_api::core::container::Container;
use masthead_api::core::env::{EnvVar, EnvVarSource};
use masthead_api::core::pod::Pod;

use crate::pods::convert::context::{Placed, References};
use crate::pods::convert::resources;

/// Why a container cannot be made, as its status tells it (`CreateContainerConfigError`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

/// The variables of a container, in the order in which a later one may refer to an earlier.
///
/// # Errors
/// A ConfigMap, Secret or key that is not optional is missing, or a field reference means nothing.
pub fn variables(
    pod: &Pod,
    container: &Container,
    placed: &Placed,
    refs: &dyn References,
) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut vars = Vars::default();
    placed.links.iter().for_each(|(name, value)| vars.set(name.clone(), value.clone().into_bytes()));
    for source in &container.env_from {
        if let Some(from) = &source.config_map_ref {
            match refs.config_map(&from.name) {
                Some(map) => map
                    .data
                    .iter()
                    .for_each(|(key, value)| vars.set(format!("{}{key}", source.prefix), value.clone().into_bytes())),
                None if from.optional == Some(true) => {}
                None => return Err(Error(format!("configmap {:?} not found", from.name))),
            }
        }
        if let Some(from) = &source.secret_ref {
            match refs.secret(&from.name) {
                Some(secret) => secret
                    .data
                    .iter()
                    .for_each(|(key, value)| vars.set(format!("{}{key}", source.prefix), value.0.clone())),
                None if from.optional == Some(true) => {}
                None => return Err(Error(format!("secret {:?} not found", from.name))),
            }
        }
    }
    for var in &container.env {
        if let Some(value) = value_of(pod, container, var, placed, refs, &vars)? {
            vars.set(var.name.clone(), value);
        }
    }
    Ok(vars.order.into_iter().filter_map(|name| vars.values.remove(&name).map(|value| (name, value))).collect())
}

#[derive(Default)]
struct Vars {
    order: Vec<String>,
    values: BTreeMap<String, Vec<u8>>,
}

impl Vars {
    fn set(&mut self, name: String, value: Vec<u8>) {
        if self.values.insert(name.clone(), value).is_none() {
            self.order.push(name);
        }
    }
}

fn value_of(
    pod: &Pod,
    container: &Container,
    var: &EnvVar,
    placed: &Placed,
    refs: &dyn References,
    vars: &Vars,
) -> Result<Option<Vec<u8>>, Error> {
    let Some(source) = &var.value_from else {
        return Ok(Some(expand(var.value.as_bytes(), &|name| vars.values.get(name).cloned())));
    };
    from_source(pod, container, source, placed, refs)
}

fn from_source(
    pod: &Pod,
    container: &Container,
    source: &EnvVarSource,
    placed: &Placed,
    refs: &dyn References,
) -> Result<Option<Vec<u8>>, Error> {
    if let Some(field) = &source.field_ref {
        return field_value(pod, &field.field_path, placed).map(|value| Some(value.into_bytes()));
    }
    if let Some(field) = &source.resource_field_ref {
        let target =
            if field.container_name.is_empty() { container } else { container_named(pod, &field.container_name)? };
        return resources::field_value(target, field, placed)
            .map(|value| Some(value.to_string().into_bytes()))
            .map_err(Error);
    }
    if let Some(key) = &source.config_map_key_ref {
        let optional = key.optional == Some(true);
        return match refs.config_map(&key.name) {
            None if optional => Ok(None),
            None => Err(Error(format!("configmap {:?} not found", key.name))),
            Some(map) => match map.data.get(&key.key) {
                Some(value) => Ok(Some(value.clone().into_bytes())),
                None if optional => Ok(None),
                None => Err(Error(format!(
                    "couldn't find key {} in ConfigMap {}/{}",
                    key.key, pod.metadata.namespace, key.name
                ))),
            },
        };
    }
    if let Some(key) = &source.secret_key_ref {
        let optional = key.optional == Some(true);
        return match refs.secret(&key.name) {
            None if optional => Ok(None),
            None => Err(Error(format!("secret {:?} not found", key.name))),
            Some(secret) => match secret.data.get(&key.key) {
                Some(value) => Ok(Some(value.0.clone())),
                None if optional => Ok(None),
                None => Err(Error(format!(
                    "couldn't find key {} in Secret {}/{}",
                    key.key, pod.metadata.namespace, key.name
                ))),
            },
        };
    }
    if source.file_key_ref.is_some() {
        return Err(Error("env valueFrom.fileKeyRef is not supported yet".to_owned()));
    }
    Ok(Some(Vec::new()))
}

fn container_named<'p>(pod: &'p Pod, name: &str) -> Result<&'p Container, Error> {
    let mut all = pod.spec.containers.iter().chain(&pod.spec.init_containers);
    all.find(|container| container.name == name).ok_or_else(|| Error(format!("container {name} not found")))
}

/// A field of the pod, as the downward API offers it to variables and volumes.
///
/// # Errors
/// The path is none that the downward API knows.
pub fn field_value(pod: &Pod, path: &str, placed: &Placed) -> Result<String, Error> {
    if let Some((map, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        let map = match map {
            "metadata.labels" => &pod.metadata.labels,
            "metadata.annotations" => &pod.metadata.annotations,
            _ => return Err(unknown_field(path)),
        };
        return Ok(map.get(key).cloned().unwrap_or_default());
    }
    Ok(match path {
        "metadata.name" => pod.metadata.name.clone(),
        "metadata.namespace" => pod.metadata.namespace.clone(),
        "metadata.uid" => pod.metadata.uid.clone(),
        "metadata.labels" => lines(&pod.metadata.labels),
        "metadata.annotations" => lines(&pod.metadata.annotations),
        "spec.nodeName" => pod.spec.node_name.clone(),
        "spec.serviceAccountName" => pod.spec.service_account_name.clone(),
        "status.hostIP" => placed.host_ips.first().cloned().unwrap_or_default(),
        "status.hostIPs" => placed.host_ips.join(","),
        "status.podIP" => placed.pod_ips.first().cloned().unwrap_or_default(),
        "status.podIPs" => placed.pod_ips.join(","),
        _ => return Err(unknown_field(path)),
    })
}

fn unknown_field(path: &str) -> Error {
    Error(format!("unsupported fieldPath: {path}"))
}

/// `key="value"` lines, the form in which the downward API writes maps (Go's `%q`).
fn lines(map: &BTreeMap<String, String>) -> String {
    map.iter().map(|(key, value)| format!("{key}={}", quoted(value))).collect::<Vec<_>>().join("\n")
}

fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Replaces `$(NAME)` by what `lookup` knows; `$$` is one `$`, and what is not known stays as it is written.
///
/// Source: Kubernetes' `third_party/forked/golang/expansion`.
pub fn expand(text: &[u8], lookup: &dyn Fn(&str) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        match rest.get(1) {
            Some(b'$') => {
                out.push(b'$');
                rest = &rest[2..];
            }
            Some(b'(') => match rest.iter().position(|byte| *byte == b')') {
                Some(end) => {
                    let known = std::str::from_utf8(&rest[2..end]).ok().and_then(lookup);
                    out.extend_from_slice(known.as_deref().unwrap_or(&rest[..=end]));
                    rest = &rest[end + 1..];
                }
                None => {
                    out.extend_from_slice(&rest[..2]);
                    rest = &rest[2..];
                }
            },
            Some(_) => {
                out.extend_from_slice(&rest[..2]);
                rest = &rest[2..];
            }
            None => {
                out.push(b'$');
                rest = &[];
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

/// Expands `$(NAME)` in words of a command with the container's variables.
pub fn expand_words(words: &[String], vars: &[(String, Vec<u8>)]) -> Vec<String> {
    let lookup = |name: &str| vars.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    words.iter().map(|word| String::from_utf8_lossy(&expand(word.as_bytes(), &lookup)).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_expand_as_kubernetes_does() {
        let check = |text: &str, expect: &str| {
            let lookup = |name: &str| match name {
                "A" => Some(b"1".to_vec()),
                "EMPTY" => Some(Vec::new()),
                "REF" => Some(b"$(A)".to_vec()),
                _ => None,
            };
            assert_eq!(String::from_utf8_lossy(&expand(text.as_bytes(), &lookup)), expect, "{text}");
        };
        check("$(A)", "1");
        check("x$(A)y$(A)", "x1y1");
        check("$$(A)", "$(A)");
        check("$$$(A)", "$1");
        check("$(NONE)", "$(NONE)");
        check("$(EMPTY)|", "|");
        check("$(REF)", "$(A)");
        check("$", "$");
        check("a$", "a$");
        check("$A", "$A");
        check("$(A", "$(A");
        check("$()", "$()");
        check("\u{e9}$(A)", "\u{e9}1");
    }

    #[test]
    fn services_are_there_unless_the_container_says_otherwise() {
        let pod: Pod = serde_json::from_value(serde_json::json!({ "metadata": { "name": "p" }, "spec": { "containers": [{
            "name": "c", "env": [{ "name": "DB_PORT", "value": "own" }, { "name": "URL", "value": "http://$(DB_SERVICE_HOST)" }],
        }] } }))
        .unwrap();
        let links = vec![("DB_SERVICE_HOST".to_owned(), "10.0.0.1".to_owned()), ("DB_PORT".to_owned(), "x".to_owned())];
        let placed = Placed { links, ..Placed::default() };
        let none = crate::pods::references::Attached::default();
        let got = variables(&pod, &pod.spec.containers[0], &placed, &none).unwrap();
        let got: Vec<String> = got.iter().map(|(k, v)| format!("{k}={}", String::from_utf8_lossy(v))).collect();
        assert_eq!(got, ["DB_SERVICE_HOST=10.0.0.1", "DB_PORT=own", "URL=http://10.0.0.1"]);
    }

    #[test]
    fn maps_are_written_as_go_quotes() {
        let map = BTreeMap::from([("a".to_owned(), "x\"y\n".to_owned()), ("b".to_owned(), String::new())]);
        assert_eq!(lines(&map), "a=\"x\\\"y\\n\"\nb=\"\"");
    }
}
