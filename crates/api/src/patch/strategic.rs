//! A live object and a strategic merge patch to the object that is asked for: the schema says which lists merge and by
//! what, and directives within the patch say what merging cannot.

use serde_json::{Map, Value};

use crate::patch::element::{DELETE, DIRECTIVE, expected, no_key};
use crate::patch::error::Error;
use crate::patch::go_value::{shown, shown_as_text, type_name};
use crate::patch::order;
use crate::schema::field::{PatchStrategy, Schema, Shape};

const REPLACE: &str = "replace";
const MERGE: &str = "merge";
/// The fields that may stay of a union.
const RETAIN_KEYS: &str = "$retainKeys";
/// Begins the name of a field that lists what goes from a list of scalars.
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
/// Begins the name of a field that lists elements in their order.
const SET_ORDER: &str = "$setElementOrder";
const WITHOUT_KEY: &str = "cannot merge lists without merge key for struct";

type Fields = Map<String, Value>;

fn malformed(what: &str) -> Error {
    Error::BadRequest(format!("invalid patch format of {what}"))
}

fn unknown_directive(directive: &Value, map: &Fields) -> Error {
    let map = shown(&Value::Object(map.clone()));
    Error::Internal(format!("unknown patch type: {} in map: {map}", shown_as_text(directive)))
}

/// Lays a patch over an object of this schema.
///
/// # Errors
/// A directive is malformed or contradicts the rest, or an element lacks the key of its list.
pub fn merge(live: Fields, patch: Fields, schema: &'static Schema) -> Result<Fields, Error> {
    merge_map(live, patch, Shape::Struct(schema))
}

/// Shape and strategy of a field of what has this shape.
fn look_up(holder: Shape, field: &str) -> Result<(Shape, PatchStrategy), Error> {
    let schema = match holder {
        Shape::Map(element) => return Ok((*element, PatchStrategy::Unset)),
        Shape::Struct(schema) => schema,
        _ => {
            let why = "merging an object in json but data type is not struct, instead is: slice";
            return Err(Error::Internal(why.to_owned()));
        }
    };
    let named = schema.field(field);
    let found = named.or_else(|| schema.fields.iter().find(|known| known.json.eq_ignore_ascii_case(field)));
    found.map(|found| (found.shape, found.patch)).ok_or_else(|| {
        let name = schema.name;
        Error::Internal(format!("unable to find api field in struct {name} for the json field {field:?}"))
    })
}

/// The elements' shape of a field that is a list, and the key by which it is merged; `None` where it is replaced.
fn look_up_list(holder: Shape, field: &str) -> Result<(Shape, Option<&'static str>), Error> {
    let (shape, strategy) = look_up(holder, field)?;
    let Shape::List(element) = shape else {
        return Err(Error::Internal("expected slice or array type, but got: struct".to_owned()));
    };
    let key = match strategy {
        PatchStrategy::Merge(key) | PatchStrategy::MergeRetainKeys(key) => Some(key),
        PatchStrategy::Unset | PatchStrategy::RetainKeys | PatchStrategy::Replace => None,
    };
    Ok((*element, key))
}

fn merge_map(mut live: Fields, mut patch: Fields, shape: Shape) -> Result<Fields, Error> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some(REPLACE) => {
                patch.remove(DIRECTIVE);
                Ok(patch)
            }
            Some(DELETE) => Ok(Fields::new()),
            _ => Err(unknown_directive(directive, &patch)),
        };
    }
    retain_keys(&mut live, &mut patch)?;
    set_order(&mut live, &mut patch, shape)?;
    for (key, value) in patch {
        match deleted_from(&key)? {
            Some(field) => delete_from(&mut live, field, value, shape)?,
            None => merge_field(&mut live, key, value, shape)?,
        }
    }
    Ok(live)
}

/// One field of a patch that is no directive.
fn merge_field(live: &mut Fields, key: String, value: Value, shape: Shape) -> Result<(), Error> {
    let merged = match (live.remove(&key), value) {
        (_, Value::Null) => return Ok(()),
        (Some(Value::Object(old)), Value::Object(new)) => {
            let (inner, strategy) = look_up(shape, &key)?;
            match strategy {
                PatchStrategy::Replace => Some(Value::Object(new)),
                _ => Some(Value::Object(merge_map(old, new, inner)?)),
            }
        }
        (Some(Value::Array(old)), Value::Array(new)) => Some(merge_list(old, new, look_up_list(shape, &key)?)?.into()),
        (_, new) => without_directives(without_nulls(new)),
    };
    live.extend(merged.map(|merged| (key, merged)));
    Ok(())
}

