//! The zero value of an element type.

use crate::kind::Elem;
use crate::list::List;
use crate::map::Map;
use crate::string::Str;
use crate::value::Value;

/// `reflect.Zero` of an element type.
pub(crate) fn zero(elem: Elem) -> Value {
    match elem {
        Elem::Any | Elem::Object(_) => Value::Nil,
        Elem::Bytes => Value::Bytes(Str::EMPTY),
        Elem::Bool => Value::Bool(false),
        Elem::Str => Value::Str(Str::EMPTY),
        Elem::Int(kind) => Value::Int(kind, 0),
        Elem::Uint(kind) => Value::Uint(kind, 0),
        Elem::Float => Value::Float(0.0),
        Elem::List(typ) => Value::List(List::nil(typ)),
        Elem::Map(typ) => Value::Map(Map::nil(typ)),
    }
}
