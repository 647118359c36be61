//! Values to the JSON tree that the YAML emitter takes, floats kept floats.

use masthead_gotmpl::json;
use masthead_gotmpl::string::lossy;
use masthead_gotmpl::value::Value;
use serde_json::Value as Json;

/// Levels beyond which Go looks for cycles; deeper is refused.
const DEPTH_MAX: u32 = 1000;

/// The tree; fails where `json.Marshal` does.
pub fn tree(value: &Value) -> Result<Json, String> {
    node(value, 0)
}

fn node(value: &Value, depth: u32) -> Result<Json, String> {
    if depth > DEPTH_MAX {
        return Err(format!("json: unsupported value: encountered a cycle via {}", value.type_name()));
    }
    Ok(match value {
        Value::Float(float) => match serde_json::Number::from_f64(*float) {
            Some(number) => Json::Number(number),
            None => json::to_json(value)?,
        },
        Value::List(list) if !list.is_nil() => {
            Json::Array(list.as_slice().iter().map(|item| node(item, depth + 1)).collect::<Result<_, _>>()?)
        }
        Value::Map(map) if !map.is_nil() => {
            let mut fields = serde_json::Map::new();
            for (key, value) in map.entries().iter() {
                fields.insert(lossy(key.as_bytes()).into_owned(), node(value, depth + 1)?);
            }
            Json::Object(fields)
        }
        other => json::to_json(other)?,
    })
}
