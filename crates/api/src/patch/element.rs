//! What an element of a patch's list says of itself, and what is said of one that lacks what it needs.

use serde_json::{Map, Value};

use crate::patch::error::Error;
use crate::patch::go_value::{shown, type_name};

/// The field of an object or of an element that says what becomes of it.
pub const DIRECTIVE: &str = "$patch";
/// It goes.
pub const DELETE: &str = "delete";

/// An element lacks what its list is merged by.
pub fn no_key(map: &Map<String, Value>, key: &str) -> Error {
    let map = shown(&Value::Object(map.clone()));
    Error::Internal(format!("map: {map} does not contain declared merge key: {key}"))
}

/// A value is of another type than is needed.
pub fn expected(type_: &str, found: &Value) -> Error {
    Error::Internal(format!("expected a {type_}, but received a {}", type_name(found)))
}
