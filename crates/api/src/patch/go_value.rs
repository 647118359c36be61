//! A JSON value to the words that Go prints of it: `%v`, `%s`, the name of its type, and its kind.

use serde_json::Value;

/// As `fmt` prints a value of type `interface{}` with `%v`: maps by key, lists with spaces between.
pub fn shown(value: &Value) -> String {
    let mut out = String::new();
    write(value, false, &mut out);
    out
}

/// As `fmt` prints it with `%s`, which complains of what is no text.
pub fn shown_as_text(value: &Value) -> String {
    // A null is complained of alone, and not within something else.
    if value.is_null() {
        return "%!s(<nil>)".to_owned();
    }
    let mut out = String::new();
    write(value, true, &mut out);
    out
}

fn write(value: &Value, as_text: bool, out: &mut String) {
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::String(text) => out.push_str(text),
        Value::Bool(_) | Value::Number(_) if as_text => {
            out.push_str(&format!("%!s({}={})", type_name(value), scalar(value)));
        }
        Value::Bool(_) | Value::Number(_) => out.push_str(&scalar(value)),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                write(item, as_text, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            out.push_str("map[");
            for (i, (key, item)) in fields.into_iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                out.push_str(key);
                out.push(':');
                write(item, as_text, out);
            }
            out.push(']');
        }
    }
}

/// The powers of ten between which Go writes no exponent.
const PLAIN: std::ops::Range<i32> = -4..6;

/// A boolean or a number, fractions as Go's `%v` has them.
fn scalar(value: &Value) -> String {
    let Some(number) = value.as_f64().filter(|_| type_name(value) == "float64") else { return value.to_string() };
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    match exponent.parse() {
        Ok(exponent) if !PLAIN.contains(&exponent) => {
            format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
        }
        _ => number.to_string(),
    }
}

/// The type that Go decodes it to.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(number) if !number.is_i64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// The kind of that type.
pub fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
        other => type_name(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_printed_as_go_prints_them() {
        for (value, plain, text) in [
            (json!(null), "<nil>", "%!s(<nil>)"),
            (json!([null, "a", 1]), "[<nil> a 1]", "[<nil> a %!s(int64=1)]"),
            (json!({"b": true, "a": {}}), "map[a:map[] b:true]", "map[a:map[] b:%!s(bool=true)]"),
            (json!(1.5), "1.5", "%!s(float64=1.5)"),
            (json!(123456.7), "123456.7", "%!s(float64=123456.7)"),
            (json!(1e6), "1e+06", "%!s(float64=1e+06)"),
            (json!(0.0), "0", "%!s(float64=0)"),
            (json!(-0.00002), "-2e-05", "%!s(float64=-2e-05)"),
        ] {
            assert_eq!((shown(&value).as_str(), shown_as_text(&value).as_str()), (plain, text), "{value}");
        }
    }
}