/// A field from which elements go. What is no list of scalars is merged as without the directive, where the live object
/// has the like of it.
fn delete_from(live: &mut Fields, field: &str, value: Value, shape: Shape) -> Result<(), Error> {
    let Some(old) = live.get_mut(field) else { return Ok(()) };
    match (old, &value) {
        (Value::Array(old), Value::Array(new)) if !old.is_empty() || !new.is_empty() => {
            let (_, key) = look_up_list(shape, field)?;
            one_type(old, new)?;
            if !old.iter().chain(new).any(Value::is_object) {
                old.retain(|item| !new.contains(item));
                return Ok(());
            }
            if key.is_none_or(str::is_empty) {
                return Err(Error::Internal(WITHOUT_KEY.to_owned()));
            }
        }
        (_, Value::Null) => {}
        (old, value) if type_name(old) == type_name(value) => {}
        _ => return Ok(()),
    }
    merge_field(live, field.to_owned(), value, shape)
}

/// The field whose elements a directive deletes.
fn deleted_from(key: &str) -> Result<Option<&str>, Error> {
    if !key.starts_with(DELETE_FROM) {
        return Ok(None);
    }
    named_by(key, DELETE_FROM).map(Some).ok_or_else(|| malformed("primitive list"))
}

/// The field that a directive is about.
fn named_by<'k>(key: &'k str, directive: &str) -> Option<&'k str> {
    key.split_once('/').filter(|(first, _)| *first == directive).map(|(_, field)| field)
}

/// `$retainKeys`: of a union only these fields stay, and the patch may set no other.
fn retain_keys(live: &mut Fields, patch: &mut Fields) -> Result<(), Error> {
    let Some(kept) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(kept) = kept else { return Err(malformed("retainKeys")) };
    let is_kept = |key: &str| kept.iter().any(|one| one.as_str() == Some(key));
    let is_directive = |key: &str| key.starts_with(DELETE_FROM) || key.starts_with(SET_ORDER);
    if patch.iter().any(|(key, value)| !value.is_null() && !is_directive(key) && !is_kept(key)) {
        return Err(malformed("retainKeys"));
    }
    live.retain(|key, _| is_kept(key));
    Ok(())
}

/// `$setElementOrder`: merges the lists that are put in order, takes them out of the patch.
fn set_order(live: &mut Fields, patch: &mut Fields, shape: Shape) -> Result<(), Error> {
    let directives: Vec<String> = patch.keys().filter(|key| key.starts_with(SET_ORDER)).cloned().collect();
    for directive in directives {
        let order = patch.remove(&directive).unwrap_or_default();
        let Value::Array(order) = order else { return Err(expected("[]interface {}", &order)) };
        let field = named_by(&directive, SET_ORDER).ok_or_else(|| malformed("setElementOrder list"))?;
        let list = |value: Option<&Value>| match value {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items.clone())),
            Some(other) => Err(expected("[]interface {}", other)),
        };
        let (old, new) = (list(live.get(field))?, list(patch.get(field))?);
        let (element, key) = look_up_list(shape, field)?;
        let by = key.unwrap_or_default();
        fits_order(new.as_deref().unwrap_or_default(), &order, by)?;
        let live_order = old.clone().unwrap_or_default();
        one_type(&live_order, new.as_deref().unwrap_or_default())?;
        let merged = match (old, new) {
            (None, None) => continue,
            (Some(old), None) => old,
            (None, Some(new)) => new.into_iter().filter_map(without_directives).collect(),
            (Some(old), Some(new)) => merge_list(old, new, (element, key))?,
        };
        let (first, rest) = order::split(merged, &order, by)?;
        let both = order::merged(first, rest, &order, &live_order, by)?;
        patch.remove(field);
        live.insert(field.to_owned(), both.into());
    }
    Ok(())
}

