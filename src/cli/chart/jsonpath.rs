//! `show values --jsonpath`: a template of paths like `{.image.tag}` and values → text, as Kubernetes' library prints it.

use serde_json::Value;

/// One step of a path.
enum Step {
    Name(String),
    At(i64),
    All,
}

/// The text; what a path does not find is nothing.
///
/// # Errors
/// The library's words for what does not parse; ranges, filters, slices and functions are refused.
pub fn print(template: &str, values: &Value) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((text, tail)) = rest.split_once('{') {
        out.push_str(&unescaped(text));
        let (action, after) = action(tail).ok_or_else(|| wrong(template, "unclosed action"))?;
        rest = after;
        let action = action.trim();
        if let Some(text) = action.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            out.push_str(&unescaped(text));
            continue;
        }
        let steps = steps(action).map_err(|why| wrong(template, &why))?;
        let found: Vec<String> = find(values, &steps).into_iter().filter_map(text_of).collect();
        out.push_str(&found.join(" "));
    }
    out.push_str(&unescaped(rest));
    Ok(out)
}

fn wrong(template: &str, why: &str) -> String {
    format!("error parsing jsonpath {template}: {why}")
}

/// What stands before the closing brace, which may not be one inside of quotes, and what follows.
fn action(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (None, '}') => return Some((&text[..at], &text[at + 1..])),
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), letter) if open == letter => quote = None,
            _ => {}
        }
    }
    None
}

fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t")
}

fn steps(action: &str) -> Result<Vec<Step>, String> {
    let unsupported = || format!("{action:?} is not supported: only names, indices and * are");
    let mut rest = action.strip_prefix(['$', '@']).unwrap_or(action);
    let mut out = Vec::new();
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('[') {
            let (inside, after) = tail.split_once(']').ok_or_else(|| "unterminated array".to_owned())?;
            rest = after;
            let quoted = inside.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
            out.push(match (inside, quoted) {
                ("*", _) => Step::All,
                (_, Some(name)) => Step::Name(name.replace("\\.", ".")),
                (number, _) => Step::At(number.parse().map_err(|_| unsupported())?),
            });
        } else if let Some(tail) = rest.strip_prefix('.') {
            let (name, after) = name(tail);
            rest = after;
            match name.as_str() {
                // The whole, of `{.}` alone.
                "" if rest.is_empty() && out.is_empty() => {}
                "" => return Err(unsupported()),
                "*" => out.push(Step::All),
                _ => out.push(Step::Name(name)),
            }
        } else {
            return Err(unsupported());
        }
    }
    Ok(out)
}

/// A name up to the next dot or bracket, with what a backslash escapes.
fn name(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '.' | '[' => return (out, &text[at..]),
            '\\' => out.extend(letters.next().map(|(_, escaped)| escaped)),
            letter => out.push(letter),
        }
    }
    (out, "")
}

fn find<'v>(values: &'v Value, steps: &[Step]) -> Vec<&'v Value> {
    let mut found = vec![values];
    for step in steps {
        found = found.into_iter().flat_map(|value| taken(value, step)).collect();
    }
    found
}

fn taken<'v>(value: &'v Value, step: &Step) -> Vec<&'v Value> {
    match (value, step) {
        (Value::Object(map), Step::Name(name)) => map.get(name).into_iter().collect(),
        (Value::Object(map), Step::All) => map.values().collect(),
        (Value::Array(list), Step::All) => list.iter().collect(),
        (Value::Array(list), Step::At(at)) => {
            let at = if *at < 0 { *at + list.len() as i64 } else { *at };
            usize::try_from(at).ok().and_then(|at| list.get(at)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Numbers are floats to Helm, and print as Go prints those.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => number.as_f64().map(float),
        other => Some(other.to_string()),
    }
}

/// The power of ten from which Go writes an exponent.
const EXPONENT_FROM: i32 = 6;

/// Go's `%v` of a float: the shortest that reads back, with an exponent where it is large or below a ten-thousandth.
fn float(value: f64) -> String {
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if value != 0.0 && !(-4..EXPONENT_FROM).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_where_the_library_leads() {
        let values = json!({
            "x": 1, "big": 12_345_678, "f": 1.5, "small": 0.00001, "s": "text", "b": true, "n": null,
            "l": ["a", 1, {"k": "v"}], "m": {"b": 2, "a": "x y"}, "d.e": 3,
        });
        for (template, expect) in [
            ("{.x}", "1"),
            ("{.big}", "1.2345678e+07"),
            ("{.small}", "1e-05"),
            ("{.f}", "1.5"),
            ("{.b} {.s}", "true text"),
            ("{.n}{.nope}{.nope.x}{.s.t}{.l[7]}", ""),
            ("{.l}", "[\"a\",1,{\"k\":\"v\"}]"),
            ("{.l[1]}{.l[-1].k}", "1v"),
            ("{.l[*]}", "a 1 {\"k\":\"v\"}"),
            ("{.m.*}", "x y 2"),
            ("{.m['a']}{$.x}{ .x }", "x y11"),
            ("{.d\\.e}", "3"),
            ("a\\nb{\"q\"}", "a\nbq"),
            (".x", ".x"),
        ] {
            assert_eq!(print(template, &values).as_deref(), Ok(expect), "{template}");
        }
    }

    #[test]
    fn what_is_not_read_is_told() {
        let fails = |template: &str| print(template, &json!({})).expect_err("refused");
        assert_eq!(fails("{.x"), "error parsing jsonpath {.x: unclosed action");
        assert_eq!(fails("{.x[1}"), "error parsing jsonpath {.x[1}: unterminated array");
        for template in ["{range .l[*]}{@}{end}", "{.l[0:2]}", "{..a}", "{.l[?(@.x)]}", "{x}"] {
            assert!(fails(template).contains("is not supported"), "{template}");
        }
    }
}
