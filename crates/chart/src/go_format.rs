//! Values to text as Go's `%v` and `%t` print them, for the warnings and errors that show a value.

use masthead_gotmpl::float;
use masthead_gotmpl::value::Value;

use crate::tree::Tree;

/// How deep a value is printed; maps that contain themselves end here.
const DEPTH_MAX: u32 = 200;

/// `%v`
pub(crate) fn percent_v(value: &Value) -> String {
    let mut out = String::new();
    print(value, &mut out, 0);
    out
}

/// `%v` of a value that is no template's yet.
pub(crate) fn percent_v_tree(tree: &Tree) -> String {
    percent_v(&tree.to_value())
}

fn print(value: &Value, out: &mut String, depth: u32) {
    match value {
        Value::Nil => out.push_str("<nil>"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Int(_, int) => out.push_str(&int.to_string()),
        Value::Uint(_, uint) => out.push_str(&uint.to_string()),
        Value::Float(float) => out.push_str(&float::shortest(*float)),
        Value::Str(text) | Value::Number(text) | Value::Bytes(text) => out.push_str(&text.to_str_lossy()),
        Value::List(_) | Value::Map(_) if depth > DEPTH_MAX => out.push('…'),
        Value::List(list) => {
            out.push('[');
            for (at, item) in list.as_slice().iter().enumerate() {
                if at > 0 {
                    out.push(' ');
                }
                print(item, out, depth + 1);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push_str("map[");
            for (at, (key, item)) in map.entries().iter().enumerate() {
                if at > 0 {
                    out.push(' ');
                }
                out.push_str(&key.to_str_lossy());
                out.push(':');
                print(item, out, depth + 1);
            }
            out.push(']');
        }
        Value::Object(object) => out.push_str(&object.string().unwrap_or_default()),
    }
}

/// `%t`, which is for booleans: others are printed with their type.
pub(crate) fn percent_t(value: &Value) -> String {
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Nil => "%!t(<nil>)".to_owned(),
        inside => percent_t_inside(inside),
    }
}

/// A nil inside of another value is none to complain of.
fn percent_t_inside(value: &Value) -> String {
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Nil => "<nil>".to_owned(),
        Value::List(list) => {
            let items: Vec<String> = list.as_slice().iter().map(percent_t_inside).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Map(map) => {
            let entries = map.entries();
            let items: Vec<String> =
                entries.iter().map(|(key, item)| format!("%!t(string={key}):{}", percent_t_inside(item))).collect();
            format!("map[{}]", items.join(" "))
        }
        other => format!("%!t({}={})", other.type_name(), percent_v(other)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{percent_t, percent_v_tree};
    use crate::tree::Tree;

    #[test]
    fn as_go_prints() {
        let value = Tree::from_json(json!({"b": [1, 2.5, null, "x"], "a": {"c": true}, "d": 1e21}));
        assert_eq!(percent_v_tree(&value), "map[a:map[c:true] b:[1 2.5 <nil> x] d:1e+21]");
        assert_eq!(percent_t(&Tree::from_json(json!("x")).to_value()), "%!t(string=x)");
        assert_eq!(percent_t(&Tree::from_json(json!(1)).to_value()), "%!t(float64=1)");
        assert_eq!(percent_t(&Tree::Nil.to_value()), "%!t(<nil>)");
        let nested = Tree::from_json(json!([null, {"a": null}, true]));
        assert_eq!(percent_t(&nested.to_value()), "[<nil> map[%!t(string=a):<nil>] true]");
    }
}
