//! A template and an object → the text that kubectl prints of them.

use masthead_api::patch::go_value::shown;
use serde_json::Value;

use crate::cli::jsonpath::eval::{Found, Missing, find};
use crate::cli::jsonpath::parse::{Action, parse};

/// Floats below this are whole numbers of 64 bits when they have no fraction.
const WHOLE_BELOW: f64 = (1_u64 << 63) as f64;

/// The text of a template: what each action finds, with spaces between.
///
/// # Errors
/// The template is none, or does not fit the object.
pub fn print(template: &str, object: &Value) -> Result<String, String> {
    Ok(texts(found(template, object)?))
}

/// The same as `helm show values --jsonpath` prints it: nothing at all where a field is not there or an action does not fit.
///
/// # Errors
/// The template is none.
pub fn print_of_values(template: &str, values: &Value) -> Result<String, String> {
    let actions = parse(template).map_err(|why| format!("error parsing jsonpath {template}: {why}"))?;
    Ok(texts(find(&actions, values, Missing::Fault).unwrap_or_default()))
}

fn texts(found: Vec<Vec<Found<'_>>>) -> String {
    let joined = |found: Vec<Found<'_>>| found.iter().map(|one| text(one)).collect::<Vec<_>>().join(" ");
    found.into_iter().map(joined).collect()
}

/// What each action finds, as a list in JSON.
///
/// # Errors
/// As [`print`].
pub fn print_json(template: &str, object: &Value) -> Result<String, String> {
    let list = |found: Vec<Found<'_>>| indented(&found.into_iter().map(|one| plain(one.into_owned())).collect()) + "\n";
    Ok(found(template, object)?.into_iter().map(list).collect())
}

fn found<'v>(template: &str, object: &'v Value) -> Result<Vec<Vec<Found<'v>>>, String> {
    let actions: Vec<Action> = parse(template).map_err(|why| format!("error parsing jsonpath {template}, {why}"))?;
    let failed = |why| format!("error executing jsonpath {template:?}: Error executing template: {why}");
    find(&actions, object, Missing::Nothing).map_err(failed)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Array(_) | Value::Object(_) => for_html(plain(value.clone()).to_string()),
        scalar => shown(scalar),
    }
}

/// The same with whole numbers as whole, which is how Go writes floats that are.
fn plain(value: Value) -> Value {
    match value {
        Value::Array(list) => list.into_iter().map(plain).collect(),
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, plain(value))).collect(),
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < WHOLE_BELOW);
            whole.map_or(Value::Number(number), |whole| Value::from(whole as i64))
        }
        other => other,
    }
}

fn indented(value: &Value) -> String {
    let mut out = Vec::new();
    let form = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    // Writing JSON into memory cannot fail: the keys of a Value are texts.
    let _ = serde::Serialize::serialize(value, &mut serde_json::Serializer::with_formatter(&mut out, form));
    for_html(String::from_utf8_lossy(&out).into_owned())
}

