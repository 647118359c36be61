//! Arguments that the engine has checked to what a function's body computes with.

use std::borrow::Cow;

use masthead_gotmpl::kind::{Kind, UintKind};
use masthead_gotmpl::list::List;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

/// What Go says when a body asks nil for its type.
pub const NIL_POINTER: &str = "runtime error: invalid memory address or nil pointer dereference";

/// What Go's reflection says when it is asked for the type of nil.
pub const ZERO_VALUE: &str = "reflect: call of reflect.Value.Type on zero Value";

/// The argument at an index; nil where a caller passed fewer.
pub fn at(args: &[Value], index: usize) -> &Value {
    const NIL: &Value = &Value::Nil;
    args.get(index).unwrap_or(NIL)
}

/// A `string` argument.
pub fn text(args: &[Value], index: usize) -> &[u8] {
    match at(args, index) {
        Value::Str(text) | Value::Number(text) | Value::Bytes(text) => text.as_bytes(),
        _ => b"",
    }
}

/// A `string` argument, shared.
pub fn string(args: &[Value], index: usize) -> Str {
    match at(args, index) {
        Value::Str(text) | Value::Number(text) | Value::Bytes(text) => text.clone(),
        _ => Str::EMPTY,
    }
}

/// Part of a `string` argument; shared, where it is all of it.
pub fn part(args: &[Value], index: usize, part: &[u8]) -> Str {
    if part.len() == text(args, index).len() { string(args, index) } else { Str::new(part) }
}

/// A `string` argument as Go's UTF-8; bytes that are none become U+FFFD.
pub fn lossy(args: &[Value], index: usize) -> Cow<'_, str> {
    String::from_utf8_lossy(text(args, index))
}

/// An `int` argument.
pub fn int(args: &[Value], index: usize) -> i64 {
    match at(args, index) {
        Value::Int(_, value) => *value,
        Value::Uint(_, value) => i64::try_from(*value).unwrap_or(i64::MAX),
        _ => 0,
    }
}

/// A `bool` argument.
pub fn boolean(args: &[Value], index: usize) -> bool {
    matches!(at(args, index), Value::Bool(true))
}

/// A `map[string]interface {}` argument; a nil map where there is none.
pub fn map(args: &[Value], index: usize) -> Map {
    as_map(at(args, index)).unwrap_or_else(|| Map::nil(&masthead_gotmpl::kind::MAP_ANY))
}

/// The map that a value is, or is made of.
pub fn as_map(value: &Value) -> Option<Map> {
    match value {
        Value::Map(map) => Some(map.clone()),
        Value::Object(object) => match object.underlying() {
            Some(Value::Map(map)) => Some(map),
            _ => None,
        },
        _ => None,
    }
}

/// The elements of what is a slice or an array by kind.
pub fn elements(value: &Value) -> Option<Cow<'_, [Value]>> {
    match value {
        Value::List(list) => Some(Cow::Borrowed(list.as_slice())),
        Value::Bytes(bytes) => {
            let byte = |byte: &u8| Value::Uint(UintKind::Uint8, u64::from(*byte));
            Some(Cow::Owned(bytes.as_bytes().iter().map(byte).collect()))
        }
        Value::Object(object) => match object.underlying() {
            Some(inner @ (Value::List(_) | Value::Bytes(_))) => Some(Cow::Owned(elements(&inner)?.into_owned())),
            _ => None,
        },
        _ => None,
    }
}

/// The elements of a list, or Go's refusal: `Cannot {verb} type {kind}`.
pub fn list<'v>(value: &'v Value, verb: &str) -> Result<Cow<'v, [Value]>, String> {
    match elements(value) {
        Some(items) => Ok(items),
        None if value.is_nil() => Err(NIL_POINTER.to_owned()),
        None => Err(format!("Cannot {verb} type {}", value.kind().name())),
    }
}

/// `[]interface {}` of the values.
pub fn any_list(items: Vec<Value>) -> Value {
    Value::List(List::any(items))
}

/// `[]string` of the texts.
pub fn str_list(items: Vec<Str>) -> Value {
    Value::List(List::strs(items))
}

/// sprig's `empty`: the zero of its kind, or nothing in it.
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(object) => match object.kind() {
            Kind::Struct | Kind::Ptr | Kind::Func => false,
            _ => !value.truth(),
        },
        _ => !value.truth(),
    }
}
