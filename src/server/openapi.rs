//! The registry of kinds and their schemas → the OpenAPI v3 documents that `kubectl explain` and kubectl's check of a
//! manifest read: one for each group and version. They say nothing in prose, and name no values of enumerations.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use masthead_api::core::pod::PodTemplateSpec;
use masthead_api::kind::{Kind, KindInfo};
use masthead_api::meta::condition::Condition;
use masthead_api::meta::list_meta::ListMeta;
use masthead_api::meta::object_meta::ObjectMeta;
use masthead_api::meta::selector::LabelSelector;
use masthead_api::schema::field::{Field, ListType, PatchStrategy, Schema, Shape};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use crate::server::discovery;

/// Where the documents are.
const ROOT: &str = "/openapi/v3";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
/// Parameters of every write.
const WRITING: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];

/// Documents by their path below the root.
static DOCUMENTS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let groups = discovery::by_group(true).into_iter().chain(discovery::by_group(false));
    let of_group = |group: discovery::Group| {
        let name = group.name;
        group.versions.into_iter().map(move |(version, kinds)| {
            (base(name, version).trim_start_matches('/').to_owned(), document(name, version, &kinds).to_string())
        })
    };
    groups.flat_map(of_group).collect()
});

/// Answers a path; `None` for one that is no document.
pub fn answer(path: &str) -> Option<Response> {
    let rest = path.strip_prefix(ROOT)?;
    let body = match rest.trim_matches('/') {
        "" => index().to_string(),
        name => DOCUMENTS.get(name)?.clone(),
    };
    Some(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// The documents there are, each with a digest of what it says.
fn index() -> Value {
    let entry = |(path, body): (&String, &String)| {
        let digest: String = Sha512::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02X}")).collect();
        (path.clone(), json!({ "serverRelativeURL": format!("{ROOT}/{path}?hash={digest}") }))
    };
    json!({ "paths": DOCUMENTS.iter().map(entry).collect::<Map<_, _>>() })
}

/// `/api/v1`, `/apis/apps/v1`.
fn base(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

fn document(group: &str, version: &str, kinds: &[&'static KindInfo]) -> Value {
    let names = Names::new(group, version);
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for info in kinds {
        let kind = json!({ "group": group, "version": version, "kind": info.kind });
        let base = base(group, version);
        let scope = if info.namespaced { "/namespaces/{namespace}" } else { "" };
        let (all, one) = (format!("{base}{scope}/{}", info.plural), format!("{base}{scope}/{}/{{name}}", info.plural));
        paths.insert(all, json!({ "get": operation("list", &kind, &[]), "post": operation("post", &kind, WRITING) }));
        let writes = |action| operation(action, &kind, WRITING);
        let of_one = json!({
            "get": operation("get", &kind, &[]), "put": writes("put"), "patch": writes("patch"),
            "delete": operation("delete", &kind, &["dryRun"]),
        });
        paths.insert(one, of_one);
        names.collect(info.schema, &mut schemas);
        if let Some(schema) = schemas.get_mut(&names.of(info.schema)) {
            schema["x-kubernetes-group-version-kind"] = json!([kind]);
        }
    }
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

fn operation(action: &str, kind: &Value, parameters: &[&str]) -> Value {
    let parameter =
        |name: &&str| json!({ "name": name, "in": "query", "schema": { "type": "string", "uniqueItems": true } });
    json!({
        "parameters": parameters.iter().map(parameter).collect::<Vec<_>>(),
        "responses": { "200": { "description": "OK" } },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": kind,
    })
}

/// The packages of a document's types, which schemas do not know: what the core group or all metadata is made of, and the
/// rest, which is the group's own.
struct Names {
    own: String,
    meta: Vec<&'static str>,
    core: Vec<&'static str>,
}

impl Names {
    fn new(group: &str, version: &str) -> Names {
        let own = match group.strip_suffix(".k8s.io").filter(|first| !first.contains('.')) {
            _ if group.is_empty() => "io.k8s.api.core.v1".to_owned(),
            Some(first) => format!("io.k8s.api.{first}.{version}"),
            None if !group.contains('.') => format!("io.k8s.api.{group}.{version}"),
            // What is installed is named from its end.
            None => {
                let labels: Vec<&str> = group.split('.').rev().collect();
                format!("{}.{version}", labels.join("."))
            }
        };
        let (mut meta, mut core) = (Vec::new(), Vec::new());
        for schema in [ObjectMeta::SCHEMA, ListMeta::SCHEMA, LabelSelector::SCHEMA, Condition::SCHEMA] {
            reach(schema, &mut meta);
        }
        for kind in Kind::all().iter().filter(|kind| kind.info().group.is_empty()) {
            reach(kind.info().schema, &mut core);
        }
        reach(PodTemplateSpec::SCHEMA, &mut core);
        Names { own, meta, core }
    }

    fn of(&self, schema: &Schema) -> String {
        let package = match schema.name {
            name if self.meta.contains(&name) => META,
            name if self.core.contains(&name) => "io.k8s.api.core.v1",
            _ => &self.own,
        };
        // Two types are called so, and ours by one name each.
        let name = if schema.name == "DiscoveryPort" { "EndpointPort" } else { schema.name };
        format!("{package}.{name}")
    }

    /// Enters a type and all that it is made of.
    fn collect(&self, schema: &'static Schema, out: &mut Map<String, Value>) {
        let name = self.of(schema);
        if out.contains_key(&name) {
            return;
        }
        let properties: Map<String, Value> =
            schema.fields.iter().map(|field| (field.json.to_owned(), self.property(field))).collect();
        let required: Vec<&str> = schema.fields.iter().filter(|field| field.required).map(|field| field.json).collect();
        let mut object = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            object["required"] = json!(required);
        }
        out.insert(name, object);
        for field in schema.fields {
            self.collect_shape(&field.shape, out);
        }
    }

    fn collect_shape(&self, shape: &'static Shape, out: &mut Map<String, Value>) {
        let mut enter = |name: String, schema: Value| {
            out.entry(name).or_insert(schema);
        };
        match shape {
            Shape::Struct(schema) => self.collect(schema, out),
            Shape::List(element) | Shape::Map(element) => self.collect_shape(element, out),
            Shape::Quantity => {
                enter(QUANTITY.to_owned(), json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }))
            }
            Shape::IntOrString => enter(
                INT_OR_STRING.to_owned(),
                json!({ "format": "int-or-string", "oneOf": [{ "type": "integer" }, { "type": "string" }] }),
            ),
            Shape::Time => enter(format!("{META}.Time"), json!({ "type": "string", "format": "date-time" })),
            Shape::MicroTime => enter(format!("{META}.MicroTime"), json!({ "type": "string", "format": "date-time" })),
            _ => {}
        }
    }

    fn property(&self, field: &'static Field) -> Value {
        let mut out = match self.item(&field.shape) {
            // Beside a reference nothing may stand.
            reference if reference.get("$ref").is_some() => json!({ "allOf": [reference] }),
            plain => plain,
        };
        match field.list {
            ListType::Unset => {}
            ListType::Atomic => out["x-kubernetes-list-type"] = "atomic".into(),
            ListType::Set => out["x-kubernetes-list-type"] = "set".into(),
            ListType::Map(keys) => {
                out["x-kubernetes-list-type"] = "map".into();
                out["x-kubernetes-list-map-keys"] = json!(keys);
            }
        }
        if field.atomic {
            out["x-kubernetes-map-type"] = "atomic".into();
        }
        let (strategy, key) = match field.patch {
            PatchStrategy::Unset => return out,
            PatchStrategy::Merge(key) => ("merge", key),
            PatchStrategy::MergeRetainKeys(key) => ("merge,retainKeys", key),
            PatchStrategy::RetainKeys => ("retainKeys", ""),
            PatchStrategy::Replace => ("replace", ""),
        };
        out["x-kubernetes-patch-strategy"] = strategy.into();
        if !key.is_empty() {
            out["x-kubernetes-patch-merge-key"] = key.into();
        }
        out
    }

    fn item(&self, shape: &'static Shape) -> Value {
        let reference = |name: String| json!({ "$ref": format!("#/components/schemas/{name}") });
        match shape {
            Shape::String => json!({ "type": "string" }),
            Shape::Bool => json!({ "type": "boolean" }),
            Shape::I32 => json!({ "type": "integer", "format": "int32" }),
            Shape::I64 => json!({ "type": "integer", "format": "int64" }),
            Shape::F64 => json!({ "type": "number", "format": "double" }),
            Shape::Bytes => json!({ "type": "string", "format": "byte" }),
            Shape::Any => json!({ "type": "object" }),
            Shape::Quantity => reference(QUANTITY.to_owned()),
            Shape::IntOrString => reference(INT_OR_STRING.to_owned()),
            Shape::Time => reference(format!("{META}.Time")),
            Shape::MicroTime => reference(format!("{META}.MicroTime")),
            Shape::Struct(schema) => reference(self.of(schema)),
            Shape::List(element) => json!({ "type": "array", "items": self.item(element) }),
            Shape::Map(element) => json!({ "type": "object", "additionalProperties": self.item(element) }),
        }
    }
}

/// The names of a type and of all types that it is made of.
fn reach(schema: &'static Schema, out: &mut Vec<&'static str>) {
    if out.contains(&schema.name) {
        return;
    }
    out.push(schema.name);
    for field in schema.fields {
        let mut shape = &field.shape;
        while let Shape::List(element) | Shape::Map(element) = shape {
            shape = element;
        }
        if let Shape::Struct(inner) = shape {
            reach(inner, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn parsed(path: &str) -> Value {
        serde_json::from_str(&DOCUMENTS[path]).unwrap()
    }

    #[test]
    fn every_reference_leads_somewhere() {
        for (path, body) in DOCUMENTS.iter() {
            let document: Value = serde_json::from_str(body).unwrap();
            let schemas = &document["components"]["schemas"];
            for reference in body.split("\"#/components/schemas/").skip(1) {
                let name = reference.split('"').next().unwrap();
                assert!(schemas.get(name).is_some(), "{path}: {name}");
            }
        }
        assert!(answer("/openapi/v3").is_some() && answer("/openapi/v3/apis/apps/v1").is_some());
        assert!(answer("/openapi/v3/apis/apps/v2").is_none() && answer("/openapi/v2").is_none());
        let url = index()["paths"]["api/v1"]["serverRelativeURL"].as_str().unwrap().to_owned();
        assert!(url.starts_with("/openapi/v3/api/v1?hash="), "{url}");
    }

    #[test]
    fn kinds_are_found_by_their_paths() {
        for kind in Kind::all() {
            let info = kind.info();
            for version in info.versions() {
                let base = base(info.group, version);
                let scope = if info.namespaced { "/namespaces/{namespace}" } else { "" };
                let document = parsed(base.trim_start_matches('/'));
                let patch = &document["paths"][format!("{base}{scope}/{}/{{name}}", info.plural)]["patch"];
                let expect = json!({ "group": info.group, "version": version, "kind": info.kind });
                assert_eq!(patch["x-kubernetes-group-version-kind"], expect);
                assert!(patch["parameters"].as_array().unwrap().iter().any(|one| one["name"] == "fieldValidation"));
                let schemas = document["components"]["schemas"].as_object().unwrap();
                let of_kind = schemas.values().filter(|one| one["x-kubernetes-group-version-kind"][0] == expect);
                assert_eq!(of_kind.count(), 1, "{info:?}");
            }
        }
    }

    /// Without what the recording says more: enumerations, defaults, and which objects are replaced as a whole.
    fn compared(mut value: Value) -> Value {
        match &mut value {
            Value::Object(map) => {
                // A property may be called so as well.
                map.retain(|key, inner| {
                    ![
                        "default",
                        "enum",
                        "x-kubernetes-map-type",
                        "x-kubernetes-unions",
                        "x-kubernetes-group-version-kind",
                    ]
                    .contains(&key.as_str())
                        || inner.get("type").is_some()
                });
                map.values_mut().for_each(|inner| *inner = compared(inner.take()));
            }
            Value::Array(items) => items.iter_mut().for_each(|inner| *inner = compared(inner.take())),
            _ => {}
        }
        value
    }

    #[test]
    fn types_are_as_recorded() {
        let shared = std::env::var_os("MASTHEAD_SHARED")
            .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")), PathBuf::from);
        let (mut seen, mut wrong) = (0, Vec::new());
        for (path, body) in DOCUMENTS.iter() {
            let file = shared.join("corpus/api/openapi").join(format!("{}.json", path.replace('/', "__")));
            let Ok(recorded) = std::fs::read(&file) else {
                eprintln!("skipped: no {}", file.display());
                continue;
            };
            let recorded: Value = serde_json::from_slice(&recorded).unwrap();
            let ours: Value = serde_json::from_str(body).unwrap();
            for (name, schema) in ours["components"]["schemas"].as_object().unwrap() {
                // One holds a type of its own for any object, the other a reference that stands alone.
                // Of a pod's status, Kubernetes merges one more list since.
                if [".ManagedFieldsEntry", ".IngressRule", ".PodStatus"].iter().any(|end| name.ends_with(end)) {
                    continue;
                }
                let Some(theirs) = recorded["components"]["schemas"].get(name) else {
                    wrong.push(format!("{path}: {name} is not recorded"));
                    continue;
                };
                seen += 1;
                let (ours, theirs) = (compared(schema.clone()), compared(theirs.clone()));
                if ours != theirs {
                    wrong.push(format!("{path}: {name}\n  ours   {ours}\n  theirs {theirs}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{} of {seen} differ:\n{}", wrong.len(), wrong.join("\n"));
    }
}
