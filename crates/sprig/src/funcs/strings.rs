//! Strings to strings: trimming, cutting, joining, quoting, replacing.

use masthead_gotmpl::function::{Call, Function, Param};
use masthead_gotmpl::kind::{MAP_STR, MapType};
use masthead_gotmpl::map::Map;
use masthead_gotmpl::quote;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

use crate::args;
use crate::golang::{number, runes, unicode};
use crate::signature::{INT, fixed, many};
use crate::text::{display, strings, strval};

const S: Param = Param::Str;

/// `hello`, `trim`, `replace`, `indent`, `split`, `quote` and their kind.
pub static FUNCTIONS: [Function; 34] = [
    fixed("hello", &[], |_, _| Ok(Value::from("Hello!"))),
    fixed("trim", &[S], |_, a| part(a, 0, runes::trim(args::text(a, 0), unicode::is_space))),
    fixed("trimall", &[S, S], trim_all),
    fixed("trimAll", &[S, S], trim_all),
    fixed("trimSuffix", &[S, S], |_, a| {
        let (suffix, text) = (args::text(a, 0), args::text(a, 1));
        part(a, 1, text.strip_suffix(suffix).unwrap_or(text))
    }),
    fixed("trimPrefix", &[S, S], |_, a| {
        let (prefix, text) = (args::text(a, 0), args::text(a, 1));
        part(a, 1, text.strip_prefix(prefix).unwrap_or(text))
    }),
    fixed("repeat", &[INT, S], |call, a| Ok(Value::str(repeat(call, args::text(a, 1), args::int(a, 0))?))),
    fixed("trunc", &[INT, S], |_, a| part(a, 1, truncate(args::int(a, 0), args::text(a, 1)))),
    fixed("substr", &[INT, INT, S], |_, a| bytes(substring(args::int(a, 0), args::int(a, 1), args::text(a, 2))?)),
    fixed("contains", &[S, S], |_, a| Ok(Value::Bool(runes::find(args::text(a, 1), args::text(a, 0)).is_some()))),
    fixed("hasPrefix", &[S, S], |_, a| Ok(Value::Bool(args::text(a, 1).starts_with(args::text(a, 0))))),
    fixed("hasSuffix", &[S, S], |_, a| Ok(Value::Bool(args::text(a, 1).ends_with(args::text(a, 0))))),
    many("quote", &[], Param::Any, |_, a| {
        joined(a, |item, out| {
            quote::append(out, strval(item)?.as_bytes(), false);
            Ok(())
        })
    }),
    many("squote", &[], Param::Any, |_, a| {
        joined(a, |item, out| {
            out.push(b'\'');
            out.extend_from_slice(display(item)?.as_bytes());
            out.push(b'\'');
            Ok(())
        })
    }),
    many("cat", &[], Param::Any, |_, a| {
        joined(a, |item, out| {
            out.extend_from_slice(display(item)?.as_bytes());
            Ok(())
        })
    }),
    fixed("indent", &[INT, S], |call, a| indent(call, a, b"")),
    fixed("nindent", &[INT, S], |call, a| indent(call, a, b"\n")),
    fixed("replace", &[S, S, S], replace),
    fixed("plural", &[S, S, INT], |_, a| Ok(args::at(a, usize::from(args::int(a, 2) != 1)).clone())),
    fixed("toString", &[Param::Any], |_, a| strval(args::at(a, 0)).map(Value::Str)),
    fixed("atoi", &[S], |_, a| Ok(Value::int(number::parse_int_lenient(args::text(a, 0), 10)))),
    fixed("split", &[S, S], |_, a| Ok(numbered(&runes::split(args::text(a, 1), args::text(a, 0), -1)))),
    fixed("splitn", &[S, INT, S], |_, a| {
        Ok(numbered(&runes::split(args::text(a, 2), args::text(a, 0), args::int(a, 1))))
    }),
    fixed("splitList", &[S, S], |_, a| {
        let parts = runes::split(args::text(a, 1), args::text(a, 0), -1);
        Ok(args::str_list(parts.into_iter().map(Str::new).collect()))
    }),
    fixed("toStrings", &[Param::Any], |_, a| strings(args::at(a, 0)).map(args::str_list)),
    fixed("join", &[S, Param::Any], |_, a| Ok(Value::str(join(args::text(a, 0), &strings(args::at(a, 1))?)))),
    fixed("sortAlpha", &[Param::Any], |_, a| {
        let list = args::at(a, 0);
        let mut texts = match args::elements(list) {
            Some(_) => strings(list)?,
            None => vec![strval(list)?],
        };
        texts.sort_unstable();
        Ok(args::str_list(texts))
    }),
    fixed("base", &[S], |_, a| bytes(crate::golang::path::base(args::text(a, 0)))),
    fixed("dir", &[S], |_, a| Ok(Value::str(crate::golang::path::dir(args::text(a, 0))))),
    fixed("clean", &[S], |_, a| Ok(Value::str(crate::golang::path::clean(args::text(a, 0))))),
    fixed("ext", &[S], |_, a| bytes(crate::golang::path::ext(args::text(a, 0)))),
    fixed("isAbs", &[S], |_, a| Ok(Value::Bool(crate::golang::path::is_abs(args::text(a, 0))))),
    fixed("osBase", &[S], |_, a| bytes(crate::golang::path::base(args::text(a, 0)))),
    fixed("osDir", &[S], |_, a| Ok(Value::str(crate::golang::path::dir(args::text(a, 0))))),
];

