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
    let name = live["metadata"]["name"].as_str().unwrap_or_default();
    match form {
        Form::Json => {
            if validation != Validation::Ignore
                && let Some(fault) = wrong_type_of_operations(&patch)
            {
                return Err(Error::BadRequest(format!("error decoding patch: json: cannot unmarshal {fault}")));
            }
            faults.extend(unknown_of_operations(&patch));
            faults.iter_mut().for_each(|fault| fault.insert_str(0, "json patch "));
            let mut object = live.clone();
            operations::apply(&mut object, &patch)?;
            finish(kind, name, object, None, faults, validation)
        }
        Form::Merge => {
            let Value::Object(patch) = patch else { return Err(no_object(&patch, form)) };
            let mut object = live.as_object().cloned().unwrap_or_default();
            merge::merge(&mut object, patch);
            finish(kind, name, Value::Object(object), None, faults, validation)
        }
        Form::Strategic => {
            let Value::Object(patch) = patch else { return Err(no_object(&patch, form)) };
            let shown = go_string(&go_value::shown(&Value::Object(patch.clone())));
            let live = live.as_object().cloned().unwrap_or_default();
            let object = strategic::merge(live, patch, kind.info().schema)?;
            finish(kind, name, Value::Object(object), Some(shown), faults, validation)
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

/// The first of a list of operations that is none: what it is, and what it is read as. `null` is anything.
fn wrong_type_of_operations(patch: &Value) -> Option<String> {
    let of = |value: &Value, target: &str| format!("{} into Go {target}", word(value));
    let operations = match patch {
        Value::Array(operations) => operations.iter().filter(|operation| !operation.is_null()),
        Value::Null => return None,
        other => return Some(of(other, "value of type []handlers.jsonPatchOp")),
    };
    let texts = ["op", "path", "from"];
    let wrong = |operation: &Value| {
        let Value::Object(map) = operation else { return Some(of(operation, "value of type handlers.jsonPatchOp")) };
        let mut fields = map.iter().filter(|(_, value)| !value.is_null() && !value.is_string());
        let (field, value) = fields.find(|(field, _)| texts.contains(&field.as_str()))?;
        Some(of(value, &format!("struct field jsonPatchOp.{field} of type string")))
    };
    operations.map(wrong).find(Option::is_some).flatten()
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

/// What Kubernetes says of an object whose version or kind is no text.
fn wrong_version_or_kind(object: &Value) -> Option<String> {
    let wrong = |field: &&str| !object[*field].is_null() && !object[*field].is_string();
    let field = ["apiVersion", "kind"].into_iter().find(wrong)?;
    let what = word(&object[field]);
    Some(format!(
        "couldn't get version/kind; json parse error: json: cannot unmarshal {what} into Go struct field .{field} of type string"
    ))
}

/// Reads what came of a patch as an object of the kind; `shown` is what faults show instead of the object.
fn finish(
    kind: Kind,
    name: &str,
    mut object: Value,
    shown: Option<String>,
    mut faults: Vec<String>,
    validation: Validation,
) -> Result<Patched, Error> {
    let text = shown.clone().unwrap_or_else(|| go_string(&object.to_string()));
    let invalid = |detail: String| Error::Invalid { shown: text.clone(), detail };
    let refused = |faults: &[String]| invalid(format!("strict decoding error: {}", faults.join(", ")));
    let mut read_as = kind;
    if shown.is_some() {
        restore::restore(kind.info().schema, &mut object).map_err(&invalid)?;
        // A strategic patch is laid over the kind of the path, whatever the object then says that it is.
        object["apiVersion"] = kind.info().api_version().into();
        object["kind"] = kind.info().kind.into();
    } else {
        if let Some(fault) = wrong_version_or_kind(&object) {
            return Err(invalid(fault));
        }
        let said = |field: &str| object[field].as_str().unwrap_or_default();
        if said("apiVersion").is_empty() {
            // Without a version it is read as Kubernetes' inner form of the kind, in which no field has its name.
            let fields = object.as_object().into_iter().flat_map(|map| map.keys());
            let unknown = fields.filter(|field| !["apiVersion", "kind"].contains(&field.as_str()));
            faults.extend(unknown.map(|field| format!("unknown field {}", go_string(field))));
            return Err(match validation {
                Validation::Strict => refused(&faults),
                _ => Error::BadRequest(request::no_name(name)),
            });
        }
        // It is read as what it says that it is, and must then be of the kind.
        read_as = Kind::by_gvk(said("apiVersion"), said("kind")).unwrap_or(kind);
    }
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
        Validation::Strict if !faults.is_empty() => Err(refused(&faults)),
        Validation::Warn => Ok(Patched { object, warnings: faults }),
        Validation::Strict | Validation::Ignore => Ok(Patched { object, warnings: Vec::new() }),
    }
}
