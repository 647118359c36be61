//! Which values may be assigned to a parameter's type, as Go's assignability has it.
use crate::function::Param;
use crate::kind::{Elem, Kind, LIST_ANY, LIST_STR, ListType, MAP_ANY, MAP_STR, MapType};
use crate::list::List;
use crate::map::Map;
use crate::value::Value;

/// May a nil be passed?
pub(crate) fn can_be_nil(param: Param) -> bool {
    !matches!(
        param,
        Param::Str | Param::Bool | Param::Int(_) | Param::Named(..) | Param::Uint(_) | Param::Float | Param::Struct(_)
    )
}

/// The nil of a type that has one.
pub(crate) fn nil_of(param: Param) -> Value {
    match param {
        Param::Map => Value::Map(Map::nil(&MAP_ANY)),
        Param::StrMap => Value::Map(Map::nil(&MAP_STR)),
        Param::List => Value::List(List::nil(&LIST_ANY)),
        Param::StrList => Value::List(List::nil(&LIST_STR)),
        _ => Value::Nil,
    }
}

/// The value as the parameter's type, if it may be assigned.
pub(crate) fn assign(value: &Value, param: Param) -> Option<Value> {
    let fits = match (param, value) {
        (Param::Any | Param::Reflect, _) => true,
        (_, Value::Nil) => false,
        (Param::Str, Value::Str(_)) | (Param::Bool, Value::Bool(_)) | (Param::Float, Value::Float(_)) => true,
        (Param::Bytes, Value::Bytes(_)) => true,
        (Param::Int(kind), Value::Int(other, _)) => kind == *other,
        (Param::Uint(kind), Value::Uint(other, _)) => kind == *other,
        (Param::Named(name, _), Value::Object(object)) if object.type_name() == name => return object.underlying(),
        (Param::Map, Value::Map(map)) => return assign_map(map, &MAP_ANY),
        (Param::StrMap, Value::Map(map)) => return assign_map(map, &MAP_STR),
        (Param::List, Value::List(list)) => return assign_list(list, &LIST_ANY),
        (Param::StrList, Value::List(list)) => return assign_list(list, &LIST_STR),
        (Param::Error, Value::Object(object)) => object.string().is_some(),
        (Param::Struct(name), Value::Object(object)) => {
            let own = object.type_name();
            own == name || own.strip_prefix('*') == Some(name)
        }
        (Param::Pointer(name), Value::Object(object)) => object.type_name() == name,
        (Param::Map | Param::StrMap | Param::List | Param::StrList | Param::Bytes, Value::Object(object))
            if matches!(object.kind(), Kind::Map | Kind::Slice) =>
        {
            return object.underlying().and_then(|inner| assign(&inner, param));
        }
        _ => false,
    };
    fits.then(|| value.clone())
}

/// A named map type is assignable to the plain one that it is made of.
fn assign_map(map: &Map, typ: &'static MapType) -> Option<Value> {
    if map.typ().same(typ) {
        return Some(Value::Map(map.clone()));
    }
    let named = !map.typ().name.starts_with("map[");
    (named && same_elem(map.typ().elem, typ.elem)).then(|| Value::Map(map.retyped(typ)))
}

fn assign_list(list: &List, typ: &'static ListType) -> Option<Value> {
    if list.typ().same(typ) {
        return Some(Value::List(list.clone()));
    }
    let named = !list.typ().name.starts_with('[');
    (named && same_elem(list.typ().elem, typ.elem)).then(|| Value::List(list.retyped(typ)))
}

fn same_elem(a: Elem, b: Elem) -> bool {
    a.name() == b.name()
}