fn part(a: &[Value], index: usize, text: &[u8]) -> Result<Value, String> {
    Ok(Value::Str(args::part(a, index, text)))
}

fn bytes(text: &[u8]) -> Result<Value, String> {
    Ok(Value::Str(Str::new(text)))
}

fn trim_all(_: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let cut: Vec<char> = runes::of(args::text(a, 0)).collect();
    bytes(runes::trim(args::text(a, 1), |c| cut.contains(&c)))
}

/// `strings.Repeat`, its size accounted for.
pub(super) fn repeat(call: &mut Call<'_>, text: &[u8], count: i64) -> Result<Vec<u8>, String> {
    let Ok(count) = usize::try_from(count) else { return Err("strings: negative Repeat count".into()) };
    let Some(size) = text.len().checked_mul(count).filter(|&size| isize::try_from(size).is_ok()) else {
        return Err("strings: Repeat output length overflow".into());
    };
    call.spend(0, size as u64)?;
    Ok(text.repeat(count))
}

fn truncate(count: i64, text: &[u8]) -> &[u8] {
    let size = text.len();
    match usize::try_from(count) {
        Ok(count) => &text[..count.min(size)],
        Err(_) => match usize::try_from(count.unsigned_abs()) {
            Ok(tail) if tail < size => &text[size - tail..],
            _ => text,
        },
    }
}

/// sprig's `substring`, with Go's words for bounds that are none.
fn substring(start: i64, end: i64, text: &[u8]) -> Result<&[u8], String> {
    let size = text.len();
    let fault = |bounds: String| Err(format!("runtime error: slice bounds out of range {bounds}"));
    let Ok(from) = usize::try_from(start) else {
        return match usize::try_from(end) {
            Err(_) => fault(format!("[:{end}]")),
            Ok(to) if to > size => fault(format!("[:{end}] with length {size}")),
            Ok(to) => Ok(&text[..to]),
        };
    };
    match usize::try_from(end) {
        Ok(to) if to <= size => {
            if from > to {
                fault(format!("[{from}:{to}]"))
            } else {
                Ok(&text[from..to])
            }
        }
        _ if from > size => fault(format!("[{from}:{size}]")),
        _ => Ok(&text[from..]),
    }
}

/// The values that are not nil, each written by `write`, with a space between.
fn joined(values: &[Value], write: impl Fn(&Value, &mut Vec<u8>) -> Result<(), String>) -> Result<Value, String> {
    let mut out = Vec::new();
    for (index, value) in values.iter().filter(|value| !value.is_nil()).enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        write(value, &mut out)?;
    }
    Ok(Value::str(out))
}

fn indent(call: &mut Call<'_>, a: &[Value], head: &[u8]) -> Result<Value, String> {
    let text = args::text(a, 1);
    let Ok(pad) = usize::try_from(args::int(a, 0)) else { return Err("strings: negative Repeat count".into()) };
    call.spend(0, pad as u64)?;
    let lines = memchr::memchr_iter(b'\n', text).count() + 1;
    let size = text.len().saturating_add(lines.saturating_mul(pad)).saturating_add(head.len());
    call.spend(0, size as u64)?;
    Ok(Value::Str(Str::filled(size, |out| {
        out[..head.len()].copy_from_slice(head);
        let (mut to, mut from) = (head.len(), 0);
        let mut put = |line: &[u8]| {
            out[to..to + pad].fill(b' ');
            out[to + pad..to + pad + line.len()].copy_from_slice(line);
            to += pad + line.len();
        };
        for at in memchr::memchr_iter(b'\n', text) {
            put(&text[from..=at]);
            from = at + 1;
        }
        put(&text[from..]);
    })))
}

fn replace(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let (old, new, text) = (args::text(a, 0), args::text(a, 1), args::text(a, 2));
    call.spend(0, (text.len() as u64 + 1).saturating_mul(new.len() as u64 + 1))?;
    Ok(Value::str(runes::replace(text, old, new)))
}

/// `{"_0": …, "_1": …}`
fn numbered(parts: &[&[u8]]) -> Value {
    const TYPE: &MapType = &MAP_STR;
    let pairs = parts.iter().enumerate().map(|(at, part)| (Str::from(format!("_{at}")), Value::Str(Str::new(part))));
    Value::Map(Map::from_pairs(TYPE, pairs.collect()))
}

fn join(separator: &[u8], parts: &[Str]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(part.as_bytes());
    }
    out
}
