//! Values to text, as sprig's `strval` and Go's `%v` make it.

use masthead_gotmpl::fmt::print;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

/// `fmt.Sprintf("%v", value)`. Fails for what has no end.
pub fn display(value: &Value) -> Result<Str, String> {
    match value {
        Value::Str(text) | Value::Number(text) => Ok(text.clone()),
        Value::Int(_, number) => Ok(number.to_string().into()),
        Value::Bool(value) => Ok(Str::from(if *value { "true" } else { "false" })),
        _ => print::display(value),
    }
}

/// sprig's `strval`: bytes are their text.
pub fn strval(value: &Value) -> Result<Str, String> {
    match value {
        Value::Bytes(bytes) => Ok(bytes.clone()),
        _ => display(value),
    }
}

/// sprig's `strslice`: the texts of a list's elements that are not nil; of any other value, its own.
pub fn strings(value: &Value) -> Result<Vec<Str>, String> {
    match crate::args::elements(value) {
        Some(items) => items.iter().filter(|item| !item.is_nil()).map(strval).collect(),
        None if value.is_nil() => Ok(Vec::new()),
        None => Ok(vec![strval(value)?]),
    }
}
