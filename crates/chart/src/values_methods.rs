//! What templates ask `.Values` itself: `AsMap`, `YAML`, `Table` and `PathValue` of Helm's `chartutil.Values`.

use masthead_gotmpl::function::{Method, Param};
use masthead_gotmpl::json;
use masthead_gotmpl::kind::MAP_ANY;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::quote::quote;
use masthead_gotmpl::value::Value;
use masthead_yaml::emit;

pub(crate) static METHODS: [&Method; 4] = [
    &Method {
        name: "AsMap",
        params: &[],
        variadic: None,
        call: |_, args| {
            let values = receiver(args);
            Ok(Value::Map(if values.is_empty() { Map::any() } else { values.retyped(&MAP_ANY) }))
        },
    },
    &Method { name: "YAML", params: &[], variadic: None, call: |_, args| yaml(&receiver(args)) },
    &Method {
        name: "Table",
        params: &[Param::Str],
        variadic: None,
        call: |_, args| {
            let values = receiver(args);
            let own = values.typ();
            table(values, path(args)).map(|table| Value::Map(table.retyped(own)))
        },
    },
    &Method {
        name: "PathValue",
        params: &[Param::Str],
        variadic: None,
        call: |_, args| value(receiver(args), path(args)),
    },
];

fn receiver(args: &[Value]) -> Map {
    args.first().and_then(Value::as_map).cloned().unwrap_or_else(Map::any)
}

fn path(args: &[Value]) -> &[u8] {
    args.get(1).and_then(Value::as_bytes).unwrap_or_default()
}

fn yaml(values: &Map) -> Result<Value, String> {
    Ok(Value::str(emit::to_string(&json::to_json(&Value::Map(values.retyped(&MAP_ANY)))?)))
}

/// The table that a path with dots leads to.
fn table(values: Map, path: &[u8]) -> Result<Map, String> {
    let own = values.typ();
    path.split(|byte| *byte == b'.').try_fold(values, |table, name| match table.get(name) {
        Some(Value::Map(inner)) if inner.typ().same(&MAP_ANY) || inner.typ().same(own) => Ok(inner),
        _ => Err(format!("{} is not a table", quote(name))),
    })
}

/// The value that a path leads to, which must not be a table.
fn value(values: Map, path: &[u8]) -> Result<Value, String> {
    if path.is_empty() {
        return Err("YAML path cannot be empty".to_owned());
    }
    let (holder, name) = match path.iter().rposition(|byte| *byte == b'.') {
        Some(dot) => (table(values, &path[..dot]), &path[dot + 1..]),
        None => (Ok(values), path),
    };
    match holder.ok().and_then(|table| table.contains(name).then(|| table.get(name).unwrap_or_default())) {
        Some(Value::Map(inner)) if inner.typ().same(&MAP_ANY) => Err(format!("{} is not a value", quote(name))),
        Some(value) => Ok(value),
        None => Err(format!("{} is not a value", quote(name))),
    }
}

#[cfg(test)]
mod tests {
    use masthead_gotmpl::json::{Numbers, from_json};
    use masthead_gotmpl::map::Map;
    use masthead_gotmpl::value::Value;
    use serde_json::json;

    use super::{table, value, yaml};

    fn values() -> Map {
        let tree = from_json(&json!({"a": {"b": 1, "c": {"d": null}}, "e": "x"}), Numbers::Float);
        tree.as_map().cloned().unwrap_or_else(Map::any)
    }

    #[test]
    fn paths_lead_to_tables_and_values() {
        for (path, expect) in [
            ("e", Ok("\"x\"")),
            ("a.b", Ok("1")),
            ("a.c.d", Ok("null")),
            ("a", Err("\"a\" is not a value")),
            ("a.c", Err("\"c\" is not a value")),
            ("a.x", Err("\"x\" is not a value")),
            ("x.y", Err("\"y\" is not a value")),
            ("", Err("YAML path cannot be empty")),
        ] {
            let found = value(values(), path.as_bytes());
            let found = found.map(|value| masthead_gotmpl::json::to_json(&value).unwrap_or_default().to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expect, "{path}");
        }
        assert_eq!(table(values(), b"a.c").map(|table| table.len()), Ok(1));
        for (path, expect) in
            [("a.b", "\"b\" is not a table"), ("x.y", "\"x\" is not a table"), ("", "\"\" is not a table")]
        {
            assert_eq!(table(values(), path.as_bytes()).map(|table| table.len()), Err(expect.to_owned()), "{path}");
        }
        let text = yaml(&values()).ok();
        assert_eq!(text.as_ref().and_then(Value::as_bytes), Some("a:\n  b: 1\n  c:\n    d: null\ne: x\n".as_bytes()));
    }
}
