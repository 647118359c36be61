//! A manifest as it was written or rendered → for each field, the line that it comes from, and the values that fed it.

use std::sync::Arc;

use masthead_api::key::ObjectKey;
use masthead_chart::line_origin::LineOrigin;
use masthead_plan::origin::Origin;
use serde_json::Value;

use crate::source::desire;
use crate::source::render::{self, Manifest, Places};

/// One manifest and where its lines come from.
#[derive(Debug)]
pub struct Traced {
    value: Value,
    places: Places,
    path: Arc<str>,
    /// Of a rendered manifest: where each line of its text comes from.
    lines: Option<Vec<LineOrigin>>,
}

/// Where a field comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file and line.
    pub origin: Origin,
    /// The values key that fed it: `.Values.image.tag`; empty where none did.
    pub key: String,
}

impl Traced {
    /// The manifest of an object among those of a text; `lines` are those of a rendered one.
    pub fn find(
        path: &Arc<str>,
        text: &[u8],
        lines: Option<&[LineOrigin]>,
        namespace: &str,
        key: &ObjectKey,
    ) -> Option<Traced> {
        let (manifests, _) = render::render(path, text);
        manifests.into_iter().find_map(|manifest| {
            let Manifest { value, line, places } = manifest;
            let again = Manifest { value: value.clone(), line, places: places.clone() };
            let (wanted, _) = desire::desire(path, vec![again], namespace);
            let is_it = wanted.first().is_some_and(|wanted| wanted.object.key() == key);
            is_it.then(|| Traced { value, places, path: path.clone(), lines: lines.map(<[LineOrigin]>::to_vec) })
        })
    }

    /// Where the field at a JSON pointer is written; none where the manifest does not say it.
    pub fn place(&self, pointer: &str) -> Option<Place> {
        // What an alias or a merge brought in has no place of its own, but stands in the manifest.
        let known = self.value.pointer(pointer).is_some();
        let line = self.places.at(pointer).or_else(|| known.then(|| self.places.nearest(pointer)))?;
        let Some(lines) = &self.lines else {
            return Some(Place { origin: Origin { path: self.path.clone(), line }, key: String::new() });
        };
        let found = lines.get(usize::try_from(line).ok()?.checked_sub(1)?)?;
        Some(Place { origin: Origin { path: self.path.clone(), line: found.line }, key: found.key.clone() })
    }
}

/// The line of a values key (`.Values.image.tag`) in a text of values; `below` is where the values are in it.
pub fn line_of_values(path: &str, text: &[u8], document: u32, below: &str, key: &str) -> Option<u32> {
    let pointer = format!("{below}{}", pointer_of_values(key)?);
    let (manifests, _) = render::render(path, text);
    let found = manifests.into_iter().find(|manifest| document == 0 || manifest.line == document)?;
    found.places.at(&pointer)
}

/// `.Values.image.tag` → `/image/tag`.
pub fn pointer_of_values(key: &str) -> Option<String> {
    let rest = key.trim_start_matches('$').strip_prefix(".Values")?;
    Some(rest.replace('~', "~0").replace('/', "~1").replace('.', "/"))
}

/// The fields of a value, each with its JSON pointer, parents before what is in them.
pub fn pointers(value: &Value) -> Vec<String> {
    let mut out = Vec::new();
    walk(value, String::new(), &mut out);
    out
}

fn walk(value: &Value, at: String, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                walk(value, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), out);
            }
        }
        Value::Array(list) => {
            for (i, value) in list.iter().enumerate() {
                walk(value, format!("{at}/{i}"), out);
            }
        }
        _ => {}
    }
    if !at.is_empty() {
        // Read from behind, parents come first.
        out.push(at);
    }
}

/// `/spec/containers/0/image` → `spec.containers[0].image`, as Kubernetes writes it.
pub fn field_of(pointer: &str) -> String {
    let mut out = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let is_index = part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty();
        if is_index || part.contains(['.', '/']) {
            out.push_str(&format!("[{part}]"));
        } else {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(&part);
        }
    }
    out
}

/// Whether a field is, or is in, the one that was asked for.
pub fn is_in(field: &str, asked: &str) -> bool {
    let rest = field.strip_prefix(asked.trim_start_matches('.'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use masthead_api::kind::registry::CONFIG_MAP;

    use super::*;

    #[test]
    fn fields_are_found_where_they_are_written() {
        let path: Arc<str> = "a.yaml".into();
        let text = b"# two\n---\nkind: ConfigMap\napiVersion: v1\nmetadata:\n  name: one\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: two\n  labels: &l\n    a/b.c: d\n  annotations: *l\ndata:\n  k: |\n    v\n";
        let key = ObjectKey::new(CONFIG_MAP, "default", "two");
        let traced = Traced::find(&path, text, None, "default", &key).expect("it is there");
        let check = |pointer: &str, expect: Option<u32>| {
            assert_eq!(traced.place(pointer).map(|place| place.origin.line), expect, "{pointer}");
        };
        check("/kind", Some(9));
        check("/metadata/name", Some(11));
        check("/metadata/labels/a~1b.c", Some(13));
        check("/metadata/annotations/a~1b.c", Some(14));
        check("/data/k", Some(16));
        check("/metadata/namespace", None);
        assert!(Traced::find(&path, text, None, "other", &key).is_none());
    }

    #[test]
    fn pointers_and_fields_are_one_another() {
        let check = |pointer: &str, field: &str| assert_eq!(field_of(pointer), field);
        check("/spec/template/spec/containers/0/image", "spec.template.spec.containers[0].image");
        check("/metadata/labels/a~1b.c", "metadata.labels[a/b.c]");
        assert!(is_in("spec.replicas", "spec") && is_in("spec.a[0].b", "spec.a") && !is_in("specs", "spec"));
        assert_eq!(pointer_of_values(".Values.image.tag").as_deref(), Some("/image/tag"));
        let value = serde_json::json!({"a": [{"b": 1}], "c": {}});
        assert_eq!(pointers(&value), ["/a/0/b", "/a/0", "/a", "/c"]);
    }

    #[test]
    fn values_have_a_line_too() {
        let text = b"image:\n  # which\n  tag: v1\n";
        assert_eq!(line_of_values("values.yaml", text, 0, "", ".Values.image.tag"), Some(3));
        assert_eq!(line_of_values("values.yaml", text, 0, "", ".Values.image.name"), None);
        let release = b"kind: Release\nspec:\n  values:\n    replicas: 3\n";
        assert_eq!(line_of_values("r.yaml", release, 1, "/spec/values", ".Values.replicas"), Some(4));
    }
}
