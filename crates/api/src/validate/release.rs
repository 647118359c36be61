//! Releases of charts to faults, on create and on update.

use crate::release::release::{HOOKS_RUN, HOOKS_SKIP, Release, ReleaseChart, ValuesSource};
use crate::validate::error::Errors;
use crate::validate::meta::{Scope, validate_create as validate_meta, validate_update as validate_meta_update};
use crate::validate::name;
use crate::validate::path::Path;

const SPEC: Path<'static> = Path::root("spec");
/// Helm's bound, so that names of objects made of it have room.
const NAME_BYTES_MAX: usize = 53;

/// A new release.
pub fn validate_create(release: &Release, errors: &mut Errors) {
    validate_meta(&release.metadata, Scope::Namespaced, name::dns_subdomain, errors);
    validate_spec(release, errors);
}

/// A release that replaces another.
pub fn validate_update(new: &Release, old: &Release, errors: &mut Errors) {
    validate_meta_update(&new.metadata, &old.metadata, true, errors);
    validate_spec(new, errors);
}

fn validate_spec(release: &Release, errors: &mut Errors) {
    let spec = &release.spec;
    let (at, text) = match spec.release_name.as_str() {
        "" => (Path::root("metadata"), release.metadata.name.as_str()),
        name => (SPEC, name),
    };
    let at = at.child(if spec.release_name.is_empty() { "name" } else { "releaseName" });
    errors.invalid_each(&at, text, name::dns_subdomain(text));
    if text.len() > NAME_BYTES_MAX {
        errors.too_long(&at, NAME_BYTES_MAX);
    }
    validate_chart(&SPEC.child("chart"), &spec.chart, errors);
    if !(spec.values.is_null() || spec.values.is_object()) {
        errors.invalid_shown(&SPEC.child("values"), spec.values.to_string(), "must be a map");
    }
    errors.one_of(&SPEC.child("hooks"), &spec.hooks, &[HOOKS_RUN, HOOKS_SKIP]);
    let sources = SPEC.child("valuesFrom");
    for (i, source) in spec.values_from.iter().enumerate() {
        validate_source(&sources.index(i), source, errors);
    }
}

fn validate_chart(at: &Path<'_>, chart: &ReleaseChart, errors: &mut Errors) {
    if chart.path.is_empty() == chart.repository.is_empty() {
        return errors.required(at, "name a folder of this repository in path, or a repository and a name");
    }
    if !chart.path.is_empty() {
        relative(&at.child("path"), &chart.path, errors);
        for (field, text) in [("name", &chart.name), ("version", &chart.version)] {
            if !text.is_empty() {
                errors.forbidden(&at.child(field), "may not be set together with path");
            }
        }
        return;
    }
    errors.required_text(&at.child("name"), &chart.name);
    let scheme = chart.repository.split_once("://").map(|(scheme, _)| scheme);
    if !matches!(scheme, Some("https" | "http" | "oci")) {
        errors.invalid(&at.child("repository"), &chart.repository, "must begin with https://, http:// or oci://");
    }
    if chart.name.contains(['/', '\\']) || chart.name == ".." {
        errors.invalid(&at.child("name"), &chart.name, "must be the name of a chart");
    }
}

fn validate_source(at: &Path<'_>, source: &ValuesSource, errors: &mut Errors) {
    let given = [!source.file.is_empty(), source.config_map.is_some(), source.secret.is_some()];
    if given.iter().filter(|is_given| **is_given).count() != 1 {
        return errors.required(at, "exactly one of file, configMap and secret");
    }
    if !source.file.is_empty() {
        relative(&at.child("file"), &source.file, errors);
    }
    for (field, key) in [("configMap", &source.config_map), ("secret", &source.secret)] {
        if let Some(key) = key {
            errors.required_text(&at.child(field).child("name"), &key.name);
        }
    }
}

/// Below the file that holds the release, or below the root of the repository with a slash in front.
fn relative(at: &Path<'_>, path: &str, errors: &mut Errors) {
    if path.contains(['\\', '\0', '\n']) {
        errors.invalid(at, path, "must be a path inside the repository");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::admit;

    fn faults(spec: &Value) -> Vec<String> {
        let release = json!({
            "apiVersion": "masthead.dev/v1", "kind": "Release", "metadata": { "name": "web" }, "spec": spec,
        });
        match admit::create(release, "default") {
            Ok(_) => Vec::new(),
            Err(problems) => problems.into_iter().map(|p| p.path).collect(),
        }
    }

    #[test]
    fn a_release_says_where_its_chart_is() {
        let check = |spec: Value, expect: &[&str]| assert_eq!(faults(&spec), expect, "{spec}");
        check(json!({ "chart": { "path": "../charts/web" } }), &[]);
        check(json!({ "chart": { "repository": "https://x.org", "name": "redis", "version": "^18" } }), &[]);
        check(json!({ "chart": { "repository": "oci://x.org/charts", "name": "redis" }, "suspend": true }), &[]);
        check(json!({ "chart": {} }), &["spec.chart"]);
        check(json!({ "chart": { "path": "a", "repository": "https://x", "name": "b" } }), &["spec.chart"]);
        check(json!({ "chart": { "path": "a", "version": "1" } }), &["spec.chart.version"]);
        check(
            json!({ "chart": { "repository": "ftp://x", "name": ".." } }),
            &["spec.chart.repository", "spec.chart.name"],
        );
    }

    #[test]
    fn values_come_from_one_place_each() {
        let from = |source: Value| json!({ "chart": { "path": "a" }, "valuesFrom": [source] });
        let check = |spec: Value, expect: &[&str]| assert_eq!(faults(&spec), expect, "{spec}");
        check(from(json!({ "file": "prod.yaml" })), &[]);
        check(from(json!({ "configMap": { "name": "x" } })), &[]);
        check(from(json!({})), &["spec.valuesFrom[0]"]);
        check(from(json!({ "file": "a", "secret": { "name": "x" } })), &["spec.valuesFrom[0]"]);
        check(from(json!({ "secret": { "name": "" } })), &["spec.valuesFrom[0].secret.name"]);
        check(json!({ "chart": { "path": "a" }, "values": [1] }), &["spec.values"]);
        check(json!({ "chart": { "path": "a" }, "values": { "any": { "thing": [1, null] } } }), &[]);
        check(json!({ "chart": { "path": "a" }, "hooks": "Maybe" }), &["spec.hooks"]);
        check(json!({ "chart": { "path": "a" }, "releaseName": "X" }), &["spec.releaseName"]);
    }
}
