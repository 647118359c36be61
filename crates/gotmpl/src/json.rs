//! JSON values to template values and back, as encoding/json does it.
use crate::kind::{MAP_ANY, UintKind};
use crate::list::List;
use crate::map::Map;
use crate::string::{Str, lossy};
use crate::value::Value;
use serde_json::Value as Json;

/// How deep JSON may nest before Go's encoder looks for cycles; deeper is refused here.
const DEPTH_MAX: u32 = 1000;

/// What a JSON number becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// `float64`, as encoding/json does by default.
    Float,
    /// `json.Number`, as after `Decoder.UseNumber`.
    Number,
    /// `int64` or `uint64` where there is no fraction, else `float64`, as YAML readers do.
    Native,
}

/// A template value of a JSON value.
pub fn from_json(json: &Json, numbers: Numbers) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => from_number(number, numbers),
        Json::String(text) => Value::str(text.as_str()),
        Json::Array(items) => Value::List(List::any(items.iter().map(|item| from_json(item, numbers)).collect())),
        Json::Object(fields) => {
            let pairs = fields.iter().map(|(key, value)| (Str::from(key), from_json(value, numbers))).collect();
            Value::Map(Map::from_pairs(&MAP_ANY, pairs))
        }
    }
}

fn from_number(number: &serde_json::Number, numbers: Numbers) -> Value {
    match numbers {
        Numbers::Number => Value::Number(number.to_string().into()),
        Numbers::Native => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::Int(crate::kind::IntKind::Int64, value),
            (None, Some(value)) => Value::Uint(UintKind::Uint64, value),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Numbers::Float => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
    }
}

/// The JSON that encoding/json makes of a value. A float without a fraction becomes an integer, since Go writes it so.
/// Fails with encoding/json's own words: NaN, infinities, cycles.
pub fn to_json(value: &Value) -> Result<Json, String> {
    encode(value, 0)
}

fn encode(value: &Value, depth: u32) -> Result<Json, String> {
    if depth > DEPTH_MAX {
        return Err(format!("json: unsupported value: encountered a cycle via {}", value.type_name()));
    }
    if depth % 32 == 31 {
        return stacker::maybe_grow(128 << 10, 1 << 20, || encode_one(value, depth));
    }
    encode_one(value, depth)
}

fn encode_one(value: &Value, depth: u32) -> Result<Json, String> {
    Ok(match value {
        Value::Nil => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(_, value) => Json::from(*value),
        Value::Uint(_, value) => Json::from(*value),
        Value::Float(value) => float(*value)?,
        Value::Number(text) => json_number(text)?,
        Value::Str(text) => Json::String(text.to_str_lossy().into_owned()),
        Value::Bytes(bytes) => Json::String(base64(bytes.as_bytes())),
        Value::List(list) if list.is_nil() => Json::Null,
        Value::List(list) => {
            Json::Array(list.as_slice().iter().map(|item| encode(item, depth + 1)).collect::<Result<_, _>>()?)
        }
        Value::Map(map) if map.is_nil() => Json::Null,
        Value::Map(map) => {
            let mut fields = serde_json::Map::new();
            for (key, value) in map.entries().iter() {
                fields.insert(lossy(key.as_bytes()).into_owned(), encode(value, depth + 1)?);
            }
            Json::Object(fields)
        }
        Value::Object(object) => object.to_json()?,
    })
}

fn float(value: f64) -> Result<Json, String> {
    const WHOLE: std::ops::Range<f64> = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;
    if value.fract() == 0.0 && WHOLE.contains(&value) && !(value == 0.0 && value.is_sign_negative()) {
        return Ok(Json::from(value as i64));
    }
    match serde_json::Number::from_f64(value) {
        Some(number) => Ok(Json::Number(number)),
        None => Err(format!("json: unsupported value: {}", crate::float::shortest(value))),
    }
}

fn json_number(text: &Str) -> Result<Json, String> {
    let text = text.to_str_lossy();
    if text.is_empty() {
        return Ok(Json::from(0));
    }
    let fault = || format!("json: invalid number literal {}", crate::quote::quote(text.as_bytes()));
    let number: serde_json::Number = serde_json::from_str(&text).map_err(|_| fault())?;
    match number.as_f64() {
        Some(value) if number.is_f64() => float(value),
        _ => Ok(Json::Number(number)),
    }
}

/// Standard base64 with padding, which is how encoding/json writes `[]byte`.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().enumerate().fold(0_u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let index = (bits >> (18 - 6 * at)) & 63;
            text.push(if at <= chunk.len() { ALPHABET[index as usize] as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Numbers, base64, from_json, to_json};
    use crate::value::Value;
    use serde_json::json;

    #[test]
    fn there_and_back() {
        let document = json!({"b": [1, 2.5, null, true, "x"], "a": {"c": {}}, "d": []});
        for numbers in [Numbers::Float, Numbers::Number, Numbers::Native] {
            assert_eq!(to_json(&from_json(&document, numbers)), Ok(document.clone()));
        }
        assert_eq!(from_json(&json!(1), Numbers::Float).type_name(), "float64");
        assert_eq!(from_json(&json!(1), Numbers::Number).type_name(), "json.Number");
        assert_eq!(from_json(&json!(1), Numbers::Native).type_name(), "int64");
    }

    #[test]
    fn what_has_no_json_is_refused() {
        assert_eq!(to_json(&Value::Float(f64::NAN)), Err("json: unsupported value: NaN".to_owned()));
        assert_eq!(to_json(&Value::Number("x".into())), Err("json: invalid number literal \"x\"".to_owned()));
        let map = crate::map::Map::any();
        map.insert("a".into(), Value::Map(map.clone())).unwrap();
        let fault = to_json(&Value::Map(map.clone())).unwrap_err();
        assert_eq!(fault, "json: unsupported value: encountered a cycle via map[string]interface {}");
        map.clear();
    }

    #[test]
    fn bytes_are_base64() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
