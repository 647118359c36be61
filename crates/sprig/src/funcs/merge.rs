//! Maps merged in place by mergo's rules, which are those of `merge` and `mergeOverwrite`.

use masthead_gotmpl::function::Call;
use masthead_gotmpl::kind::{Elem, Kind, MAP_ANY};
use masthead_gotmpl::map::Map;
use masthead_gotmpl::value::Value;

use crate::args;

/// How deep maps are merged.
const DEPTH_MAX: u32 = 1000;
/// mergo's only refusal of maps.
const DIFFERENT_TYPES: &str = "src and dst must be of same type";

/// As [`must_merge`]; where mergo fails, an empty text.
pub fn merge(call: &mut Call<'_>, a: &[Value], overwrite: bool) -> Result<Value, String> {
    match must_merge(call, a, overwrite) {
        Err(error) if error == DIFFERENT_TYPES => Ok(Value::from("")),
        result => result,
    }
}

/// Merges the second and further arguments into the first, in order, and returns that.
pub fn must_merge(call: &mut Call<'_>, a: &[Value], overwrite: bool) -> Result<Value, String> {
    let mut target = args::map(a, 0);
    for index in 1..a.len() {
        let source = args::map(a, index);
        if target.is_nil() && !source.is_nil() {
            target = Map::new(&MAP_ANY);
        }
        into(call, &target, &source, overwrite, DEPTH_MAX)?;
    }
    Ok(Value::Map(target))
}

/// mergo's `deepMerge` of two maps.
fn into(call: &mut Call<'_>, target: &Map, source: &Map, overwrite: bool, depth: u32) -> Result<(), String> {
    let Some(depth) = depth.checked_sub(1) else { return Err(format!("merge: more than {DEPTH_MAX} levels")) };
    let entries = source.entries();
    call.spend(entries.len() as u64, 0)?;
    for (key, new) in entries.iter() {
        if new.is_nil() {
            if overwrite {
                put(target, key, new)?;
            }
            continue;
        }
        let old = target.get(key.as_bytes());
        if let (Some(Value::Map(old)), Value::Map(new)) = (&old, new)
            && !old.is_nil()
        {
            into(call, old, new, overwrite, depth)?;
        }
        let onto_pointer = old.as_ref().is_some_and(|old| old.kind() == Kind::Ptr);
        if onto_pointer && !overwrite && matches!(new.kind(), Kind::Map | Kind::Struct) {
            return Err(DIFFERENT_TYPES.to_owned());
        }
        let filled = old.as_ref().is_some_and(|old| !is_empty(old));
        let list = new.kind() == Kind::Slice;
        if filled && list {
            // A list over something that is there: with overwriting it wins, even an empty one.
            if overwrite {
                put(target, key, new)?;
            }
            continue;
        }
        let both_maps = new.kind() == Kind::Map && old.as_ref().is_some_and(|old| old.kind() == Kind::Map);
        if filled && both_maps {
            continue;
        }
        if overwrite || !filled {
            put(target, key, new)?;
        }
    }
    Ok(())
}

fn put(target: &Map, key: &masthead_gotmpl::string::Str, value: &Value) -> Result<(), String> {
    let fits = match target.typ().elem {
        Elem::Any => true,
        Elem::Str => matches!(value, Value::Str(_)),
        other => other.name() == value.type_name(),
    };
    if !fits {
        return Err(format!(
            "reflect.Value.SetMapIndex: value of type {} is not assignable to type {}",
            if value.is_nil() { "interface {}" } else { value.type_name() },
            target.typ().elem.name()
        ));
    }
    target.insert(key.clone(), value.clone())
}

/// mergo's `isEmptyValue`: structs are never empty.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(object) => match object.kind() {
            Kind::Struct | Kind::Ptr | Kind::Func => false,
            _ => object.underlying().is_none_or(|inner| is_empty(&inner)),
        },
        other => !other.truth(),
    }
}
