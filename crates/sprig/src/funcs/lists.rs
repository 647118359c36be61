//! Lists to lists and elements; a list may be of any element type, results are `[]interface {}`.

use std::borrow::Cow;

use masthead_gotmpl::function::{Call, Function, Param};
use masthead_gotmpl::kind::{LIST_ANY, LIST_LIST};
use masthead_gotmpl::list::List;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

use crate::args::{self, any_list, at, is_empty};
use crate::cast::to_int64;
use crate::equal::deep_equal;
use crate::signature::{INT, fixed, many};

const ANY: Param = Param::Any;

/// `list`, `first`, `append`, `uniq`, `slice` and their kind, each with its `must` twin.
pub static FUNCTIONS: [Function; 31] = [
    many("list", &[], ANY, list),
    many("tuple", &[], ANY, list),
    fixed("append", &[ANY, ANY], append),
    fixed("push", &[ANY, ANY], append),
    fixed("mustAppend", &[ANY, ANY], append),
    fixed("mustPush", &[ANY, ANY], append),
    fixed("prepend", &[ANY, ANY], prepend),
    fixed("mustPrepend", &[ANY, ANY], prepend),
    fixed("first", &[ANY], first),
    fixed("mustFirst", &[ANY], first),
    fixed("rest", &[ANY], rest),
    fixed("mustRest", &[ANY], rest),
    fixed("last", &[ANY], last),
    fixed("mustLast", &[ANY], last),
    fixed("initial", &[ANY], initial),
    fixed("mustInitial", &[ANY], initial),
    fixed("reverse", &[ANY], reverse),
    fixed("mustReverse", &[ANY], reverse),
    fixed("uniq", &[ANY], uniq),
    fixed("mustUniq", &[ANY], uniq),
    many("without", &[ANY], ANY, without),
    many("mustWithout", &[ANY], ANY, without),
    fixed("has", &[ANY, ANY], has),
    fixed("mustHas", &[ANY, ANY], has),
    many("slice", &[ANY], ANY, slice),
    many("mustSlice", &[ANY], ANY, slice),
    many("concat", &[], ANY, concat),
    fixed("chunk", &[INT, ANY], chunk),
    fixed("mustChunk", &[INT, ANY], chunk),
    fixed("compact", &[ANY], compact),
    fixed("mustCompact", &[ANY], compact),
];

fn list(_: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    Ok(any_list(a.to_vec()))
}

/// The elements, their number accounted for.
fn items<'v>(call: &mut Call<'_>, value: &'v Value, verb: &str) -> Result<Cow<'v, [Value]>, String> {
    let items = args::list(value, verb)?;
    call.spend(items.len() as u64, items.len() as u64 * 24)?;
    Ok(items)
}

fn append(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let list = items(call, at(a, 0), "push on")?;
    let mut out = Vec::with_capacity(list.len() + 1);
    out.extend_from_slice(&list);
    out.push(at(a, 1).clone());
    Ok(any_list(out))
}

fn prepend(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let list = items(call, at(a, 0), "prepend on")?;
    let mut out = Vec::with_capacity(list.len() + 1);
    out.push(at(a, 1).clone());
    out.extend_from_slice(&list);
    Ok(any_list(out))
}

fn first(_: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    Ok(args::list(at(a, 0), "find first on")?.first().cloned().unwrap_or_default())
}

fn last(_: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    Ok(args::list(at(a, 0), "find last on")?.last().cloned().unwrap_or_default())
}

fn rest(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let list = items(call, at(a, 0), "find rest on")?;
    Ok(list.split_first().map_or_else(nil_list, |(_, rest)| any_list(rest.to_vec())))
}

fn initial(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let list = items(call, at(a, 0), "find initial on")?;
    Ok(list.split_last().map_or_else(nil_list, |(_, rest)| any_list(rest.to_vec())))
}

fn nil_list() -> Value {
    Value::List(List::nil(&LIST_ANY))
}

