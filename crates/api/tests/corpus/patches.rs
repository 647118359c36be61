//! Patches → the very objects that a real server made of them, or its very answers.

use masthead_api::admit::families::Families;
use masthead_api::admit::{self, Unknown};
use masthead_api::decode::request;
use masthead_api::meta::status::Status;
use masthead_api::patch::apply::{self, Form, Validation};
use masthead_api::patch::error::Error;
use masthead_api::status;
use serde_json::{Value, json};

use crate::read::cases;
use crate::refuse::{Tally, kind_of};
use crate::types::without_nulls;

const UID: &str = "5d3c1f6e-0000-4000-8000-00000000cafe";
const REVISION: &str = "7";

/// The live object with what the recording masks.
fn live(before: &Value) -> Value {
    let text = before.to_string().replace("<TIME>", "2026-01-02T03:04:05Z").replace("<UID>", UID);
    let mut object: Value = serde_json::from_str(&text).unwrap();
    object["metadata"]["uid"] = UID.into();
    object["metadata"]["resourceVersion"] = REVISION.into();
    object["metadata"]["creationTimestamp"] = "2026-01-02T03:04:05Z".into();
    if object["kind"] == "Service" {
        let spec = &mut object["spec"];
        spec["clusterIP"] = "10.0.0.7".into();
        spec["clusterIPs"] = json!(["10.0.0.7"]);
        for (i, port) in spec["ports"].as_array_mut().into_iter().flatten().enumerate() {
            if port["nodePort"].is_string() {
                port["nodePort"] = json!(30_000 + i);
            }
        }
    }
    object
}

/// What both sides are compared by: without what is masked, and without who manages what.
fn tidy(mut object: Value) -> Value {
    fn mask(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.retain(|_, v| !matches!(v.as_str(), Some("<ALLOCATED>" | "<TIME>" | "<UID>" | UID)));
                map.values_mut().for_each(mask);
            }
            Value::Array(list) => list.iter_mut().for_each(mask),
            _ => {}
        }
    }
    mask(&mut object);
    for field in ["creationTimestamp", "resourceVersion", "managedFields", "uid"] {
        object["metadata"].as_object_mut().unwrap().remove(field);
    }
    if object["kind"] == "Service" {
        for field in ["clusterIP", "clusterIPs"] {
            object["spec"].as_object_mut().unwrap().remove(field);
        }
        for port in object["spec"]["ports"].as_array_mut().into_iter().flatten() {
            port.as_object_mut().unwrap().remove("nodePort");
        }
    }
    without_nulls(&mut object);
    object
}

/// The server's answer to a fault, which the recording masks a part of.
fn answered(error: Error) -> Value {
    let masked = match error {
        Error::Invalid { detail, .. } => Error::Invalid { shown: "\"<PATCH>\"".to_owned(), detail },
        other => other,
    };
    serde_json::to_value(masked.status()).unwrap()
}

fn answer(case: &Value) -> Result<Value, Value> {
    let kind = kind_of(&case["before"]).unwrap();
    let before = live(&case["before"]);
    let form = Form::of(case["contentType"].as_str().unwrap()).unwrap();
    let validation = Validation::of(case["params"]["fieldValidation"].as_str().unwrap_or_default()).unwrap();
    let body = case["patch"].as_str().map_or_else(|| case["patch"].to_string(), str::to_owned);
    let name = before["metadata"]["name"].as_str().unwrap();
    let refused = |status: Status| serde_json::to_value(status).unwrap();
    let patched = apply::patch(kind, &before, form, body.as_bytes(), validation).map_err(answered)?;
    let namespace = before["metadata"]["namespace"].as_str().unwrap_or_default();
    if let Some(message) = request::fit_name(&patched.object, namespace, Some(name)) {
        return Err(refused(status::bad_request(message)));
    }
    if patched.object["metadata"]["resourceVersion"].as_str().is_some_and(|revision| revision != REVISION) {
        return Err(refused(status::stale(kind, name)));
    }
    admit::update_with(&before, patched.object, Unknown::Drop, Families::V4)
        .map(|outcome| tidy(outcome.object))
        .map_err(|problems| refused(status::refused(kind, name, &problems)))
}

#[test]
fn patches_agree() {
    let mut tally = Tally::default();
    for case in
        ["json-patch", "merge-patch", "strategic", "errors"].iter().flat_map(|f| cases(&format!("patches/{f}.json")))
    {
        let path = case["path"].as_str().unwrap_or_default();
        let is_form = case["contentType"].as_str().and_then(Form::of).is_some();
        let reason = match case["contentType"].as_str() {
            _ if kind_of(&case["before"]).is_none() => "the kind is not in scope",
            _ if path.ends_with("/scale") => "the subresource scale is not served",
            _ if path.ends_with("/status") => "the subresource status is written by nodes and controllers",
            _ if path.ends_with("/resize") => "the subresource resize is not served",
            Some("application/apply-patch+yaml") => "server-side apply is not served",
            _ if !is_form => "the REST server's check",
            _ => "",
        };
        if !reason.is_empty() {
            tally.skip(&case, reason);
            continue;
        }
        let (got, expect) = match answer(&case) {
            Ok(object) if case["after"].is_object() => (object, tidy(case["after"].clone())),
            Ok(object) => (object, case["status"].clone()),
            Err(status) => (status, case["status"].clone()),
        };
        tally.compare(&case, &got, &expect);
    }
    tally.finish();
}
