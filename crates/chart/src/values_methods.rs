//! What templates ask `.Values` itself: `AsMap`, `YAML`, `Table` and `PathValue` of Helm's `chartutil.Values`.

use masthead_gotmpl::function::{Method, Param};
use masthead_gotmpl::json;
use masthead_gotmpl::kind::MAP_ANY;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::value::Value;
use masthead_yaml::emit;

use crate::value_path;

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
            value_path::table(&values, path(args)).map(|table| Value::Map(table.retyped(values.typ())))
        },
    },
    &Method {
        name: "PathValue",
        params: &[Param::Str],
        variadic: None,
        call: |_, args| value_path::value(&receiver(args), path(args)),
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

#[cfg(test)]
mod tests {
    use masthead_gotmpl::json::{Numbers, from_json};
    use masthead_gotmpl::map::Map;
    use masthead_gotmpl::value::Value;
    use serde_json::json;

    use super::yaml;

    #[test]
    fn values_are_written_as_yaml() {
        let tree = from_json(&json!({"a": {"b": 1, "c": {"d": null}}, "e": "x"}), Numbers::Float);
        let text = yaml(&tree.as_map().cloned().unwrap_or_else(Map::any)).ok();
        assert_eq!(text.as_ref().and_then(Value::as_bytes), Some("a:\n  b: 1\n  c:\n    d: null\ne: x\n".as_bytes()));
    }
}
