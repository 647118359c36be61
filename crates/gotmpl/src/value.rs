//! The values that templates compute with: Go's dynamic types, as far as templates and charts meet them.
use crate::complex::Complex;
use crate::kind::{IntKind, Kind, UintKind};
use crate::list::List;
use crate::map::Map;
use crate::object::Object;
use crate::string::Str;
use std::rc::Rc;

/// A value with its dynamic type. 32 bytes; clones are cheap; maps are shared.
#[derive(Clone, Default)]
pub enum Value {
    /// The untyped nil, and what is missing.
    #[default]
    Nil,
    /// `bool`
    Bool(bool),
    /// A signed integer, within the bounds of its kind.
    Int(IntKind, i64),
    /// An unsigned integer, within the bounds of its kind.
    Uint(UintKind, u64),
    /// `float64`
    Float(f64),
    /// `json.Number`: a string by kind.
    Number(Str),
    /// `string`
    Str(Str),
    /// `[]uint8`, never nil.
    Bytes(Str),
    /// Any other slice.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// A struct, pointer or named type.
    Object(Rc<dyn Object>),
}

impl Value {
    /// An `int`.
    pub fn int(value: i64) -> Value {
        Value::Int(IntKind::Int, value)
    }

    /// A `string`.
    pub fn str(text: impl Into<Str>) -> Value {
        Value::Str(text.into())
    }

    /// `%T`: the name of the dynamic type, `<nil>` for nil.
    pub fn type_name(&self) -> &str {
        match self {
            Value::Nil => "<nil>",
            Value::Bool(_) => "bool",
            Value::Int(kind, _) => kind.name(),
            Value::Uint(kind, _) => kind.name(),
            Value::Float(_) => "float64",
            Value::Number(_) => "json.Number",
            Value::Str(_) => "string",
            Value::Bytes(_) => "[]uint8",
            Value::List(list) => list.typ().name,
            Value::Map(map) => map.typ().name,
            Value::Object(object) => object.type_name(),
        }
    }

    /// `reflect.Kind`
    pub fn kind(&self) -> Kind {
        match self {
            Value::Nil => Kind::Invalid,
            Value::Bool(_) => Kind::Bool,
            Value::Int(kind, _) => Kind::Int(*kind),
            Value::Uint(kind, _) => Kind::Uint(*kind),
            Value::Float(_) => Kind::Float64,
            Value::Number(_) | Value::Str(_) => Kind::String,
            Value::Bytes(_) | Value::List(_) => Kind::Slice,
            Value::Map(_) => Kind::Map,
            Value::Object(object) => object.kind(),
        }
    }

    /// The truth of `if` and `with`: not the zero of its type; structs are always true.
    pub fn truth(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(value) => *value,
            Value::Int(_, value) => *value != 0,
            Value::Uint(_, value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::Number(text) | Value::Str(text) | Value::Bytes(text) => !text.is_empty(),
            Value::List(list) => !list.is_empty(),
            Value::Map(map) => !map.is_empty(),
            Value::Object(object) => match object.as_any().downcast_ref::<Complex>() {
                Some(complex) => complex.real != 0.0 || complex.imaginary != 0.0,
                None => object.underlying().is_none_or(|inner| inner.truth()),
            },
        }
    }

    /// The untyped nil?
    pub fn is_nil(&self) -> bool {
        matches!(self, Value::Nil)
    }

    /// The bytes of a `string` or `json.Number`.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Str(text) | Value::Number(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// The string of a `string` or `json.Number`.
    pub fn as_string(&self) -> Option<&Str> {
        match self {
            Value::Str(text) | Value::Number(text) => Some(text),
            _ => None,
        }
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<&List> {
        match self {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// The object behind it, if it is of the Rust type `T`.
    pub fn downcast<T: 'static>(&self) -> Option<&T> {
        match self {
            Value::Object(object) => object.as_any().downcast_ref(),
            _ => None,
        }
    }

    pub(crate) fn is_container(&self) -> bool {
        matches!(self, Value::List(_) | Value::Map(_))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Str(text.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Float(value)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Value {
        Value::Map(map)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Value {
        Value::List(list)
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn a_value_is_four_words() {
        assert_eq!(std::mem::size_of::<Value>(), 32);
    }
}
