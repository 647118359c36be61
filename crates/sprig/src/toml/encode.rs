//! Values to TOML text, as BurntSushi's encoder writes it: direct keys before tables, two spaces a level.

use masthead_gotmpl::float;
use masthead_gotmpl::kind::Kind;
use masthead_gotmpl::map::Entry;
use masthead_gotmpl::object::Object;
use masthead_gotmpl::quote;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

use crate::args;
use crate::golang::{float as floats, number};
use crate::time::format;
use crate::time::moment::Moment;
use crate::time::object::moment;

const NO_KEY: &str = "toml: top-level values must be Go maps or structs";
const NIL_ELEMENT: &str = "toml: cannot encode array with nil element";
/// How deep tables and arrays nest.
const DEPTH_MAX: usize = 1000;

/// The text, or the encoder's error.
pub fn encode(value: &Value) -> Result<Vec<u8>, String> {
    let mut encoder = Encoder { out: Vec::new(), depth: 0 };
    encoder.encode(&mut Vec::new(), value)?;
    Ok(encoder.out)
}

struct Encoder {
    out: Vec<u8>,
    depth: usize,
}

/// What a value is to TOML.
enum Shape {
    Nil,
    /// The pairs, and whether they are a struct's (in its order) or a map's.
    Table(Vec<Entry>),
    Tables(Vec<Value>),
    Array(Vec<Value>),
    Scalar,
}

fn shape(value: &Value) -> Result<Shape, String> {
    Ok(match value {
        Value::Nil => Shape::Nil,
        Value::Map(map) if map.is_nil() => Shape::Nil,
        Value::Map(map) => Shape::Table(map.entries().as_ref().clone()),
        Value::List(list) if list.is_nil() => Shape::Nil,
        Value::List(_) | Value::Bytes(_) => {
            let items = args::elements(value).unwrap_or_default().into_owned();
            array(items)?
        }
        Value::Object(object) => {
            if is_text(value) {
                return Ok(Shape::Scalar);
            }
            match object.underlying() {
                Some(inner) => shape(&inner)?,
                None if matches!(object.kind(), Kind::Struct | Kind::Ptr) => Shape::Table(members(&**object)),
                None => Shape::Scalar,
            }
        }
        _ => Shape::Scalar,
    })
}

/// The fields of a struct; those of one that is embedded in it are its own.
fn members(object: &dyn Object) -> Vec<(Str, Value)> {
    let mut members = Vec::new();
    for (name, value) in object.fields() {
        match &value {
            Value::Object(inner) if object.embedded() == Some(name) => members.extend(self::members(&**inner)),
            _ => members.push((Str::from(name), value)),
        }
    }
    members
}

/// Whether it marshals itself: times, versions.
fn is_text(value: &Value) -> bool {
    moment(value).is_some() || matches!(value.type_name(), "*semver.Version" | "semver.Version")
}

fn array(items: Vec<Value>) -> Result<Shape, String> {
    let mut tables = !items.is_empty();
    for item in &items {
        match shape(item)? {
            Shape::Nil => return Err(NIL_ELEMENT.to_owned()),
            Shape::Table(_) => {}
            _ => tables = false,
        }
    }
    Ok(if tables { Shape::Tables(items) } else { Shape::Array(items) })
}

