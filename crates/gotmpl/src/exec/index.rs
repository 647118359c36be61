//! `index`, `slice` and `len`.
use crate::exec::execution::Typed;
use crate::exec::zero::zero;
use crate::kind::{Elem, UintKind};
use crate::list::List;
use crate::string::Str;
use crate::value::Value;

/// The first argument, indexed by the second, that by the third…
pub(crate) fn index(args: &[Typed]) -> Result<Typed, String> {
    let Some((item, indexes)) = args.split_first() else { return Ok(Typed::default()) };
    if item.value.is_nil() {
        return Err("index of untyped nil".to_owned());
    }
    let mut item = Typed::plain(item.value.clone());
    for index in indexes {
        item = one(open(&item.value), &index.value)?;
    }
    Ok(item)
}

/// A named list or map is indexed as what it is made of.
fn open(value: &Value) -> Value {
    match value {
        Value::Object(object) => object.underlying().unwrap_or_else(|| value.clone()),
        value => value.clone(),
    }
}

fn one(item: Value, index: &Value) -> Result<Typed, String> {
    match &item {
        Value::Nil => Err("index of nil pointer".to_owned()),
        Value::List(list) => {
            let at = position(index, list.len())?;
            let value = list.get(at).cloned().ok_or("reflect: slice index out of range")?;
            Ok(Typed { value, interface: matches!(list.typ().elem, Elem::Any) })
        }
        Value::Bytes(text) => {
            byte(text, position(index, text.len())?).ok_or_else(|| "reflect: slice index out of range".to_owned())
        }
        Value::Str(text) | Value::Number(text) => {
            byte(text, position(index, text.len())?).ok_or_else(|| "reflect: string index out of range".to_owned())
        }
        Value::Map(map) => {
            let key = match index {
                Value::Str(key) => key,
                Value::Nil => return Err("value is nil; should be of type string".to_owned()),
                other => return Err(format!("value has type {}; should be string", other.type_name())),
            };
            let elem = map.typ().elem;
            let value = map.get(key.as_bytes()).unwrap_or_else(|| zero(elem));
            Ok(Typed { value, interface: matches!(elem, Elem::Any) })
        }
        other => Err(format!("can't index item of type {}", other.type_name().trim_start_matches('*'))),
    }
}

fn byte(text: &Str, at: usize) -> Option<Typed> {
    let byte = text.as_bytes().get(at)?;
    Some(Typed::plain(Value::Uint(UintKind::Uint8, u64::from(*byte))))
}

/// An index as a number of at most the length.
fn position(index: &Value, length: usize) -> Result<usize, String> {
    let at = match index {
        Value::Int(_, at) => *at,
        Value::Uint(_, at) => *at as i64,
        Value::Nil => return Err("cannot index slice/array with nil".to_owned()),
        Value::Object(object) => match object.underlying() {
            Some(Value::Int(_, at)) => at,
            _ => return Err(format!("cannot index slice/array with type {}", index.type_name())),
        },
        other => return Err(format!("cannot index slice/array with type {}", other.type_name())),
    };
    usize::try_from(at).ok().filter(|at| *at <= length).ok_or_else(|| format!("index out of range: {at}"))
}

/// `slice x 1 2` is `x[1:2]`. A list's capacity is its length here: Go's depends on how it was made.
pub(crate) fn slice(args: &[Typed]) -> Result<Value, String> {
    let Some((item, indexes)) = args.split_first() else { return Ok(Value::Nil) };
    if item.value.is_nil() {
        return Err("slice of untyped nil".to_owned());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    let item = open(&item.value);
    let length = match &item {
        Value::Str(_) | Value::Number(_) if indexes.len() == 3 => {
            return Err("cannot 3-index slice a string".to_owned());
        }
        Value::Str(text) | Value::Number(text) | Value::Bytes(text) => text.len(),
        Value::List(list) => list.len(),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        // Go's `slice`, unlike its `index`, does not look into interfaces.
        if index.interface {
            return Err("cannot index slice/array with type interface {}".to_owned());
        }
        *bound = position(&index.value, length)?;
    }
    let [from, to, capacity] = bounds;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    if to > capacity {
        return Err(format!("invalid slice index: {to} > {capacity}"));
    }
    Ok(match &item {
        Value::Number(text) => Value::Number(Str::new(&text.as_bytes()[from..to])),
        Value::Bytes(text) => Value::Bytes(Str::new(&text.as_bytes()[from..to])),
        Value::Str(text) => Value::Str(Str::new(&text.as_bytes()[from..to])),
        Value::List(list) => Value::List(List::new(list.typ(), list.as_slice()[from..to].to_vec())),
        _ => Value::Nil,
    })
}

/// The length of what has one.
pub(crate) fn length(item: &Typed) -> Result<usize, String> {
    match &open(&item.value) {
        Value::Nil if item.interface => Err("len of nil pointer".to_owned()),
        Value::Nil => Err("reflect: call of reflect.Value.Type on zero Value".to_owned()),
        Value::Str(text) | Value::Number(text) | Value::Bytes(text) => Ok(text.len()),
        Value::List(list) => Ok(list.len()),
        Value::Map(map) => Ok(map.len()),
        _ => Err(format!("len of type {}", item.value.type_name().trim_start_matches('*'))),
    }
}