/// JSON as Go writes it, fit to stand in HTML.
fn for_html(json: String) -> String {
    json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Two pods in a list, as `get pods -o json` gives them.
    fn list() -> Value {
        let pod = |name: &str, n: i64, ready: bool| {
            json!({"metadata": {"name": name, "labels": {"app.kubernetes.io/name": "web"}}, "n": n, "half": 1.5, "none": null,
                "ports": [{"name": "http", "port": 80}, {"name": "dns", "port": 53}], "ready": ready, "<": "&"})
        };
        json!({"kind": "List", "items": [pod("a", 1, true), pod("b", 2, false)]})
    }

    /// What kubectl printed of such a list.
    #[test]
    fn templates_print_as_kubectl_prints_them() {
        for (template, expect) in [
            ("{.items[*].metadata.name}", "a b"),
            (r#"{range .items[*]}{.metadata.name}{"\t"}{.n}{"\n"}{end}"#, "a\t1\nb\t2\n"),
            (r#"{range .items[*]}{.metadata.name}:{range .ports[*]}{.port},{end};{end}."#, "a:80,53,;b:80,53,;."),
            ("{range .nope[*]}{.x}{end}rest", "rest"),
            ("{range .items[*]}{.n}", "12"),
            (r#"{.items[?(@.metadata.name=="b")].n}"#, "2"),
            ("{.items[?(@.n>1)].metadata.name}", "b"),
            ("{.items[?(@.n>=1)].metadata.name}", "a b"),
            ("{.items[?(@.n!=1)].metadata.name}", "b"),
            ("{.items[?(@.ready==true)].metadata.name}", "a"),
            ("{.items[?(@.nope)].metadata.name}", ""),
            ("{.items[?(@.ports[9])].metadata.name}", "a b"),
            ("{.items[?(@.nope=='x')].metadata.name}", ""),
            ("{.items[0].ports[?(@.name=='dns')].port}", "53"),
            ("{.items[-1].metadata.name}", "b"),
            ("{.items[-1:].n}", "2"),
            ("{.items[0:2].n}", "1 2"),
            ("{.items[::2].n}", "1"),
            ("{.items[0].ports[0,1].port}", "80 53"),
            ("{.items[0]['n','ready']}", "1 true"),
            ("{..port}", "80 53 80 53"),
            (r"{.items[0].metadata.labels.app\.kubernetes\.io/name}", "web"),
            ("{.items[0].ports[0]}", r#"{"name":"http","port":80}"#),
            ("{.items[0].half} {.items[0].none} {.kind}", "1.5 null List"),
            ("{.items[*].nope}", ""),
            ("plain\\n", "plain\\n"),
            ("{.items[0].<}", "&"),
            ("{.items[0].metadata.labels}", r#"{"app.kubernetes.io/name":"web"}"#),
        ] {
            assert_eq!(print(template, &list()).as_deref(), Ok(expect), "{template}");
        }
        assert_eq!(print_json("{.items[*].n}", &list()).unwrap(), "[\n    1,\n    2\n]\n");
        assert_eq!(print("{[*]}", &json!([{"a": "<&>"}])).unwrap(), r#"{"a":"\u003c\u0026\u003e"}"#);
    }

    #[test]
    fn values_print_as_helm_prints_them() {
        let values = json!({"x": 1.0, "big": 12_345_678.0, "f": 1.5, "small": 0.00001, "s": "text", "b": true, "n": null,
            "l": [{"p": 1.0}, {"p": 2.0}], "m": {"b": "<", "a": 3.0}, "d.e": 3.0});
        for (template, expect) in [
            ("{.x} {.big} {.small} {.f}", "1 1.2345678e+07 1e-05 1.5"),
            ("{.s}{.b}{.n}", "texttruenull"),
            ("a{.s}{.nope}", ""),
            ("{.l[9].p}", ""),
            ("{.l[*].nope}", ""),
            ("{.l[?(@.p>1)].p}", ""),
            ("{.l[?(@.p)].p}{.l[?(@.q)]}", "1 2"),
            ("{.l} {.m}", r#"[{"p":1},{"p":2}] {"a":3,"b":"\u003c"}"#),
            ("{range .l[*]}{.p}\\n{end}", "1\\n2\\n"),
            ("{.m['a','b']}", "3 <"),
            ("{.d\\.e}", "3"),
            ("{.}", ""),
        ] {
            assert_eq!(print_of_values(template, &values).as_deref(), Ok(expect), "{template}");
        }
        assert_eq!(print_of_values("{.x", &values).unwrap_err(), "error parsing jsonpath {.x: unclosed action");
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for (template, expect) in [
            ("{.items[9].n}", "array index out of bounds: index 9, length 2"),
            ("{.items[0:9].n}", "array index out of bounds: index 8, length 2"),
            ("{.items[1:0].n}", "starting index 1 is greater than ending index 0"),
            ("{.items[0:2:0].n}", "step must be > 0"),
            ("{.kind[0]}", "string is not array or slice"),
            ("{.kind[?(@.x)]}", "List is not array or slice and cannot be filtered"),
            ("{.items[?(@.n=='x')]}", "incompatible types for comparison"),
            ("{.items[?(@.ports=='x')]}", "invalid type for comparison"),
            ("{.items[?(@.n=1)]}", "unrecognized filter operator ="),
            ("{.items[?(@.ports[*].port==80)]}", "can only compare one element at a time"),
            ("{end}", "not in range, nothing to end"),
            ("{foo}", "unrecognized identifier foo"),
        ] {
            let expect = format!("error executing jsonpath {template:?}: Error executing template: {expect}");
            assert_eq!(print(template, &list()), Err(expect));
        }
        assert_eq!(print("{.a", &list()).unwrap_err(), "error parsing jsonpath {.a, unclosed action");
    }
}
