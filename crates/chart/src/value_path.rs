//! Values and a path with dots → the table or the value that it leads to, as `Table` and `PathValue` of Helm's
//! `chartutil.Values` find them.

use masthead_gotmpl::kind::MAP_ANY;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::quote::quote;
use masthead_gotmpl::value::Value;

/// The table that a path leads to.
///
/// # Errors
/// The name in it that is none, in Helm's words.
pub(crate) fn table(values: &Map, path: &[u8]) -> Result<Map, String> {
    let own = values.typ();
    path.split(|byte| *byte == b'.').try_fold(values.clone(), |table, name| match table.get(name) {
        Some(Value::Map(inner)) if inner.typ().same(&MAP_ANY) || inner.typ().same(own) => Ok(inner),
        _ => Err(format!("{} is not a table", quote(name))),
    })
}

/// The value that a path leads to, which must not be a table.
///
/// # Errors
/// Helm's words.
pub(crate) fn value(values: &Map, path: &[u8]) -> Result<Value, String> {
    if path.is_empty() {
        return Err("YAML path cannot be empty".to_owned());
    }
    let (holder, name) = match path.iter().rposition(|byte| *byte == b'.') {
        Some(dot) => (table(values, &path[..dot]).ok(), &path[dot + 1..]),
        None => (Some(values.clone()), path),
    };
    match holder.and_then(|table| table.get(name)) {
        Some(Value::Map(inner)) if inner.typ().same(&MAP_ANY) => Err(format!("{} is not a value", quote(name))),
        Some(value) => Ok(value),
        None => Err(format!("{} is not a value", quote(name))),
    }
}

#[cfg(test)]
mod tests {
    use masthead_gotmpl::json::{Numbers, from_json, to_json};
    use masthead_gotmpl::map::Map;
    use serde_json::json;

    use super::{table, value};

    #[test]
    fn paths_lead_to_tables_and_values() {
        let tree = from_json(&json!({"a": {"b": 1, "c": {"d": null}}, "e": "x"}), Numbers::Float);
        let values = tree.as_map().cloned().unwrap_or_else(Map::any);
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
            let found = value(&values, path.as_bytes()).map(|value| to_json(&value).unwrap_or_default().to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expect, "{path}");
        }
        assert_eq!(table(&values, b"a.c").map(|table| table.len()), Ok(1));
        for (path, expect) in
            [("a.b", "\"b\" is not a table"), ("x.y", "\"x\" is not a table"), ("", "\"\" is not a table")]
        {
            assert_eq!(table(&values, path.as_bytes()).map(|table| table.len()), Err(expect.to_owned()), "{path}");
        }
    }
}
