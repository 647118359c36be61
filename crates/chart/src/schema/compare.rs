//! Values of templates and of JSON to whether they are equal, to their types and their numbers, as schemas see them.

use masthead_gotmpl::value::Value;
use serde_json::Value as Json;

use super::decimal::Decimal;
use super::fault::quote;

/// The name of its type in JSON; none for what JSON lacks.
pub(crate) fn type_of(value: &Value) -> Option<&'static str> {
    Some(match value {
        Value::Nil => "null",
        Value::Bool(_) => "boolean",
        Value::Int(..) | Value::Uint(..) | Value::Float(_) | Value::Number(_) => "number",
        Value::Str(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
        Value::Bytes(_) | Value::Object(_) => return None,
    })
}

/// The number it is.
pub(crate) fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Int(_, int) => Decimal::parse(&int.to_string()),
        Value::Uint(_, uint) => Decimal::parse(&uint.to_string()),
        Value::Float(float) => Decimal::parse(&masthead_gotmpl::float::shortest(*float)),
        Value::Number(text) => Decimal::parse(&text.to_str_lossy()),
        _ => None,
    }
}

/// Whether it is this JSON.
pub(crate) fn equals(value: &Value, json: &Json) -> bool {
    match (value, json) {
        (Value::Nil, Json::Null) => true,
        (Value::Bool(a), Json::Bool(b)) => a == b,
        (Value::Str(a), Json::String(b)) => *a == b.as_str(),
        (Value::List(a), Json::Array(b)) => a.len() == b.len() && a.as_slice().iter().zip(b).all(|(a, b)| equals(a, b)),
        (Value::Map(a), Json::Object(b)) => {
            a.len() == b.len() && b.iter().all(|(key, b)| a.get(key.as_bytes()).is_some_and(|a| equals(&a, b)))
        }
        (_, Json::Number(b)) => match (decimal(value), Decimal::parse(&b.to_string())) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
        _ => false,
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.as_slice().iter().zip(b.as_slice()).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            let (a, b) = (a.entries(), b.entries());
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.0 == b.0 && same(&a.1, &b.1))
        }
        _ => match (decimal(a), decimal(b)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
    }
}

/// The first two items that are equal.
pub(crate) fn duplicates(items: &[Value]) -> Option<(usize, usize)> {
    let mut later = items.iter().enumerate().skip(1);
    later.find_map(|(second, b)| Some((items[..second].iter().position(|a| same(b, a))?, second)))
}

/// A plain value in a message.
pub(crate) fn display(value: &Json) -> String {
    match value {
        Json::String(text) => quote(text),
        Json::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}