fn reverse(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    Ok(any_list(items(call, at(a, 0), "find reverse on")?.iter().rev().cloned().collect()))
}

fn compact(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let list = items(call, at(a, 0), "compact on")?;
    Ok(any_list(list.iter().filter(|item| !is_empty(item)).cloned().collect()))
}

fn uniq(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let list = items(call, at(a, 0), "find uniq on")?;
    let mut out: Vec<Value> = Vec::new();
    for item in list.iter() {
        call.spend(out.len() as u64, 0)?;
        if !out.iter().any(|known| deep_equal(item, known)) {
            out.push(item.clone());
        }
    }
    Ok(any_list(out))
}

fn without(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let list = items(call, at(a, 0), "find without on")?;
    let omit = a.get(1..).unwrap_or(&[]);
    call.spend((list.len() as u64).saturating_mul(omit.len() as u64), 0)?;
    let kept = list.iter().filter(|item| !omit.iter().any(|other| deep_equal(item, other)));
    Ok(any_list(kept.cloned().collect()))
}

fn has(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    if at(a, 1).is_nil() {
        return Ok(Value::Bool(false));
    }
    let list = args::list(at(a, 1), "find has on")?;
    call.spend(list.len() as u64, 0)?;
    Ok(Value::Bool(list.iter().any(|item| deep_equal(at(a, 0), item))))
}

fn slice(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let value = at(a, 0);
    let list = match args::elements(value) {
        Some(list) => list,
        None if value.is_nil() => return Err(args::NIL_POINTER.to_owned()),
        None => return Err(format!("list should be type of slice or array but {}", value.kind().name())),
    };
    if list.is_empty() {
        return Ok(Value::Nil);
    }
    let start = a.get(1).map_or(0, to_int64);
    let end = a.get(2).map_or(list.len() as i64, to_int64);
    let bounds = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let Some(part) = bounds.and_then(|(start, end)| list.get(start..end)) else {
        return Err("reflect.Value.Slice: slice index out of bounds".into());
    };
    call.spend(part.len() as u64, 0)?;
    Ok(match value {
        Value::List(whole) => Value::List(List::new(whole.typ(), part.to_vec())),
        Value::Bytes(bytes) => {
            let (start, end) = bounds.unwrap_or((0, 0));
            Value::Bytes(Str::new(&bytes.as_bytes()[start..end]))
        }
        _ => any_list(part.to_vec()),
    })
}

fn concat(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let mut out = Vec::new();
    for value in a {
        let Some(list) = args::elements(value) else {
            return Err(match value.is_nil() {
                true => args::NIL_POINTER.to_owned(),
                false => format!("Cannot concat type {} as list", value.kind().name()),
            });
        };
        call.spend(list.len() as u64, list.len() as u64 * 24)?;
        out.extend_from_slice(&list);
    }
    Ok(if out.is_empty() { nil_list() } else { any_list(out) })
}

fn chunk(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let value = at(a, 1);
    let list = items(call, value, "chunk")?;
    let size = args::int(a, 0);
    let Some(size) = usize::try_from(size).ok().filter(|&size| size > 0) else {
        return backward_chunk(&list, size);
    };
    let chunks = list.chunks(size).map(|part| any_list(part.to_vec())).collect();
    Ok(Value::List(List::new(&LIST_LIST, chunks)))
}

/// Chunks of a size that is none: Go's arithmetic on floats finds no chunk, or one of all, before it fails.
fn backward_chunk(list: &[Value], size: i64) -> Result<Value, String> {
    let count = ((list.len() as f64 - 1.0) / size as f64).floor() + 1.0;
    let whole = !list.is_empty() && (list.len() as u64) < size.unsigned_abs();
    let chunks = match count {
        0.0 => Vec::new(),
        1.0 if whole => vec![any_list(list.to_vec())],
        _ => return Err("runtime error: makeslice: len out of range".into()),
    };
    Ok(Value::List(List::new(&LIST_LIST, chunks)))
}
