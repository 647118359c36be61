//! Helm's own functions that reach out of the values: `include`, `tpl`, `required`, `fail`, `lookup`.

use masthead_gotmpl::function::{Call, Function, Param};
use masthead_gotmpl::json::{self, Numbers};
use masthead_gotmpl::map::Map;
use masthead_gotmpl::quote::quote;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

use crate::args::{at, lossy, string, text};
use crate::golang::runes;
use crate::host;
use crate::signature::fixed;

const S: Param = Param::Str;
const ANY: Param = Param::Any;
/// How often a template may be open within itself.
const RECURSION_MAX: u32 = 1000;
/// Name under which Helm parses what `tpl` is given: its root template's.
const ROOT: &str = "gotpl";
/// What text/template prints for nil; Helm takes it out.
const NO_VALUE: &[u8] = b"<no value>";
/// What Helm wraps the text of `required` and `fail` in, to find it again in the error.
pub const WARN_START: &str = "HELM_ERR_START";
/// The other end of [`WARN_START`].
pub const WARN_END: &str = "HELM_ERR_END";

/// `include` and its kind.
pub static FUNCTIONS: [Function; 5] = [
    fixed("include", &[S, ANY], include),
    fixed("tpl", &[S, ANY], tpl),
    fixed("required", &[S, ANY], required),
    fixed("fail", &[S], |call, a| warn(call, "Fail: ", &lossy(a, 0))),
    fixed("lookup", &[S, S, S, S], lookup),
];

fn include(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let name = text(a, 0);
    let included = &mut host::of(call)?.included;
    match included.get_mut(name) {
        Some(open) if *open > RECURSION_MAX => {
            let name = string(a, 0);
            return Err(format!("rendering template has a nested reference name: {name}: unable to execute template"));
        }
        Some(open) => *open += 1,
        None => {
            included.insert(string(a, 0), 1);
        }
    }
    let result = call.execute(name, at(a, 1).clone());
    if let Some(open) = host::of(call)?.included.get_mut(name) {
        *open = open.saturating_sub(1);
    }
    result.map(Value::Str)
}

fn tpl(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let source = string(a, 0);
    // What holds no action renders to itself.
    if runes::find(source.as_bytes(), b"{{").is_none() {
        return Ok(Value::Str(without_no_value(source)));
    }
    let parsed = call
        .parse(ROOT, &source)
        .map_err(|error| format!("cannot parse template {}: {error}", quote(source.as_bytes())))?;
    let out = call
        .execute_parsed(parsed, at(a, 1).clone())
        .map_err(|error| format!("error during tpl function execution for {}: {error}", quote(source.as_bytes())))?;
    Ok(Value::Str(without_no_value(out)))
}

fn without_no_value(text: Str) -> Str {
    match runes::find(text.as_bytes(), NO_VALUE) {
        None => text,
        Some(_) => Str::from(runes::replace(text.as_bytes(), NO_VALUE, b"")),
    }
}

fn required(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    match at(a, 1) {
        Value::Nil => {}
        Value::Str(text) if text.is_empty() => {}
        value => return Ok(value.clone()),
    }
    warn(call, "Missing required value: ", &lossy(a, 0))
}

/// Fails with the text wrapped as Helm wraps it; in lint mode reports it and gives an empty text.
fn warn(call: &mut Call<'_>, kind: &str, message: &str) -> Result<Value, String> {
    if let Ok(host) = host::of(call)
        && host.lint
    {
        host.reports.push(format!("[INFO] {kind}{message}"));
        return Ok(Value::from(""));
    }
    Err(format!("{WARN_START}{message}{WARN_END}"))
}

fn lookup(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let host = host::of(call)?;
    if host.lint {
        return Ok(host::nothing());
    }
    let Some(lookup) = host.lookup.as_mut() else { return Ok(host::nothing()) };
    let found = lookup(&lossy(a, 0), &lossy(a, 1), &lossy(a, 2), &lossy(a, 3))?;
    // Kubernetes' client keeps whole numbers whole.
    Ok(match json::from_json(&found, Numbers::Native) {
        Value::Map(map) => Value::Map(map),
        _ => Value::Map(Map::any()),
    })
}
