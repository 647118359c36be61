//! Values to YAML text as Helm's `toYaml` and `toYamlPretty` write it: through `json.Marshal`, as far as that shows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use masthead_gotmpl::json;
use masthead_gotmpl::kind::Kind;
use masthead_gotmpl::map::Entry;
use masthead_gotmpl::object::Object;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;
use masthead_yaml::style::Dialect;
use masthead_yaml::writer::Writer;
use masthead_yaml::{emit, order};
use serde_json::Value as Json;

use super::base64;
use crate::semver::object::VersionObject;
use crate::time::format;
use crate::time::object::Time;

/// Levels beyond which Go looks for cycles; deeper is refused.
const DEPTH_MAX: u32 = 1000;

/// Longest key, in characters of its JSON form, that Go's YAML reader takes.
const KEY_MAX: usize = 1024;

/// Characters of base64 in one line.
const BASE64_LINE_BYTES: usize = 70;

/// A line break to YAML, but not to JSON.
const NEXT_LINE: char = '\u{85}';

/// The text. Fails where `json.Marshal` does, and in goyaml v2 where Go's way from JSON text to YAML refuses a text.
pub fn write(value: &Value, dialect: Dialect) -> Result<String, String> {
    let mut walk = Walk { writer: Writer::new(dialect), by_json: dialect == Dialect::V2 };
    walk.value(value, 0)?;
    Ok(walk.writer.finish())
}

struct Walk {
    writer: Writer,
    /// Whether values go by way of JSON and Go's YAML reader.
    by_json: bool,
}

impl Walk {
    fn value(&mut self, value: &Value, depth: u32) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("json: unsupported value: encountered a cycle via {}", value.type_name()));
        }
        match value {
            Value::Nil => self.writer.null(),
            Value::Bool(flag) => self.writer.boolean(*flag),
            Value::Int(_, int) => self.writer.int(*int),
            Value::Uint(_, uint) => self.writer.uint(*uint),
            Value::Float(float) if float.is_finite() || !self.by_json => self.writer.float(*float),
            Value::Str(text) => self.text(text)?,
            Value::List(list) if list.is_nil() && self.by_json => self.writer.null(),
            Value::List(list) if list.is_empty() => self.writer.empty_list(),
            Value::List(list) => {
                self.writer.begin_list();
                list.as_slice().iter().try_for_each(|item| self.value(item, depth + 1))?;
                self.writer.end();
            }
            Value::Map(map) if map.is_nil() && self.by_json => self.writer.null(),
            Value::Map(map) => self.map(&map.entries(), depth)?,
            Value::Bytes(bytes) if !self.by_json => self.numbers(bytes.as_bytes()),
            Value::Object(object) if !self.by_json => self.object(&**object, depth)?,
            other => {
                let json = json::to_json(other)?;
                self.check(is_readable(&json))?;
                emit::write(&json, &mut self.writer);
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &Str) -> Result<(), String> {
        match std::str::from_utf8(text.as_bytes()) {
            Ok(text) if !self.by_json => self.writer.text(text),
            Err(_) if !self.by_json => self.writer.binary(&lines_of_base64(text.as_bytes())),
            _ => {
                let text = text.to_str_lossy();
                self.check(is_readable_text(&text))?;
                self.writer.text(&folded(&text));
            }
        }
        Ok(())
    }

    /// What goyaml v3 makes of Go's own values, which it is given as they are.
    fn object(&mut self, object: &dyn Object, depth: u32) -> Result<(), String> {
        if let Some(Time(moment)) = object.as_any().downcast_ref::<Time>() {
            self.writer.bare(&String::from_utf8_lossy(&format::format(moment, format::RFC3339_NANO)));
        } else if object.as_any().is::<VersionObject>() || object.type_name() == "time.Duration" {
            self.writer.text(&object.string().unwrap_or_default());
        } else if let Some(inner) = object.underlying() {
            self.value(&inner, depth + 1)?;
        } else if object.kind() == Kind::Complex128 {
            return Err(format!("cannot marshal type: {}", object.type_name()));
        } else {
            let fields = members(object);
            if fields.is_empty() {
                self.writer.empty_map();
                return Ok(());
            }
            self.writer.begin_map();
            for (name, value) in fields {
                self.writer.key(&name);
                self.value(&value, depth + 1)?;
            }
            self.writer.end();
        }
        Ok(())
    }

    fn numbers(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return self.writer.empty_list();
        }
        self.writer.begin_list();
        bytes.iter().for_each(|byte| self.writer.uint(u64::from(*byte)));
        self.writer.end();
    }

    fn map(&mut self, entries: &[Entry], depth: u32) -> Result<(), String> {
        if entries.is_empty() {
            self.writer.empty_map();
            return Ok(());
        }
        let plain: Option<Vec<(&str, &Value)>> =
            entries.iter().map(|(key, value)| Some((key.as_str()?, value))).collect();
        match plain {
            Some(pairs) => self.pairs(pairs, depth),
            // Keys that are not UTF-8 become those that JSON has, of which two may be the same.
            None => {
                let known: BTreeMap<_, _> = entries.iter().map(|(key, value)| (key.to_str_lossy(), value)).collect();
                self.pairs(known.iter().map(|(key, value)| (&**key, *value)).collect(), depth)
            }
        }
    }

    fn pairs(&mut self, mut pairs: Vec<(&str, &Value)>, depth: u32) -> Result<(), String> {
        order::sort(&mut pairs, self.writer.order());
        self.writer.begin_map();
        for (key, value) in pairs {
            self.check(is_readable_key(key))?;
            self.writer.key(key);
            self.value(value, depth + 1)?;
        }
        self.writer.end();
        Ok(())
    }

    fn check(&self, is_readable: bool) -> Result<(), String> {
        if is_readable || !self.by_json { Ok(()) } else { Err("yaml: control characters are not allowed".to_owned()) }
    }
}

