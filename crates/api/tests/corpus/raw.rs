//! JSON bodies as text → what a real server answered, warnings included.

use masthead_api::admit::families::Families;
use masthead_api::admit::{Unknown, create_with};
use masthead_api::decode::{self, request};
use masthead_api::kind::Kind;
use masthead_api::problem::ProblemKind;
use masthead_api::status;
use serde_json::{Value, json};

use crate::read::cases;
use crate::refuse::Tally;

/// The kind and the namespace of a collection's path.
fn target(path: &str) -> Option<(Kind, String)> {
    let path = path.split('?').next()?;
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return None,
    };
    match rest {
        ["namespaces", namespace, plural] => Some((Kind::by_plural(group, plural)?, (*namespace).to_owned())),
        [plural] => Some((Kind::by_plural(group, plural)?, String::new())),
        _ => None,
    }
}

/// The Status and the warnings for a body.
fn answer(kind: Kind, namespace: &str, body: &str, mode: &str) -> (Value, Vec<String>) {
    let bad = |message: String| (serde_json::to_value(status::bad_request(message)).unwrap(), Vec::new());
    let (mut value, mut strict) = match request::read(kind, body.as_bytes()) {
        Ok(read) => read,
        Err(message) => return bad(message),
    };
    if let Some(message) = request::fit_kind(kind, &mut value) {
        return bad(message);
    }
    if let Some(message) = request::fit_name(&value, namespace, None) {
        return bad(message);
    }
    // The server lists repeated fields before unknown ones.
    strict.extend(decode::check(kind, &mut value.clone()).into_iter().filter(|p| p.kind == ProblemKind::UnknownField));
    if mode == "Strict" && !strict.is_empty() {
        return bad(decode::failure(kind, &strict).unwrap());
    }
    let warnings = if mode == "Warn" { decode::strict_faults(&strict) } else { Vec::new() };
    let name = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    match create_with(value, namespace, Unknown::Drop, Families::V4) {
        Ok(_) => (json!(null), warnings),
        Err(problems) => (serde_json::to_value(status::refused(kind, &name, &problems)).unwrap(), warnings),
    }
}

#[test]
fn raw_bodies_are_answered_in_the_same_words() {
    let mut tally = Tally::default();
    for case in cases("invalid/raw.json") {
        let path = case["path"].as_str().unwrap();
        let reason = match case["name"].as_str().unwrap_or_default() {
            _ if case["contentType"] == "application/yaml" => "YAML: the reader of manifests is another crate's",
            "raw-wrong-content-type" | "raw-unknown-field-validation-mode" => "the REST server's check",
            "raw-namespace-missing" => "needs to know which namespaces exist",
            _ if target(path).is_none() => "the resource is not in scope",
            _ => "",
        };
        if !reason.is_empty() {
            tally.skip(&case, reason);
            continue;
        }
        let (kind, namespace) = target(path).unwrap();
        let mode = case["fieldValidation"].as_str().filter(|m| !m.is_empty()).unwrap_or("Strict");
        let (status, warnings) = answer(kind, &namespace, case["raw"].as_str().unwrap(), mode);
        let expect: Vec<String> = case["warnings"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|w| w.as_str().unwrap().replace("\\\"", "\""))
            .collect();
        tally.compare(&case, &json!([status, warnings]), &json!([case["status"], expect]));
    }
    tally.finish();
}

#[test]
fn bodies_that_do_not_fit_their_path_are_refused_in_the_same_words() {
    let mut tally = Tally::default();
    for case in cases("invalid/decode.json").into_iter().chain(cases("invalid/metadata.json")) {
        let Some((kind, namespace)) = target(case["path"].as_str().unwrap()) else { continue };
        let mut value = case["input"].clone();
        let message = request::fit_kind(kind, &mut value).or_else(|| request::fit_name(&value, &namespace, None));
        let Some(message) = message else { continue };
        if case["name"] == "pod-apiversion-malformed" {
            tally.skip(&case, "shows the first bytes of the body as it was sent");
            continue;
        }
        tally.compare(&case, &serde_json::to_value(status::bad_request(message)).unwrap(), &case["status"]);
    }
    tally.finish();
}