/// What a patch has of a list stands in the order that it gives, and is all in it.
fn fits_order(new: &[Value], order: &[Value], key: &str) -> Result<(), Error> {
    if order.is_empty() || new.is_empty() {
        return Ok(());
    }
    let identity = |item: &Value| match item {
        _ if key.is_empty() => Ok(item.clone()),
        Value::Object(map) => map.get(key).cloned().ok_or_else(|| no_key(map, key)),
        other => Err(expected("map[string]interface {}", other)),
    };
    let mut rest = order.iter();
    for item in new.iter().filter(|item| item.get(DIRECTIVE).is_none()) {
        let wanted = identity(item)?;
        loop {
            let Some(next) = rest.next() else {
                let (new, order) = (shown(&new.into()), shown(&order.into()));
                let why = format!("The order in patch list:\n{new}\n doesn't match {SET_ORDER} list:\n{order}\n");
                return Err(Error::Internal(why));
            };
            if identity(next)? == wanted {
                break;
            }
        }
    }
    Ok(())
}

/// Elements of lists that merge are all objects, or all of one sort of scalars.
fn one_type(old: &[Value], new: &[Value]) -> Result<(), Error> {
    let mut all = old.iter().chain(new);
    let Some(first) = all.next() else { return Ok(()) };
    if first.is_array() {
        return Err(Error::Rejected("lists of lists are not supported".to_owned()));
    }
    if all.all(|item| type_name(item) == type_name(first)) {
        return Ok(());
    }
    let both = Value::from(vec![Value::from(old), Value::from(new)]);
    Err(Error::Internal(format!("list element types are not identical: {}", shown(&both))))
}

fn merge_list(old: Vec<Value>, new: Vec<Value>, list: (Shape, Option<&'static str>)) -> Result<Vec<Value>, Error> {
    let (element, Some(key)) = list else { return Ok(new) };
    one_type(&old, &new)?;
    let is_scalar = !old.iter().chain(&new).any(Value::is_object);
    if is_scalar {
        let both = without_repeated(old.iter().chain(&new).cloned().collect());
        let (first, rest) = order::split(both, &new, key)?;
        return order::merged(first, rest, &new, &old, key);
    }
    if key.is_empty() {
        return Err(Error::Internal(WITHOUT_KEY.to_owned()));
    }
    let (old, new) = obey(old, new, key)?;
    let mut merged = old.clone();
    for item in &new {
        let Value::Object(item) = item else { continue };
        let wanted = item.get(key).ok_or_else(|| no_key(item, key))?;
        match merged.iter_mut().find(|one| one.get(key) == Some(wanted)) {
            Some(Value::Object(live)) => *live = merge_map(std::mem::take(live), item.clone(), element)?,
            _ => merged.push(Value::Object(item.clone())),
        }
    }
    let (first, rest) = order::split(merged, &new, key)?;
    order::merged(first, rest, &new, &old, key)
}

/// What directives among the elements of a patch leave of the live list and of the patch.
fn obey(mut old: Vec<Value>, new: Vec<Value>, key: &str) -> Result<(Vec<Value>, Vec<Value>), Error> {
    let mut rest = Vec::with_capacity(new.len());
    let mut is_replaced = false;
    for item in new {
        let Some((map, directive)) = item.as_object().and_then(|map| Some((map, map.get(DIRECTIVE)?))) else {
            rest.push(item);
            continue;
        };
        match directive.as_str() {
            Some(DELETE) => {
                let gone = map.get(key).ok_or_else(|| no_key(map, key))?;
                old.retain(|one| one.get(key) != Some(gone));
            }
            Some(REPLACE) => is_replaced = true,
            Some(MERGE) => {
                return Err(Error::Internal("merging lists cannot yet be specified in the patch".to_owned()));
            }
            _ => return Err(unknown_directive(directive, map)),
        }
    }
    Ok(if is_replaced { (rest, Vec::new()) } else { (old, rest) })
}

/// Takes out what stands there twice; the last element comes into its place.
fn without_repeated(mut list: Vec<Value>) -> Vec<Value> {
    let mut i = 0;
    while i < list.len() {
        let mut j = i + 1;
        while j < list.len() {
            if list[i] == list[j] {
                list.swap_remove(j);
            } else {
                j += 1;
            }
        }
        i += 1;
    }
    list
}

/// A value without null fields.
fn without_nulls(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            map.retain(|_, inner| !inner.is_null());
            map.values_mut().for_each(|inner| *inner = without_nulls(inner.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| *inner = without_nulls(inner.take())),
        _ => {}
    }
    value
}

/// A value that is new, without the objects that are directives; `None` for one that is itself.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => Some(Value::Object(
            map.into_iter().filter_map(|(key, inner)| Some((key, without_directives(inner)?))).collect(),
        )),
        Value::Array(items) => Some(items.into_iter().filter_map(without_directives).collect()),
        other => Some(other),
    }
}
