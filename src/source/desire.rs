//! Manifests of one file → the objects they ask for: decoded, validated, defaulted and keyed.

use std::sync::Arc;

use masthead_api::admit;
use masthead_api::admit::families::Families;
use masthead_api::key::ObjectKey;
use masthead_api::kind::find;
use masthead_api::object::Object;
use masthead_api::problem::FieldProblem;
use masthead_plan::desired::{Problem, Wanted};
use masthead_plan::origin::Origin;
use serde_json::Value;

use crate::source::render::{Manifest, problem};
use crate::source::served::{self, Unserved};
use crate::source::words;

/// Where objects without a namespace go.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Problems told of one file, give or take those of its last document.
const PROBLEMS_MAX: usize = 100;

/// Files of Kubernetes' other tools, by name, with what to do about them.
const OTHER_TOOLS: [(&str, &str); 3] = [
    ("kustomization.yaml", "Kustomize is not supported: render it with `kubectl kustomize` and commit the result"),
    ("kustomization.yml", "Kustomize is not supported: render it with `kubectl kustomize` and commit the result"),
    ("Kustomization", "Kustomize is not supported: render it with `kubectl kustomize` and commit the result"),
];

/// What one file asks for, beside what is wrong with it; objects that name no namespace go into `namespace`.
pub fn desire(path: &Arc<str>, manifests: Vec<Manifest>, namespace: &str) -> (Vec<Wanted>, Vec<Problem>) {
    let mut wanted = Vec::with_capacity(manifests.len());
    let mut problems = Vec::new();
    let file = path.rsplit('/').next().unwrap_or(path);
    if let Some((_, hint)) = OTHER_TOOLS.iter().find(|(name, _)| *name == file) {
        problems.push(problem(path, 1, "this is no manifest of an object", hint));
        return (wanted, problems);
    }
    let count = manifests.len();
    for (i, manifest) in manifests.into_iter().enumerate() {
        if problems.len() >= PROBLEMS_MAX {
            let what = format!("{} more documents of this file are not looked at", count - i);
            problems.push(problem(path, manifest.line, &what, "mend the ones above first"));
            break;
        }
        match one(path, manifest, namespace) {
            Ok(object) => wanted.push(object),
            Err(mut faults) => problems.append(&mut faults),
        }
    }
    (wanted, problems)
}

fn one(path: &Arc<str>, manifest: Manifest, namespace: &str) -> Result<Wanted, Vec<Problem>> {
    let Manifest { value, line, places } = manifest;
    let origin = Origin { path: path.clone(), line };
    let fault = |line: u32, object: &str, field: &str, message: String, hint: String| Problem {
        path: path.to_string(),
        line,
        object: words::short(object),
        field: words::short(field),
        message: words::short(&message),
        hint: words::short(&hint),
    };
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
    if !value.is_object() || (api_version.is_empty() && kind.is_empty()) {
        let hint =
            "every document needs apiVersion, kind and metadata.name; list other files in .mastheadignore".to_owned();
        return Err(vec![fault(line, "", "", "this is no manifest of an object".to_owned(), hint)]);
    }
    let object = format!("{kind}/{name}");
    if name.is_empty() && value.pointer("/metadata/generateName").is_some() {
        let hint = "give it a metadata.name: what git asks for needs a name that stays".to_owned();
        return Err(vec![fault(
            places.line_of("metadata.generateName"),
            &object,
            "metadata.generateName",
            "not supported in a repository".to_owned(),
            hint,
        )]);
    }
    if let Err(unknown) = find::find(&api_version, &kind) {
        return Err(vec![fault(places.line_of("kind"), &object, "kind", unknown.to_string(), String::new())]);
    }
    if let Some(kept) = server_field(&value) {
        let hint = "remove it: it was copied from a live object".to_owned();
        return Err(vec![fault(
            places.line_of(kept),
            &object,
            kept,
            "may not be set in a repository".to_owned(),
            hint,
        )]);
    }
    let hidden = if kind == "Secret" { words::values(&value) } else { Vec::new() };
    // Of the manifest as it was written: admission drops what Kubernetes drops without a word.
    let unserved = served::unserved(&kind, &value);
    // Which families the cluster has is seen when the commit is planned: what is read here holds for any.
    let created = admit::create_for(value, namespace, Families::Unknown).map_err(|faults| {
        let line_of = |f: &FieldProblem| if f.path.is_empty() { line } else { places.line_of(&f.path) };
        let told = |f: FieldProblem| {
            let (message, hint) = words::of(&f);
            fault(line_of(&f), &object, &f.path, words::without(message, &hidden), hint)
        };
        faults.into_iter().map(told).collect::<Vec<_>>()
    })?;
    if !unserved.is_empty() {
        let told = |u: Unserved| fault(places.line_of(&u.path), &object, &u.path, u.message, u.hint.to_owned());
        return Err(unserved.into_iter().map(told).collect());
    }
    let created =
        Object::from_value(created).map_err(|e| vec![fault(line, &object, "", e.to_string(), String::new())])?;
    if let Some(reserved) = reserved(created.key()) {
        return Err(vec![fault(line, &object, "metadata.name", reserved.to_owned(), String::new())]);
    }
    Ok(Wanted { object: Arc::new(created), origin })
}

/// Fields of metadata that only the server writes.
fn server_field(value: &Value) -> Option<&'static str> {
    const FIELDS: [(&str, &str); 4] = [
        ("/metadata/uid", "metadata.uid"),
        ("/metadata/deletionTimestamp", "metadata.deletionTimestamp"),
        ("/metadata/ownerReferences", "metadata.ownerReferences"),
        ("/metadata/managedFields", "metadata.managedFields"),
    ];
    FIELDS.iter().find(|(pointer, _)| value.pointer(pointer).is_some_and(|v| !v.is_null())).map(|(_, field)| *field)
}

/// Why an object may not come from git, if it may not.
fn reserved(key: &ObjectKey) -> Option<&'static str> {
    match key.kind.info().kind {
        "Node" => Some("nodes come from their agents, not from the repository"),
        "Event" | "Lease" => Some("the cluster writes these itself"),
        _ if key.namespace == "kube-node-lease" => Some("the namespace kube-node-lease is the cluster's own"),
        _ => None,
    }
}
