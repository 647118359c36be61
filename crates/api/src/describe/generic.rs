//! An object of any kind to a description field by field.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::describe::event::Events;
use crate::describe::page::Page;

/// Paths that are shown elsewhere or not at all.
const SKIPPED: [&str; 5] =
    [".metadata.managedFields", ".metadata.name", ".metadata.namespace", ".metadata.labels", ".metadata.annotations"];
/// Words that are written in capitals.
const ACRONYMS: [&str; 5] = ["API", "URL", "UID", "OSB", "GUID"];

/// The description of an object as served.
pub fn describe(object: &Value, events: &Events) -> String {
    let meta = object.get("metadata");
    let text = |field: &str| meta.and_then(|m| m.get(field)).and_then(Value::as_str).unwrap_or_default();
    let pairs = |field: &str| -> BTreeMap<String, String> {
        let map = meta.and_then(|m| m.get(field)).and_then(Value::as_object);
        map.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    };
    let mut page = Page::default();
    page.field(0, "Name", text("name"));
    page.field(0, "Namespace", text("namespace"));
    page.labels("Labels", &pairs("labels"));
    page.annotations("Annotations", &pairs("annotations"));
    if let Some(fields) = object.as_object() {
        content(&mut page, 0, fields, "");
    }
    events.write(&mut page);
    page.finish()
}

fn content(page: &mut Page, level: usize, fields: &Map<String, Value>, path: &str) {
    let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
    for (field, value) in sorted {
        let path = format!("{path}.{field}");
        if SKIPPED.contains(&path.as_str()) {
            continue;
        }
        match value {
            Value::Object(inner) => {
                page.put(level, format_args!("{}:\n", label(field)));
                content(page, level + 1, inner, &path);
            }
            Value::Array(items) => {
                page.put(level, format_args!("{}:\n", label(field)));
                for item in items {
                    match item {
                        Value::Object(inner) => content(page, level + 1, inner, &path),
                        other => page.put(level + 1, format_args!("{}\n", plain(other))),
                    }
                }
            }
            other => page.field(level, &label(field), plain(other)),
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}

/// A field's name as words: `leaseDurationSeconds` is `Lease Duration Seconds`.
fn label(field: &str) -> String {
    if field.chars().any(|c| !c.is_alphabetic() && c != '-') {
        return field.to_owned();
    }
    let shown = words(field).into_iter().map(|word| {
        let capitals = word.to_uppercase();
        if ACRONYMS.contains(&capitals.as_str()) {
            return capitals;
        }
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// Small letters, capitals, anything else.
#[derive(Clone, Copy, PartialEq)]
enum Class {
    Small,
    Capital,
    Other,
}

/// Parts of a camel-case name; of capitals before a small letter the last one begins the next part.
fn words(name: &str) -> Vec<String> {
    let class = |c: char| match c {
        _ if c.is_lowercase() => Class::Small,
        _ if c.is_uppercase() => Class::Capital,
        _ => Class::Other,
    };
    let mut runs: Vec<(Class, String)> = Vec::new();
    for c in name.chars() {
        match runs.last_mut() {
            Some((last, run)) if *last == class(c) => run.push(c),
            Some((Class::Capital, capitals)) if class(c) == Class::Small => {
                let first = capitals.pop();
                runs.push((Class::Small, first.into_iter().chain([c]).collect()));
            }
            _ => runs.push((class(c), c.to_string())),
        }
    }
    runs.into_iter().map(|(_, run)| run).filter(|run| !run.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn fields_become_words() {
        for (field, expect) in [
            ("leaseDurationSeconds", "Lease Duration Seconds"),
            ("apiVersion", "API Version"),
            ("uid", "UID"),
            ("dnsPolicy", "Dns Policy"),
            ("podIP", "Pod IP"),
            ("hostIPs", "Host I Ps"),
            ("fsGroup-x", "Fs Group - X"),
            ("app.kubernetes.io/name", "app.kubernetes.io/name"),
            ("a1", "a1"),
        ] {
            assert_eq!(label(field), expect, "{field}");
        }
    }
}
