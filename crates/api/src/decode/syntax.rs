//! JSON text to a value with the fields that stand there twice, or to what Go says is wrong with the text.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::decode::scan;
use crate::problem::{FieldProblem, ProblemKind};

/// Reads JSON; fields that stand twice are reported and their last value counts.
///
/// # Errors
/// The text is no JSON, in Go's words.
pub fn parse(text: &[u8]) -> Result<(Value, Vec<FieldProblem>), String> {
    let duplicates = RefCell::new(Vec::new());
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let seed = Reader { path: String::new(), duplicates: &duplicates };
    let value = seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(value) => Ok((value, duplicates.into_inner())),
        Err(fault) => Err(go_words(&fault, text)),
    }
}

/// What Go says of text that should be a JSON object; `None` when it is one.
pub fn object_fault(text: &[u8]) -> Option<String> {
    let value: Value = match serde_json::from_slice(text) {
        Ok(value) => value,
        Err(fault) => return Some(go_words(&fault, text)),
    };
    let what = match value {
        Value::Object(_) | Value::Null => return None,
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
    };
    Some(format!("json: cannot unmarshal {what} into Go value of type map[string]interface {{}}"))
}

/// Go's words where it finds the text at fault too, else the reader's own (its bound on nesting, numbers beyond all
/// bounds).
fn go_words(fault: &serde_json::Error, text: &[u8]) -> String {
    scan::fault(text).unwrap_or_else(|| fault.to_string())
}

struct Reader<'a> {
    path: String,
    duplicates: &'a RefCell<Vec<FieldProblem>>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let path = format!("{}[{}]", self.path, items.len());
            match seq.next_element_seed(Reader { path, duplicates: self.duplicates })? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            if !seen.insert(key.clone()) {
                self.duplicates.borrow_mut().push(FieldProblem {
                    message: format!("duplicate field \"{path}\""),
                    path: path.clone(),
                    kind: ProblemKind::DuplicateField,
                    hint: None,
                });
            }
            let value = map.next_value_seed(Reader { path, duplicates: self.duplicates })?;
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::{object_fault, parse};

    #[test]
    fn repeated_fields_are_named() {
        let (value, problems) = parse(br#"{"a":{"b":1,"b":2},"c":[{"d":1,"d":1}]}"#).unwrap();
        let paths: Vec<&str> = problems.iter().map(|p| p.path.as_str()).collect();
        assert_eq!(paths, ["a.b", "c[0].d"]);
        assert_eq!(value["a"]["b"], 2);
    }

    #[test]
    fn faults_are_go_s() {
        for (text, expect) in [
            ("", "unexpected end of JSON input"),
            ("{", "unexpected end of JSON input"),
            (r#"{"a":1,}"#, "invalid character '}' looking for beginning of object key string"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
        ] {
            let fault = parse(text.as_bytes()).unwrap_err();
            assert_eq!(fault, expect, "{text}");
        }
        assert_eq!(object_fault(b"{}"), None);
        assert!(object_fault(b"[]").unwrap().contains("array"));
    }
}
