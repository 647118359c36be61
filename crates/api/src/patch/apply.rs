//! The body of a patch request to the object that is asked for, or to the server's answer.

use serde_json::Value;

use crate::decode::strict::word;
use crate::decode::{self, request, syntax};
use crate::kind::Kind;
use crate::patch::error::Error;
use crate::patch::{go_value, merge, operations, restore, strategic};
use crate::problem::{FieldProblem, ProblemKind};
use crate::validate::quote::go_string;

/// How a patch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A list of operations (RFC 6902).
    Json,
    /// A part of the object, in which nulls remove (RFC 7386).
    Merge,
    /// A part of the object, whose lists merge as the schema says.
    Strategic,
}

impl Form {
    /// By the media type of the body, without parameters.
    pub fn of(media_type: &str) -> Option<Form> {
        match media_type {
            "application/json-patch+json" => Some(Form::Json),
            "application/merge-patch+json" => Some(Form::Merge),
            "application/strategic-merge-patch+json" => Some(Form::Strategic),
            _ => None,
        }
    }
}

/// What becomes of fields that are unknown or stand twice (`fieldValidation` of a request).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validation {
    /// They are faults.
    Strict,
    /// They are told and dropped.
    #[default]
    Warn,
    /// They are dropped.
    Ignore,
}

impl Validation {
    /// By its word; `None` for one that is none.
    pub fn of(word: &str) -> Option<Validation> {
        match word {
            "Strict" => Some(Validation::Strict),
            "" | "Warn" => Some(Validation::Warn),
            "Ignore" => Some(Validation::Ignore),
            _ => None,
        }
    }
}

/// What a patch makes of an object, before defaults and rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Patched {
    /// The object.
    pub object: Value,
    /// Unknown and repeated fields, in the server's words, where they are to be told.
    pub warnings: Vec<String>,
}

/// Lays a patch over a live object of a kind.
///
/// # Errors
/// The patch is malformed or does not apply, or what comes of it is no object of the kind.
pub fn patch(kind: Kind, live: &Value, form: Form, body: &[u8], validation: Validation) -> Result<Patched, Error> {
    let (patch, repeated) = syntax::parse(body).map_err(|fault| match form {
        Form::Strategic => Error::BadRequest(fault),
        Form::Json | Form::Merge => Error::BadRequest(format!("error decoding patch: {fault}")),
    })?;
    let mut faults = decode::strict_faults(&repeated);
    match form {
        Form::Json => {
            faults.extend(unknown_of_operations(&patch));
            faults.iter_mut().for_each(|fault| fault.insert_str(0, "json patch "));
            let mut object = live.clone();
            operations::apply(&mut object, &patch)?;
            finish(kind, object, None, faults, validation)
        }
        Form::Merge => {
            let Value::Object(patch) = patch else { return Err(no_object(&patch, form)) };
            let mut object = live.as_object().cloned().unwrap_or_default();
            merge::merge(&mut object, patch);
            finish(kind, Value::Object(object), None, faults, validation)
        }
        Form::Strategic => {
            let Value::Object(patch) = patch else { return Err(no_object(&patch, form)) };
            let shown = go_string(&go_value::shown(&Value::Object(patch.clone())));
            let live = live.as_object().cloned().unwrap_or_default();
            let object = strategic::merge(live, patch, kind.info().schema)?;
            finish(kind, Value::Object(object), Some(shown), faults, validation)
        }
    }
}

fn no_object(patch: &Value, form: Form) -> Error {
    let fault = format!("json: cannot unmarshal {} into Go value of type map[string]interface {{}}", word(patch));
    Error::BadRequest(match (form, patch) {
        (Form::Merge, Value::Null) => "Invalid JSON Patch".to_owned(),
        (Form::Merge, _) => format!("error decoding patch: {fault}"),
        _ => fault,
    })
}

/// Fields of operations that no operation has.
fn unknown_of_operations(patch: &Value) -> Vec<String> {
    let known = ["op", "path", "from", "value"];
    let operations = patch.as_array().into_iter().flatten().enumerate();
    operations
        .flat_map(|(i, operation)| {
            operation.as_object().into_iter().flat_map(move |map| map.keys().map(move |key| (i, key)))
        })
        .filter(|(_, key)| !known.contains(&key.as_str()))
        .map(|(i, key)| format!("unknown field \"[{i}].{key}\""))
        .collect()
}

/// Reads what came of a patch as an object of the kind; `shown` is what faults show instead of the object.
fn finish(
    kind: Kind,
    mut object: Value,
    shown: Option<String>,
    mut faults: Vec<String>,
    validation: Validation,
) -> Result<Patched, Error> {
    let text = shown.clone().unwrap_or_else(|| go_string(&object.to_string()));
    let invalid = |detail: String| Error::Invalid { shown: text.clone(), detail };
    if shown.is_some() {
        restore::restore(kind.info().schema, &mut object).map_err(&invalid)?;
    }
    // It is read as what it says that it is, and must then be of the kind.
    let said = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let read_as = Kind::by_gvk(said("apiVersion"), said("kind")).unwrap_or(kind);
    let problems = decode::check(read_as, &mut object);
    let wrong = |problem: &&FieldProblem| problem.kind == ProblemKind::Type;
    if let Some(problem) = problems.iter().find(wrong) {
        return Err(invalid(problem.message.clone()));
    }
    if let Some(fault) = request::fit_kind(kind, &mut object) {
        let detail = fault.split_once(&format!("cannot be handled as a {}: ", kind.info().kind));
        return Err(invalid(detail.map_or(fault.clone(), |(_, detail)| detail.to_owned())));
    }
    faults.extend(decode::strict_faults(&problems));
    match validation {
        Validation::Strict if !faults.is_empty() => {
            Err(invalid(format!("strict decoding error: {}", faults.join(", "))))
        }
        Validation::Warn => Ok(Patched { object, warnings: faults }),
        Validation::Strict | Validation::Ignore => Ok(Patched { object, warnings: Vec::new() }),
    }
}
