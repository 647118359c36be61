//! A merged object to values of the types of its schema, or to what Kubernetes says where that cannot be: it goes from
//! the merged map to its type without JSON between, with words and leniencies of its own.

use serde_json::Value;

use crate::decode::strict;
use crate::patch::go_value::{kind_name, type_name};
use crate::schema::field::{Schema, Shape};

/// Brings an object to its schema; numbers without a fraction become whole ones.
///
/// # Errors
/// The first value, in the order of the schema's fields, that cannot be of its type.
pub fn restore(schema: &'static Schema, value: &mut Value) -> Result<(), String> {
    let Value::Object(map) = value else {
        return Err(format!("cannot restore struct from: {}", kind_name(value)));
    };
    for field in schema.fields {
        if let Some(value) = map.get_mut(field.json).filter(|value| !value.is_null()) {
            one(&field.shape, value)?;
        }
    }
    Ok(())
}

fn one(shape: &'static Shape, value: &mut Value) -> Result<(), String> {
    match shape {
        Shape::Struct(schema) => restore(schema, value),
        Shape::List(element) => match value {
            Value::Array(items) => {
                items.iter_mut().filter(|item| !item.is_null()).try_for_each(|item| one(element, item))
            }
            other => Err(format!("cannot restore slice from {}", kind_name(other))),
        },
        Shape::Map(element) => match value {
            Value::Object(map) => {
                map.values_mut().filter(|item| !item.is_null()).try_for_each(|item| one(element, item))
            }
            other => Err(format!("cannot restore map from {}", kind_name(other))),
        },
        Shape::Any => Ok(()),
        Shape::Bytes if !value.is_string() => Err(format!("cannot restore slice from {}", kind_name(value))),
        Shape::String => scalar(value.is_string(), "string", value.is_i64() || value.is_u64(), value),
        Shape::Bool => scalar(value.is_boolean(), "bool", false, value),
        Shape::I32 => whole(value, "int32"),
        Shape::I64 => whole(value, "int64"),
        Shape::F64 => scalar(value.is_number(), "float64", false, value),
        // These read their own JSON.
        Shape::Quantity | Shape::IntOrString | Shape::Time | Shape::MicroTime => own(shape, value),
        Shape::Bytes => own(shape, value).map_err(|fault| format!("error decoding from json: {fault}")),
    }
}

fn scalar(fits: bool, target: &str, converts: bool, value: &Value) -> Result<(), String> {
    match (fits, converts) {
        (true, _) => Ok(()),
        (_, true) => Err(format!("cannot convert {} to {target}", type_name(value))),
        _ => Err(format!("unrecognized type: {target}")),
    }
}

/// A whole number; one that is written with a point and a fraction of nothing becomes one.
fn whole(value: &mut Value, target: &str) -> Result<(), String> {
    let Some(number) = value.as_f64().filter(|_| value.is_f64()) else {
        return scalar(value.is_number(), target, false, value);
    };
    let cannot = || format!("cannot convert float64 to {target}");
    if number.fract() != 0.0 {
        return Err(cannot());
    }
    *value = format!("{number:.0}").parse::<i64>().map_err(|_| cannot())?.into();
    Ok(())
}

/// A value alone of a type that reads its own JSON.
fn own(shape: &'static Shape, value: &mut Value) -> Result<(), String> {
    match strict::check_value(shape, value) {
        Some(fault) => Err(fault),
        None => Ok(()),
    }
}
