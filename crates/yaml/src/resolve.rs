//! A scalar's text and tag to its value, as goyaml v2 types YAML 1.1.

use std::borrow::Cow;

use serde_json::Value;

use crate::error::Fault;
use crate::number::{self, Number};
use crate::timestamp;

const LONG: &str = "tag:yaml.org,2002:";

/// A typed scalar.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar<'a> {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text, timestamps among it.
    Text(Cow<'a, str>),
}

impl<'a> Scalar<'a> {
    /// The JSON value: unless floats are kept, one that is whole becomes an integer, as on the way through JSON text.
    pub fn into_value(self, keep_floats: bool) -> Result<Value, Fault> {
        Ok(match self {
            Scalar::Null => Value::Null,
            Scalar::Bool(flag) => Value::Bool(flag),
            Scalar::Number(Number::Int(int)) => Value::from(int),
            Scalar::Number(Number::Uint(uint)) => Value::from(uint),
            Scalar::Number(Number::Float(float)) => return float_value(float, keep_floats),
            Scalar::Text(text) => Value::String(text.into_owned()),
        })
    }

    /// The key that sigs.k8s.io/yaml makes of it.
    pub fn into_key(self) -> Result<Cow<'a, str>, Fault> {
        Ok(match self {
            Scalar::Text(text) => text,
            Scalar::Bool(flag) => Cow::Borrowed(if flag { "true" } else { "false" }),
            Scalar::Number(Number::Int(int)) => Cow::Owned(int.to_string()),
            Scalar::Number(Number::Float(float)) => Cow::Owned(number::format_key(float)),
            Scalar::Number(Number::Uint(_)) => return Err(Fault::UnsupportedKey("uint64")),
            Scalar::Null => return Err(Fault::UnsupportedKey("null")),
        })
    }

    /// The same with its text its own.
    pub fn into_owned(self) -> Scalar<'static> {
        match self {
            Scalar::Null => Scalar::Null,
            Scalar::Bool(flag) => Scalar::Bool(flag),
            Scalar::Number(number) => Scalar::Number(number),
            Scalar::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
        }
    }

    fn tag(&self) -> &'static str {
        match self {
            Scalar::Null => "!!null",
            Scalar::Bool(_) => "!!bool",
            Scalar::Number(Number::Float(_)) => "!!float",
            Scalar::Number(_) => "!!int",
            Scalar::Text(_) => "!!str",
        }
    }
}

fn float_value(float: f64, keep: bool) -> Result<Value, Fault> {
    match number::whole(float) {
        _ if keep => {}
        Some(Number::Int(int)) => return Ok(Value::from(int)),
        Some(Number::Uint(uint)) => return Ok(Value::from(uint)),
        _ => {}
    }
    match serde_json::Number::from_f64(float) {
        Some(number) => Ok(Value::Number(number)),
        None if float.is_nan() => Err(Fault::UnsupportedFloat("NaN")),
        None if float > 0.0 => Err(Fault::UnsupportedFloat("+Inf")),
        None => Err(Fault::UnsupportedFloat("-Inf")),
    }
}

/// The value of untagged plain text.
#[inline]
pub fn plain(text: Cow<'_, str>) -> Scalar<'_> {
    match implicit(&text) {
        Some(scalar) => scalar,
        None => Scalar::Text(text),
    }
}

/// The value plain text has by its looks, `None` when it is text. Timestamps are text.
#[inline]
pub fn implicit(text: &str) -> Option<Scalar<'static>> {
    match text.as_bytes().first() {
        None | Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => word(text),
        Some(b'0'..=b'9' | b'+' | b'-') => special_float(text).or_else(|| number::parse(text)).map(Scalar::Number),
        Some(b'.') => special_float(text).or_else(|| number::parse_dotted(text).map(Number::Float)).map(Scalar::Number),
        _ => None,
    }
}

fn word(text: &str) -> Option<Scalar<'static>> {
    if text.len() > 5 {
        return None;
    }
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => return None,
    })
}

fn special_float(text: &str) -> Option<Number> {
    if text.len() > 5 {
        return None;
    }
    Some(Number::Float(match text {
        ".nan" | ".NaN" | ".NAN" => f64::NAN,
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => f64::INFINITY,
        "-.inf" | "-.Inf" | "-.INF" => f64::NEG_INFINITY,
        _ => return None,
    }))
}

/// The value of a tagged scalar.
pub fn tagged<'a>(tag: &str, text: Cow<'a, str>) -> Result<Scalar<'a>, Fault> {
    let Some(short) = tag.strip_prefix(LONG) else {
        // A tag of the user's own says nothing about the value, so it is text.
        return Ok(Scalar::Text(text));
    };
    match short {
        "str" => Ok(Scalar::Text(text)),
        "binary" => binary(&text).map(Scalar::Text),
        "bool" | "int" | "float" | "null" | "timestamp" => typed(short, text),
        _ => Ok(Scalar::Text(text)),
    }
}

fn typed<'a>(wanted: &str, text: Cow<'a, str>) -> Result<Scalar<'a>, Fault> {
    let time = wanted == "timestamp" && timestamp::is_timestamp(&text);
    if time {
        return Ok(Scalar::Text(text));
    }
    let scalar = plain(text.clone());
    let found = scalar.tag();
    match (&scalar, wanted) {
        (Scalar::Number(Number::Int(int)), "float") => Ok(Scalar::Number(Number::Float(*int as f64))),
        _ if found[2..] == *wanted => Ok(scalar),
        _ => Err(Fault::Decode { found, text: text.chars().take(64).collect(), wanted: format!("!!{wanted}") }),
    }
}

/// `!!binary`: base64, line breaks ignored; a byte that is not UTF-8 becomes U+FFFD, as in Go's JSON.
fn binary(text: &str) -> Result<Cow<'static, str>, Fault> {
    let symbols: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\n' | b'\r')).collect();
    if !symbols.len().is_multiple_of(4) {
        return Err(Fault::Binary);
    }
    let padding = symbols.iter().rev().take_while(|b| **b == b'=').count();
    if padding > 2 {
        return Err(Fault::Binary);
    }
    let mut out = Vec::with_capacity(symbols.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0);
    for symbol in &symbols[..symbols.len() - padding] {
        let six = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(Fault::Binary),
        };
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    let mut decoded = String::with_capacity(out.len());
    for chunk in out.utf8_chunks() {
        decoded.push_str(chunk.valid());
        decoded.extend(chunk.invalid().iter().map(|_| '\u{FFFD}'));
    }
    Ok(Cow::Owned(decoded))
}
