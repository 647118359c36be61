//! JSON to an object of a known kind, with every unknown field and wrong type named at once.

use serde_json::Value;

use crate::decode::strict::check_shape;
use crate::kind::find::{NoKind, find};
use crate::kind::{Kind, Resource};
use crate::problem::{FieldProblem, ProblemKind};

pub mod protobuf;
pub mod request;
pub mod scan;
pub mod strict;
pub mod syntax;
pub mod time;

/// The kind that an object says it is of.
///
/// # Errors
/// It is no object, or its kind is unknown or not supported yet.
pub fn kind_of(value: &Value) -> Result<Kind, FieldProblem> {
    let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
    let problem = |path: &str, message: String, kind, hint| FieldProblem { path: path.to_owned(), message, kind, hint };
    if !value.is_object() {
        return Err(problem("", "is not an object".to_owned(), ProblemKind::Type, None));
    }
    for field in ["apiVersion", "kind"] {
        if text(field).is_empty() {
            return Err(problem(field, "Required value".to_owned(), ProblemKind::UnknownKind, None));
        }
    }
    find(text("apiVersion"), text("kind")).map_err(|fault| match &fault {
        NoKind::NotSupported { .. } => problem("kind", fault.to_string(), ProblemKind::UnsupportedKind, None),
        NoKind::OtherVersion { found, .. } => {
            problem("apiVersion", fault.to_string(), ProblemKind::UnknownKind, Some(found.clone()))
        }
        NoKind::Unknown { api_version, kind, hint } => {
            let message = format!("no such kind: {kind:?} in apiVersion {api_version:?}");
            problem("kind", message, ProblemKind::UnknownKind, hint.clone())
        }
    })
}

/// Every unknown field and wrong type of an object of this kind. Nulls that stand for an element of a list or a map
/// become its zero value, as in Go. Of the versions in which a kind is served it becomes the stored one.
pub fn check(kind: Kind, value: &mut Value) -> Vec<FieldProblem> {
    bring_to_version(kind, value);
    check_shape(kind.info().schema, value)
}

/// Writes the version in which a kind is stored. Its versions have one shape, so that nothing else changes.
pub fn bring_to_version(kind: Kind, value: &mut Value) {
    let info = kind.info();
    if !info.other_versions.is_empty()
        && let Some(version) = value.get_mut("apiVersion")
    {
        *version = info.api_version().into();
    }
}

/// The typed form of a checked object.
///
/// # Errors
/// The object has not passed [`check`].
pub fn typed<T: Resource>(value: Value) -> Result<T, FieldProblem> {
    T::from_json_value(value).map_err(|fault| FieldProblem {
        path: String::new(),
        message: fault.to_string(),
        kind: ProblemKind::Type,
        hint: None,
    })
}

/// What the API server says of these problems when it cannot decode a body: the first wrong type alone, else all
/// unknown and repeated fields. `None` when none of the problems is of that sort.
pub fn failure(kind: Kind, problems: &[FieldProblem]) -> Option<String> {
    let info = kind.info();
    let begin = format!("{} in version {:?} cannot be handled as a {}: ", info.kind, info.version, info.kind);
    if let Some(problem) = problems.iter().find(|p| p.kind == ProblemKind::Type) {
        return Some(begin + &problem.message);
    }
    let strict = strict_faults(problems);
    (!strict.is_empty()).then(|| format!("{begin}strict decoding error: {}", strict.join(", ")))
}

/// The faults that only strict decoding refuses, as warnings name them: `unknown field "spec.foo"`.
pub fn strict_faults(problems: &[FieldProblem]) -> Vec<String> {
    problems
        .iter()
        .filter_map(|p| match p.kind {
            ProblemKind::UnknownField => Some(format!("unknown field \"{}\"", p.path)),
            ProblemKind::DuplicateField => Some(format!("duplicate field \"{}\"", p.path)),
            _ => None,
        })
        .collect()
}
