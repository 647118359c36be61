//! A merged object to values of the types of its schema, or to what Kubernetes says where that cannot be: it goes from
//! the merged map to its type without JSON between, with words and leniencies of its own.

use serde_json::Value;

use crate::bytes;
use crate::decode::strict;
use crate::patch::go_value::{kind_name, type_name};
use crate::schema::field::{Schema, Shape};

/// Brings an object to its schema; numbers without a fraction become whole ones, and lose what their type has no bits for.
///
/// # Errors
/// The first value, in the order of the schema's fields, that cannot be of its type.
pub fn restore(schema: &'static Schema, value: &mut Value) -> Result<(), String> {
    let Value::Object(map) = value else {
        return Err(format!("cannot restore struct from: {}", kind_name(value)));
    };
    for field in schema.fields {
        if let Some(value) = map.get_mut(field.json).filter(|value| !value.is_null()) {
            one(&field.shape, value, field.go)?;
        }
    }
    Ok(())
}

/// `named` is Go's name of the type where it has one of its own.
fn one(shape: &'static Shape, value: &mut Value, named: Option<&str>) -> Result<(), String> {
    match shape {
        Shape::Struct(schema) => restore(schema, value),
        Shape::List(element) => match value {
            Value::Array(items) => {
                let named = named.and_then(|name| name.strip_prefix("[]"));
                items.iter_mut().filter(|item| !item.is_null()).try_for_each(|item| one(element, item, named))
            }
            other => Err(format!("cannot restore slice from {}", kind_name(other))),
        },
        Shape::Map(element) => match value {
            Value::Object(map) => {
                let named = named.and_then(|name| name.strip_prefix("map[string]"));
                map.values_mut().filter(|item| !item.is_null()).try_for_each(|item| one(element, item, named))
            }
            other => Err(format!("cannot restore map from {}", kind_name(other))),
        },
        Shape::Any => Ok(()),
        Shape::String => {
            let is_whole = type_name(value) == "int64";
            scalar(value.is_string(), "string", is_whole.then(|| named.unwrap_or("string")), value)
        }
        Shape::Bool => scalar(value.is_boolean(), "bool", None, value),
        Shape::I32 => {
            // As Go converts numbers: the upper bits go.
            *value = (whole(value, "int32")? as i32).into();
            Ok(())
        }
        Shape::I64 => {
            *value = whole(value, "int64")?.into();
            Ok(())
        }
        Shape::F64 => scalar(value.is_number(), "float64", None, value),
        // These read their own JSON.
        Shape::Quantity | Shape::IntOrString | Shape::Time | Shape::MicroTime => own(shape, value),
        Shape::Bytes => blob(shape, value),
    }
}

/// Bytes as base64, or as a list of numbers.
fn blob(shape: &'static Shape, value: &mut Value) -> Result<(), String> {
    match value {
        Value::String(_) => own(shape, value).map_err(|fault| format!("error decoding from json: {fault}")),
        Value::Array(items) => {
            let byte = |item: &Value| if item.is_null() { Ok(0) } else { Ok(whole(item, "uint8")? as u8) };
            let data: Vec<u8> = items.iter().map(byte).collect::<Result<_, String>>()?;
            *value = bytes::encode(&data).into();
            Ok(())
        }
        other => Err(format!("cannot restore slice from {}", kind_name(other))),
    }
}

/// `converts` is the name of the type where Go takes the value for convertible at first, and then does not convert it.
fn scalar(fits: bool, target: &str, converts: Option<&str>, value: &Value) -> Result<(), String> {
    match (fits, converts) {
        (true, _) => Ok(()),
        (_, Some(target)) => Err(format!("cannot convert {} to {target}", type_name(value))),
        _ => Err(format!("unrecognized type: {target}")),
    }
}

/// A whole number, or one that is written with a point and a fraction of nothing. What is beyond 64 bits becomes the least,
/// as it does in Go.
fn whole(value: &Value, target: &str) -> Result<i64, String> {
    let Value::Number(number) = value else { return Err(format!("unrecognized type: {target}")) };
    if let Some(number) = number.as_i64() {
        return Ok(number);
    }
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    match number.as_f64() {
        Some(number) if number.fract() != 0.0 => Err(format!("cannot convert float64 to {target}")),
        Some(number) if (-BEYOND..BEYOND).contains(&number) => Ok(number as i64),
        _ => Ok(i64::MIN),
    }
}

/// A value alone of a type that reads its own JSON.
fn own(shape: &'static Shape, value: &mut Value) -> Result<(), String> {
    match strict::check_value(shape, value) {
        Some(fault) => Err(fault),
        None => Ok(()),
    }
}
