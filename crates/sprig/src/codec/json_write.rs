//! Values to JSON text, as `encoding/json` writes it: keys sorted, `<`, `>` and `&` escaped unless told not to.

use masthead_gotmpl::float;
use masthead_gotmpl::json;
use masthead_gotmpl::value::Value;
use serde_json::Value as Json;

/// How the text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// `\u003c` for `<`, and so on.
    pub html: bool,
    /// One member a line, indented by two spaces a level.
    pub pretty: bool,
}

/// `json.Marshal` of a value; the error is Go's text.
pub fn write(value: &Value, style: Style) -> Result<Vec<u8>, String> {
    let mut writer = Writer { out: Vec::with_capacity(64), style };
    writer.value(value, 0)?;
    Ok(writer.out)
}

/// Levels beyond which Go looks for cycles; deeper is refused.
const DEPTH_MAX: usize = 1000;

struct Writer {
    out: Vec<u8>,
    style: Style,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("json: unsupported value: encountered a cycle via {}", value.type_name()));
        }
        match value {
            Value::Str(text) => self.string(text.as_bytes()),
            Value::List(list) if !list.is_nil() => {
                let mut items = list.as_slice().iter();
                self.members(b"[]", items.len(), depth, |writer| match items.next() {
                    Some(item) => writer.value(item, depth + 1),
                    None => Ok(()),
                })?;
            }
            Value::Map(map) if !map.is_nil() => {
                let entries = map.entries();
                let mut items = entries.iter();
                self.members(b"{}", items.len(), depth, |writer| {
                    let Some((key, value)) = items.next() else { return Ok(()) };
                    writer.key(key.as_bytes());
                    writer.value(value, depth + 1)
                })?;
            }
            Value::Float(float) if float.is_finite() => self.float(*float),
            Value::Object(object) => match object.json_fields() {
                Some(fields) => {
                    let mut rest = fields.iter();
                    self.members(b"{}", fields.len(), depth, |writer| {
                        let Some((key, value)) = rest.next() else { return Ok(()) };
                        writer.key(key.as_bytes());
                        writer.value(value, depth + 1)
                    })?;
                }
                None => self.json(&object.to_json()?, depth)?,
            },
            other => self.json(&json::to_json(other)?, depth)?,
        }
        Ok(())
    }

    fn json(&mut self, json: &Json, depth: usize) -> Result<(), String> {
        match json {
            Json::Null => self.out.extend_from_slice(b"null"),
            Json::Bool(value) => self.out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Json::Number(number) => match number.as_f64() {
                Some(float) if number.is_f64() => self.float(float),
                _ => self.out.extend_from_slice(number.to_string().as_bytes()),
            },
            Json::String(text) => self.string(text.as_bytes()),
            Json::Array(items) => {
                let mut rest = items.iter();
                self.members(b"[]", items.len(), depth, |writer| match rest.next() {
                    Some(item) => writer.json(item, depth + 1),
                    None => Ok(()),
                })?;
            }
            Json::Object(fields) => {
                let mut rest = fields.iter();
                self.members(b"{}", fields.len(), depth, |writer| {
                    let Some((key, value)) = rest.next() else { return Ok(()) };
                    writer.key(key.as_bytes());
                    writer.json(value, depth + 1)
                })?;
            }
        }
        Ok(())
    }

    fn members(
        &mut self,
        brackets: &[u8; 2],
        count: usize,
        depth: usize,
        mut member: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        self.out.push(brackets[0]);
        for index in 0..count {
            if index > 0 {
                self.out.push(b',');
            }
            self.line(depth + 1);
            member(self)?;
        }
        if count > 0 {
            self.line(depth);
        }
        self.out.push(brackets[1]);
        Ok(())
    }

    fn line(&mut self, depth: usize) {
        if self.style.pretty {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + depth * 2, b' ');
        }
    }

    fn key(&mut self, key: &[u8]) {
        self.string(key);
        self.out.extend_from_slice(if self.style.pretty { b": " } else { b":" });
    }

    /// As ES6 does: plain between 1e-6 and 1e21, else with an exponent of no leading zero.
    fn float(&mut self, float: f64) {
        let size = float.abs();
        if size == 0.0 || (1e-6..1e21).contains(&size) {
            return float::append(&mut self.out, float, b'f', None);
        }
        float::append(&mut self.out, float, b'e', None);
        if let [.., b'e', b'-', b'0', last] = self.out[..] {
            let end = self.out.len();
            self.out[end - 2] = last;
            self.out.truncate(end - 1);
        }
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        for chunk in text.utf8_chunks() {
            self.valid(chunk.valid());
            for _ in chunk.invalid() {
                self.out.extend_from_slice(b"\\ufffd");
            }
        }
        self.out.push(b'"');
    }

    fn valid(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut from = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            let escape: &[u8] = match byte {
                b'"' => b"\\\"",
                b'\\' => b"\\\\",
                b'\x08' => b"\\b",
                b'\x0c' => b"\\f",
                b'\n' => b"\\n",
                b'\r' => b"\\r",
                b'\t' => b"\\t",
                0..0x20 => b"",
                b'<' | b'>' | b'&' if self.style.html => b"",
                // U+2028 and U+2029 are three bytes each.
                0xE2 if bytes[at + 1] == 0x80 && bytes[at + 2] & 0xFE == 0xA8 => {
                    self.out.extend_from_slice(&bytes[from..at]);
                    self.out.extend_from_slice(if bytes[at + 2] == 0xA8 { b"\\u2028" } else { b"\\u2029" });
                    from = at + 3;
                    continue;
                }
                _ => continue,
            };
            self.out.extend_from_slice(&bytes[from..at]);
            if escape.is_empty() {
                self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            } else {
                self.out.extend_from_slice(escape);
            }
            from = at + 1;
        }
        self.out.extend_from_slice(&bytes[from..]);
    }
}