impl Encoder {
    fn write(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// A line break, where something was written before.
    fn newline(&mut self) {
        if !self.out.is_empty() {
            self.out.push(b'\n');
        }
    }

    fn indent(&mut self, key: &[Str]) {
        self.out.resize(self.out.len() + (key.len() - 1) * 2, b' ');
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if self.depth >= DEPTH_MAX {
            return Err(format!("toml: more than {DEPTH_MAX} levels"));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn encode(&mut self, key: &mut Vec<Str>, value: &Value) -> Result<(), String> {
        match shape(value)? {
            // A nil list alone is written; under a key it is left out.
            Shape::Nil if key.is_empty() && matches!(value, Value::List(_)) => self.element(value),
            Shape::Nil => Ok(()),
            Shape::Table(pairs) => {
                if key.len() == 1 {
                    self.newline();
                }
                if !key.is_empty() {
                    self.header(key, "[", "]");
                }
                self.deeper(|encoder| encoder.pairs(key, pairs))
            }
            Shape::Tables(_) if key.is_empty() => Err(NO_KEY.to_owned()),
            Shape::Tables(tables) => {
                for table in tables {
                    if let Shape::Table(pairs) = shape(&table)? {
                        self.newline();
                        self.header(key, "[[", "]]");
                        self.deeper(|encoder| encoder.pairs(key, pairs))?;
                    }
                }
                Ok(())
            }
            Shape::Array(_) | Shape::Scalar if key.is_empty() => self.element(value),
            Shape::Array(_) | Shape::Scalar => {
                self.indent(key);
                self.key(key.last().map_or(b"".as_slice(), Str::as_bytes));
                self.write(" = ");
                self.element(value)?;
                self.newline();
                Ok(())
            }
        }
    }

    fn header(&mut self, key: &[Str], open: &str, close: &str) {
        self.indent(key);
        self.write(open);
        for (index, part) in key.iter().enumerate() {
            if index > 0 {
                self.out.push(b'.');
            }
            self.key(part.as_bytes());
        }
        self.write(close);
        self.newline();
    }

    /// Values first, tables after them.
    fn pairs(&mut self, key: &mut Vec<Str>, pairs: Vec<Entry>) -> Result<(), String> {
        let (direct, tables) = parted(pairs)?;
        for (name, value) in direct.into_iter().chain(tables) {
            key.push(name);
            let result = self.encode(key, &value);
            key.pop();
            result?;
        }
        Ok(())
    }

    fn element(&mut self, value: &Value) -> Result<(), String> {
        match shape(value)? {
            Shape::Nil => {
                self.write("[]");
                Ok(())
            }
            Shape::Table(pairs) => self.deeper(|encoder| encoder.inline(pairs)),
            Shape::Tables(items) | Shape::Array(items) => self.deeper(|encoder| {
                encoder.write("[");
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        encoder.write(", ");
                    }
                    encoder.element(item)?;
                }
                encoder.write("]");
                Ok(())
            }),
            Shape::Scalar => self.scalar(value),
        }
    }

    fn inline(&mut self, pairs: Vec<Entry>) -> Result<(), String> {
        self.write("{");
        let (direct, tables) = parted(pairs)?;
        let count = direct.len() + tables.len();
        for (index, (name, value)) in direct.into_iter().chain(tables).enumerate() {
            if matches!(shape(&value)?, Shape::Nil) {
                continue;
            }
            self.key(name.as_bytes());
            self.write(" = ");
            self.element(&value)?;
            // The library looks at a key's place among all keys, nil ones too.
            if index + 1 < count {
                self.write(", ");
            }
        }
        self.write("}");
        Ok(())
    }

    fn scalar(&mut self, value: &Value) -> Result<(), String> {
        if let Some(moment) = moment(value) {
            self.datetime(moment);
            return Ok(());
        }
        match value {
            Value::Bool(value) => self.write(if *value { "true" } else { "false" }),
            Value::Int(_, value) => self.write(&value.to_string()),
            Value::Uint(_, value) => self.write(&value.to_string()),
            Value::Float(value) => self.float(*value),
            Value::Str(text) => self.quoted(text.as_bytes()),
            Value::Number(text) => self.number(text)?,
            Value::Object(object) if is_text(value) => {
                self.quoted(object.string().unwrap_or_default().as_bytes());
            }
            Value::Object(object) if object.type_name() == "time.Duration" => {
                self.quoted(object.string().unwrap_or_default().as_bytes());
            }
            Value::Object(object) => match object.underlying() {
                Some(inner) => self.scalar(&inner)?,
                None => return Err(format!("unsupported type: {}", value.type_name())),
            },
            _ => return Err(format!("unexpected type: {}", value.type_name())),
        }
        Ok(())
    }

    fn number(&mut self, text: &Str) -> Result<(), String> {
        if text.is_empty() {
            self.write("0");
        } else if let Ok(whole) = number::parse_int(text.as_bytes(), 10) {
            self.write(&whole.to_string());
        } else if let Some(value) = floats::parse(text.as_bytes()) {
            self.float(value);
        } else {
            return Err(format!("unable to convert {} to int64 or float64", quote::quote(text.as_bytes())));
        }
        Ok(())
    }

    fn float(&mut self, value: f64) {
        let sign = if value.is_sign_negative() { "-" } else { "" };
        let text = if value.is_nan() {
            format!("{sign}nan")
        } else if value.is_infinite() {
            format!("{sign}inf")
        } else {
            let text = float::shortest(value);
            if text.contains(['e', '.']) { text } else { text + ".0" }
        };
        self.write(&text);
    }

    /// Without an offset where it was read without one.
    fn datetime(&mut self, moment: &Moment) {
        let layout: &[u8] = match moment.zone.name() {
            "datetime-local" => b"2006-01-02T15:04:05.999999999",
            "date-local" => b"2006-01-02",
            "time-local" => b"15:04:05.999999999",
            _ => format::RFC3339_NANO,
        };
        self.out.extend(format::format(moment, layout));
    }

    fn key(&mut self, key: &[u8]) {
        self.out.extend(quoted_key(key));
    }

    fn quoted(&mut self, text: &[u8]) {
        self.out.extend(quoted(text));
    }
}

/// Pairs whose value is no table, and those whose value is one.
fn parted(pairs: Vec<Entry>) -> Result<(Vec<Entry>, Vec<Entry>), String> {
    let (mut direct, mut tables) = (Vec::new(), Vec::new());
    for pair in pairs {
        match shape(&pair.1)? {
            Shape::Table(_) | Shape::Tables(_) => tables.push(pair),
            _ => direct.push(pair),
        }
    }
    Ok((direct, tables))
}

/// A key as it stands in a file: bare where it can be.
pub fn quoted_key(key: &[u8]) -> Vec<u8> {
    let bare = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !key.is_empty() && key.iter().all(bare) { key.to_vec() } else { quoted(key) }
}

fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\x08' => out.extend(b"\\b"),
            b'\t' => out.extend(b"\\t"),
            b'\n' => out.extend(b"\\n"),
            b'\x0c' => out.extend(b"\\f"),
            b'\r' => out.extend(b"\\r"),
            0..0x20 | 0x7F => out.extend(format!("\\u{byte:04x}").into_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
    out
}
