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

/// Longest key, in characters of its JSON form, that Go's YAML reader takes.
const KEY_MAX: usize = 1024;

/// Whether Go's way from JSON text to YAML reads all texts and keys: it refuses control characters and long keys.
pub fn is_readable(tree: &Json) -> bool {
    match tree {
        Json::String(text) => text.is_ascii() && !text.contains('\x7f') || text.chars().all(readable),
        Json::Array(items) => items.iter().all(is_readable),
        Json::Object(fields) => fields.iter().all(|(key, value)| {
            let fits = key.len() * 6 + 2 <= KEY_MAX || key.chars().map(width).sum::<usize>() + 2 <= KEY_MAX;
            fits && key.chars().all(readable) && is_readable(value)
        }),
        _ => true,
    }
}

fn readable(c: char) -> bool {
    // What is below a space is escaped in JSON.
    !matches!(c, '\x7f' | '\u{80}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
}

/// Characters of the JSON form.
fn width(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\x08' | '\x0c' => 2,
        '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
        _ => 1,
    }
}