/// Fields by their tags, or by their names in small letters, in the order of the struct; what is private is left out.
fn members(object: &dyn Object) -> Vec<(Cow<'static, str>, Value)> {
    if let Some(fields) = object.yaml_fields() {
        return fields.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect();
    }
    let mut fields = object.fields();
    fields.retain(|(name, _)| name.starts_with(|c: char| c.is_ascii_uppercase()));
    fields.into_iter().map(|(name, value)| (Cow::Owned(name.to_ascii_lowercase()), value)).collect()
}

/// Base64 as goyaml v3 breaks it into lines.
fn lines_of_base64(bytes: &[u8]) -> String {
    let text = base64::encode(bytes);
    if text.len() < BASE64_LINE_BYTES {
        return text;
    }
    let lines = text.as_bytes().chunks(BASE64_LINE_BYTES);
    lines.map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect()
}

/// A text as Go's YAML reader takes it from JSON: U+0085 is not escaped there, and breaks a line, which is folded.
fn folded(text: &str) -> Cow<'_, str> {
    if !text.contains(NEXT_LINE) {
        return Cow::Borrowed(text);
    }
    let is_white = |c: char| matches!(c, ' ' | NEXT_LINE);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_white) {
        out.push_str(&rest[..at]);
        let end = rest[at..].find(|c| !is_white(c)).map_or(rest.len(), |length| at + length);
        match rest[at..end].matches(NEXT_LINE).count() {
            0 => out.push_str(&rest[at..end]),
            1 => out.push(' '),
            breaks => out.extend(std::iter::repeat_n('\n', breaks - 1)),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Whether Go's way from JSON text to YAML reads all texts and keys: it refuses control characters and long keys.
fn is_readable(tree: &Json) -> bool {
    match tree {
        Json::String(text) => is_readable_text(text),
        Json::Array(items) => items.iter().all(is_readable),
        Json::Object(fields) => fields.iter().all(|(key, value)| is_readable_key(key) && is_readable(value)),
        _ => true,
    }
}

fn is_readable_text(text: &str) -> bool {
    text.is_ascii() && !text.contains('\x7f') || text.chars().all(readable)
}

fn is_readable_key(key: &str) -> bool {
    let fits = key.len() * 6 + 2 <= KEY_MAX || key.chars().map(width).sum::<usize>() + 2 <= KEY_MAX;
    fits && is_readable_text(key) && !key.contains(NEXT_LINE)
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

#[cfg(test)]
mod tests {
    use masthead_gotmpl::json::{self, Numbers};
    use masthead_gotmpl::list::List;
    use masthead_gotmpl::map::Map;
    use masthead_gotmpl::value::Value;
    use masthead_yaml::emit;
    use masthead_yaml::style::Dialect;
    use serde_json::json;

    use super::write;

    #[test]
    fn is_what_the_emitter_makes_of_the_same_json() {
        let document = json!({
            "b": [1, {"c": 2.5, "d": [3, []]}, [4, [5]], {}, null, true], "a10": "x", "a9": "yes", "A": 1e21, "z": "a\nb\n",
            "": -0.5, "é": 7, "long": "words ".repeat(30),
        });
        for numbers in [Numbers::Float, Numbers::Native] {
            let value = json::from_json(&document, numbers);
            assert_eq!(write(&value, Dialect::V2), Ok(emit::to_string(&document)));
        }
        let value = json::from_json(&document, Numbers::Native);
        assert_eq!(write(&value, Dialect::V3), Ok(emit::pretty(&document)));
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for value in [Value::from("a\u{7f}"), Value::from("\u{85}\u{86}"), Value::Float(f64::NAN)] {
            assert!(write(&value, Dialect::V2).is_err());
        }
        let map = Map::any();
        map.insert("k".repeat(1023).into(), Value::Nil).expect("it takes writes");
        assert!(write(&Value::Map(map.clone()), Dialect::V2).is_err() && write(&Value::Map(map), Dialect::V3).is_ok());
        let deep = (0..1002).fold(Value::Nil, |inner, _| Value::List(List::any(vec![inner])));
        assert!(write(&deep, Dialect::V2).is_err());
    }

    #[test]
    fn a_break_that_json_does_not_escape_is_folded() {
        for (text, expect) in [
            ("\u{85}", "' '\n"),
            ("a \u{85} b", "a b\n"),
            ("a\u{85} \u{85}b c", "|-\n  a\n  b c\n"),
            ("a  b", "a  b\n"),
        ] {
            assert_eq!(write(&Value::from(text), Dialect::V2), Ok(expect.to_owned()), "{text:?}");
        }
        let map = Map::any();
        map.insert("a\u{85}".into(), Value::Nil).expect("it takes writes");
        assert!(write(&Value::Map(map), Dialect::V2).is_err());
    }

    /// goyaml v3 is given Go's values, not their JSON.
    #[test]
    fn the_pretty_one_writes_what_go_has() {
        let bytes = |bytes: &[u8]| Value::Str(masthead_gotmpl::string::Str::new(bytes));
        for (value, expect) in [
            (Value::List(List::nil(&masthead_gotmpl::kind::LIST_ANY)), "[]\n".to_owned()),
            (Value::Bytes(masthead_gotmpl::string::Str::new(b"a\xff")), "- 97\n- 255\n".to_owned()),
            (bytes(b"\xff"), "!!binary /w==\n".to_owned()),
            (bytes(&[0xFF; 53]), format!("!!binary |\n  {}\n  8=\n", "/".repeat(70))),
            (Value::Float(f64::INFINITY), ".inf\n".to_owned()),
            (Value::from("<<"), "<<\n".to_owned()),
        ] {
            assert_eq!(write(&value, Dialect::V3), Ok(expect.clone()), "{expect}");
        }
    }

    #[test]
    fn keys_that_are_not_text_become_it() {
        let key = |bytes: &[u8]| masthead_gotmpl::string::Str::new(bytes);
        let map: Map = [(key(b"a\xff"), Value::int(1)), (key(b"a\xfe"), Value::int(2)), (key(b"b"), Value::int(3))]
            .into_iter()
            .collect();
        assert_eq!(write(&Value::Map(map), Dialect::V2), Ok("a\u{fffd}: 1\nb: 3\n".to_owned()));
    }
}
