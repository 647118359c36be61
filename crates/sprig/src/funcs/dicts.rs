//! Maps read and changed in place, and values looked up in them. Where Go's order is random, it is that of the keys.

use std::rc::Rc;

use masthead_gotmpl::function::{Call, Function, Param};
use masthead_gotmpl::kind::{Kind, MAP_ANY};
use masthead_gotmpl::list::List;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

use super::merge;
use crate::args::{any_list, at, map, str_list, text};
use crate::semver::object::VersionObject;
use crate::semver::version::Version;
use crate::signature::{fixed, many};
use crate::text::strval;

const S: Param = Param::Str;
const M: Param = Param::Map;
const ANY: Param = Param::Any;
/// How deep a copy goes.
const DEPTH_MAX: u32 = 1000;

/// `dict`, `get`, `set`, `merge`, `dig` and their kind.
pub static FUNCTIONS: [Function; 18] = [
    many("dict", &[], ANY, dict),
    fixed("get", &[M, S], |_, a| Ok(map(a, 0).get(text(a, 1)).unwrap_or_else(|| Value::from("")))),
    fixed("set", &[M, S, ANY], |_, a| {
        let map = map(a, 0);
        map.insert(Str::new(text(a, 1)), at(a, 2).clone())?;
        Ok(Value::Map(map))
    }),
    fixed("unset", &[M, S], |_, a| {
        let map = map(a, 0);
        map.remove(text(a, 1));
        Ok(Value::Map(map))
    }),
    fixed("hasKey", &[M, S], |_, a| Ok(Value::Bool(map(a, 0).contains(text(a, 1))))),
    many("pluck", &[S], M, |_, a| Ok(any_list((1..a.len()).filter_map(|i| map(a, i).get(text(a, 0))).collect()))),
    many("keys", &[], M, |call, a| {
        let keys: Vec<Str> = (0..a.len()).flat_map(|i| map(a, i).keys()).collect();
        call.spend(keys.len() as u64, keys.len() as u64 * 24)?;
        Ok(str_list(keys))
    }),
    fixed("values", &[M], |call, a| {
        let entries = map(a, 0).entries();
        call.spend(entries.len() as u64, entries.len() as u64 * 24)?;
        Ok(any_list(entries.iter().map(|(_, value)| value.clone()).collect()))
    }),
    many("pick", &[M], S, |_, a| {
        let source = map(a, 0);
        let found = (1..a.len()).filter_map(|i| Some((Str::new(text(a, i)), source.get(text(a, i))?)));
        Ok(Value::Map(found.collect()))
    }),
    many("omit", &[M], S, |call, a| {
        let entries = map(a, 0).entries();
        call.spend((entries.len() as u64).saturating_mul(a.len() as u64), entries.len() as u64 * 48)?;
        let kept = |key: &Str| !(1..a.len()).any(|i| text(a, i) == key.as_bytes());
        Ok(Value::Map(entries.iter().filter(|(key, _)| kept(key)).cloned().collect()))
    }),
    many("merge", &[M], M, |call, a| merge::merge(call, a, false)),
    many("mustMerge", &[M], M, |call, a| merge::must_merge(call, a, false)),
    many("mergeOverwrite", &[M], M, |call, a| merge::merge(call, a, true)),
    many("mustMergeOverwrite", &[M], M, |call, a| merge::must_merge(call, a, true)),
    fixed("deepCopy", &[ANY], deep_copy),
    fixed("mustDeepCopy", &[ANY], deep_copy),
    many("dig", &[], ANY, dig),
    fixed("deepEqual", &[ANY, ANY], |call, a| {
        call.spend(1, 0)?;
        Ok(Value::Bool(crate::equal::deep_equal(at(a, 0), at(a, 1))))
    }),
];

fn dict(_: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let pair = |pair: &[Value]| Ok((strval(&pair[0])?, pair.get(1).cloned().unwrap_or_else(|| Value::from(""))));
    Ok(Value::Map(Map::from_pairs(&MAP_ANY, a.chunks(2).map(pair).collect::<Result<_, String>>()?)))
}

fn deep_copy(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    if at(a, 0).is_nil() {
        return Err(crate::args::ZERO_VALUE.to_owned());
    }
    copy(call, at(a, 0), DEPTH_MAX)
}

/// A copy that shares no map and no list with its source.
fn copy(call: &mut Call<'_>, value: &Value, depth: u32) -> Result<Value, String> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("deepCopy error: more than {DEPTH_MAX} levels"));
    };
    Ok(match value {
        Value::List(list) if !list.is_nil() => {
            call.spend(list.len() as u64, list.len() as u64 * 24)?;
            let items = list.as_slice().iter().map(|item| copy(call, item, depth)).collect::<Result<_, _>>()?;
            Value::List(List::new(list.typ(), items))
        }
        Value::Map(map) if !map.is_nil() => {
            let entries = map.entries();
            call.spend(entries.len() as u64, entries.len() as u64 * 48)?;
            let mut pairs = Vec::with_capacity(entries.len());
            for (key, value) in entries.iter() {
                pairs.push((key.clone(), copy(call, value, depth)?));
            }
            let twin = Map::from_pairs(map.typ(), pairs);
            twin.set_path_id(map.path_id());
            Value::Map(twin)
        }
        // Go's copy leaves out private fields, of which a version has nothing else.
        Value::Object(object) if object.as_any().is::<VersionObject>() => {
            Value::Object(Rc::new(VersionObject::pointer(Version::default())))
        }
        other => other.clone(),
    })
}

fn dig(_: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let [keys @ .., default, dict] = a else { return Err("dig needs at least three arguments".into()) };
    if keys.is_empty() {
        return Err("dig needs at least three arguments".into());
    }
    let mut current = as_plain_map(dict)?;
    let keys = keys
        .iter()
        .map(|key| match key {
            Value::Str(key) => Ok(key),
            other => Err(conversion(other, "string")),
        })
        .collect::<Result<Vec<_>, _>>()?;
    for (index, key) in keys.iter().enumerate() {
        let Some(step) = current.get(key.as_bytes()) else { return Ok(default.clone()) };
        if index + 1 == keys.len() {
            return Ok(step);
        }
        current = as_plain_map(&step)?;
    }
    Ok(default.clone())
}

/// Go's type assertion to `map[string]interface {}`: named types, such as a chart's values, are none.
fn as_plain_map(value: &Value) -> Result<Map, String> {
    match value {
        Value::Map(map) if map.typ().same(&MAP_ANY) => Ok(map.clone()),
        other => Err(conversion(other, "map[string]interface {}")),
    }
}

fn conversion(value: &Value, wanted: &str) -> String {
    let found = match value.kind() {
        Kind::Invalid => "nil",
        _ => value.type_name(),
    };
    format!("interface conversion: interface {{}} is {found}, not {wanted}")
}
