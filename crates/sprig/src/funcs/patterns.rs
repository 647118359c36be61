//! Regular expressions and version constraints over strings.

use std::rc::Rc;

use masthead_gotmpl::function::{Call, Function, Param};
use masthead_gotmpl::kind::LIST_STR;
use masthead_gotmpl::list::List;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

use crate::args::{int, str_list, string, text};
use crate::host;
use crate::regex::error::Error;
use crate::regex::program::{Regex, quote_meta};
use crate::semver::object::VersionObject;
use crate::semver::{constraint, version};
use crate::signature::{INT, fixed};

const S: Param = Param::Str;

/// `regexFind`, `semverCompare` and their kind.
pub static FUNCTIONS: [Function; 15] = [
    fixed("regexMatch", &[S, S], |call, a| {
        Ok(Value::Bool(pattern(call, a).is_ok_and(|pattern| pattern.is_match(text(a, 1)))))
    }),
    fixed("mustRegexMatch", &[S, S], |call, a| Ok(Value::Bool(checked(call, a)?.is_match(text(a, 1))))),
    fixed("regexFindAll", &[S, S, INT], |call, a| Ok(find_all(&*panicking(call, a)?, a))),
    fixed("mustRegexFindAll", &[S, S, INT], |call, a| Ok(find_all(&*checked(call, a)?, a))),
    fixed("regexFind", &[S, S], |call, a| Ok(find(&*panicking(call, a)?, a))),
    fixed("mustRegexFind", &[S, S], |call, a| Ok(find(&*checked(call, a)?, a))),
    fixed("regexReplaceAll", &[S, S, S], |call, a| replace(call, a, panicking, Regex::replace_all)),
    fixed("mustRegexReplaceAll", &[S, S, S], |call, a| replace(call, a, checked, Regex::replace_all)),
    fixed("regexReplaceAllLiteral", &[S, S, S], |call, a| replace(call, a, panicking, Regex::replace_all_literal)),
    fixed("mustRegexReplaceAllLiteral", &[S, S, S], |call, a| replace(call, a, checked, Regex::replace_all_literal)),
    fixed("regexSplit", &[S, S, INT], |call, a| Ok(split(&*panicking(call, a)?, a))),
    fixed("mustRegexSplit", &[S, S, INT], |call, a| Ok(split(&*checked(call, a)?, a))),
    fixed("regexQuoteMeta", &[S], |_, a| Ok(Value::str(quote_meta(text(a, 0))))),
    fixed("semver", &[S], |_, a| {
        let version = version::parse(text(a, 0)).map_err(|error| error.to_string())?;
        Ok(Value::Object(Rc::new(VersionObject::pointer(version))))
    }),
    fixed("semverCompare", &[S, S], |_, a| {
        let constraint = constraint::parse(text(a, 0)).map_err(|error| error.to_string())?;
        let version = version::parse(text(a, 1)).map_err(|error| error.to_string())?;
        Ok(Value::Bool(constraint.check(&version)))
    }),
];

/// The compiled pattern of the first argument, kept in the host where there is one.
fn pattern(call: &mut Call<'_>, a: &[Value]) -> Result<Rc<Regex>, Error> {
    let source = string(a, 0);
    call.spend(1, text(a, 1).len() as u64).map_err(|_| Error::budget(text(a, 0)))?;
    match host::of(call) {
        Ok(host) => host.pattern(&source),
        Err(_) => Regex::new(source.as_bytes()).map(Rc::new),
    }
}

/// As `regexp.Compile` fails.
fn checked(call: &mut Call<'_>, a: &[Value]) -> Result<Rc<Regex>, String> {
    pattern(call, a).map_err(|error| error.to_string())
}

/// As `regexp.MustCompile` panics.
fn panicking(call: &mut Call<'_>, a: &[Value]) -> Result<Rc<Regex>, String> {
    pattern(call, a).map_err(|error| format!("regexp: Compile({}): {error}", back_quoted(text(a, 0))))
}

fn back_quoted(source: &[u8]) -> String {
    match std::str::from_utf8(source) {
        Ok(plain) if masthead_gotmpl::quote::can_backquote(source) => format!("`{plain}`"),
        _ => masthead_gotmpl::quote::quote(source),
    }
}

fn part(source: &[u8], bounds: (usize, usize)) -> Str {
    Str::new(&source[bounds.0..bounds.1])
}

fn find_all(regex: &Regex, a: &[Value]) -> Value {
    let found = regex.find_all(text(a, 1), int(a, 2));
    if found.is_empty() {
        return Value::List(List::nil(&LIST_STR));
    }
    str_list(found.into_iter().map(|bounds| part(text(a, 1), bounds)).collect())
}

fn find(regex: &Regex, a: &[Value]) -> Value {
    Value::Str(regex.find_all(text(a, 1), 1).first().map_or(Str::EMPTY, |&bounds| part(text(a, 1), bounds)))
}

fn split(regex: &Regex, a: &[Value]) -> Value {
    match regex.split(text(a, 1), int(a, 2)) {
        None => Value::List(List::nil(&LIST_STR)),
        Some(parts) => str_list(parts.into_iter().map(|bounds| part(text(a, 1), bounds)).collect()),
    }
}

fn replace(
    call: &mut Call<'_>,
    a: &[Value],
    compile: fn(&mut Call<'_>, &[Value]) -> Result<Rc<Regex>, String>,
    replace: fn(&Regex, &[u8], &[u8]) -> Vec<u8>,
) -> Result<Value, String> {
    let regex = compile(call, a)?;
    let (source, replacement) = (text(a, 1), text(a, 2));
    call.spend(0, (source.len() as u64 + 1).saturating_mul(replacement.len() as u64 + 1))?;
    Ok(Value::str(replace(&regex, source, replacement)))
}
