//! Numbers and dates of TOML: found in the text as the library's lexer finds them, then checked as its parser does.

use std::rc::Rc;

use masthead_gotmpl::kind::IntKind;
use masthead_gotmpl::quote::quote;
use masthead_gotmpl::value::Value;

use super::read::{Cursor, Fault, quoted};
use crate::golang::{float, number as numbers};
use crate::time::object::time;
use crate::time::parse;
use crate::time::zone::Zone;

/// What a bare text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `1_000`, `0x1F`
    Integer,
    /// `1.5`, `inf`
    Float,
    /// `2024-02-29`
    Datetime,
}

/// Takes what begins with a digit.
pub fn number(cursor: &mut Cursor<'_>) -> Result<Kind, Fault> {
    let start = cursor.at;
    let digit = |c: char| c.is_ascii_digit();
    let first = cursor.next()?;
    if first == Some('0') {
        let radix = match cursor.peek()? {
            Some('b') => Some((2, "a binary")),
            Some('o') => Some((8, "an octal")),
            Some('x') => Some((16, "a hexadecimal")),
            _ => None,
        };
        if let Some((radix, name)) = radix {
            cursor.next()?;
            let next = cursor.peek()?;
            if !next.is_some_and(|c| c.is_digit(radix)) {
                let text = String::from_utf8_lossy(cursor.since(start)).into_owned();
                return cursor.fault(format!("not {name} number: '{text}{}'", next.unwrap_or('\0')));
            }
            cursor.skip(|c| c.is_digit(radix) || c == '_')?;
            return Ok(Kind::Integer);
        }
        match cursor.peek()? {
            Some('_') => return decimal(cursor),
            Some('.' | 'e' | 'E') => return fraction(cursor),
            Some(c) if digit(c) => {}
            _ => return Ok(Kind::Integer),
        }
    }
    cursor.skip(digit)?;
    match cursor.peek()? {
        Some('-' | ':') => {
            cursor.skip(|c| digit(c) || matches!(c, '-' | ':' | 'T' | 't' | ' ' | '.' | 'Z' | 'z' | '+'))?;
            Ok(Kind::Datetime)
        }
        Some('_') => decimal(cursor),
        Some('.' | 'e' | 'E') => fraction(cursor),
        _ => Ok(Kind::Integer),
    }
}

fn decimal(cursor: &mut Cursor<'_>) -> Result<Kind, Fault> {
    cursor.skip(|c| c.is_ascii_digit() || c == '_')?;
    match cursor.peek()? {
        Some('.' | 'e' | 'E') => fraction(cursor),
        _ => Ok(Kind::Integer),
    }
}

fn fraction(cursor: &mut Cursor<'_>) -> Result<Kind, Fault> {
    cursor.skip(|c| c.is_ascii_digit() || matches!(c, '_' | '.' | '-' | '+' | 'e' | 'E'))?;
    Ok(Kind::Float)
}

/// Takes what begins with a sign.
pub fn signed(cursor: &mut Cursor<'_>, start: usize) -> Result<Kind, Fault> {
    cursor.next()?;
    let text = |cursor: &Cursor<'_>| String::from_utf8_lossy(cursor.since(start)).into_owned();
    match cursor.next()? {
        Some(c @ ('i' | 'n')) => {
            let (second, third) = if c == 'i' { ('n', 'f') } else { ('a', 'n') };
            if !cursor.accept(second)? || !cursor.accept(third)? {
                let text = text(cursor);
                return cursor.fault(format!("invalid float: '{text}'"));
            }
            Ok(Kind::Float)
        }
        Some('0') if matches!(cursor.peek()?, Some('b' | 'o' | 'x')) => {
            let (text, letter) = (text(cursor), cursor.peek()?.unwrap_or('\0'));
            cursor.fault(format!("cannot use sign with non-decimal numbers: '{text}{letter}'"))
        }
        Some('.') => cursor.fault("floats must start with a digit, not '.'"),
        Some(c) if c.is_ascii_digit() => decimal(cursor),
        other => cursor.fault(format!("expected a digit but got {}", quoted(other))),
    }
}

/// The value of a text that looks like a kind, or what is wrong with it.
pub fn value(kind: Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Integer => integer(text),
        Kind::Float => float_value(text),
        Kind::Datetime => datetime(text.trim()),
    }
}

fn integer(text: &str) -> Result<Value, String> {
    let name = quote(text.as_bytes());
    if !underscores_fit(text) {
        return Err(format!("Invalid integer {name}: underscores must be surrounded by digits"));
    }
    if has_leading_zero(text) {
        return Err(format!("Invalid integer {name}: cannot have leading zeroes"));
    }
    numbers::parse_int(text.as_bytes(), 0).map(int64).map_err(|_| format!("{text} is out of range for int64"))
}

fn float_value(text: &str) -> Result<Value, String> {
    let name = quote(text.as_bytes());
    let parts: Vec<&str> = text.split(['.', 'e', 'E']).filter(|part| !part.is_empty()).collect();
    if !parts.iter().all(|part| underscores_fit(part)) {
        return Err(format!("Invalid float {name}: underscores must be surrounded by digits"));
    }
    if parts.first().is_some_and(|part| has_leading_zero(part)) {
        return Err(format!("Invalid float {name}: cannot have leading zeroes"));
    }
    let bytes = text.as_bytes();
    let bare_point = |at: usize| bytes[at] == b'.' && !bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
    if (0..bytes.len()).any(bare_point) {
        return Err(format!("Invalid float {name}: '.' must be followed by one or more digits"));
    }
    let plain = text.replace('_', "");
    match plain.as_str() {
        "+nan" => return Ok(Value::Float(f64::NAN)),
        "-nan" => return Ok(Value::Float(-f64::NAN)),
        _ => {}
    }
    match float::parse(plain.as_bytes()) {
        Some(value) => Ok(Value::Float(value)),
        None if plain.parse::<f64>().is_ok() => Err(format!("{text} is out of range for float64")),
        None => Err(format!("Invalid float value: {name}")),
    }
}

fn has_leading_zero(text: &str) -> bool {
    match text.as_bytes() {
        [b'0', b'b' | b'o' | b'x', ..] => false,
        [b'0', _, ..] | [b'-' | b'+', b'0', _, ..] => true,
        _ => false,
    }
}

fn underscores_fit(text: &str) -> bool {
    if matches!(text, "nan" | "+nan" | "-nan" | "inf" | "+inf" | "-inf") {
        return true;
    }
    let mut accept = false;
    for c in text.chars() {
        if c == '_' && !accept {
            return false;
        }
        accept = c.is_ascii_hexdigit();
    }
    accept
}

/// Layouts in the order in which they are tried, and the zone of what has none.
const LAYOUTS: [(&str, &str); 7] = [
    ("2006-01-02T15:04:05.999999999Z07:00", ""),
    ("2006-01-02T15:04:05.999999999", "datetime-local"),
    ("2006-01-02", "date-local"),
    ("15:04:05.999999999", "time-local"),
    ("2006-01-02T15:04Z07:00", ""),
    ("2006-01-02T15:04", "datetime-local"),
    ("15:04", "time-local"),
];

fn datetime(text: &str) -> Result<Value, String> {
    let text = text.replace('z', "Z").replace(['t', ' '], "T");
    let invalid = || Err(format!("invalid datetime: {}", quote(text.as_bytes())));
    for (layout, zone) in LAYOUTS {
        let Ok(moment) = parse::parse(layout.as_bytes(), text.as_bytes()) else { continue };
        if missing_zero(&text, layout) {
            return invalid();
        }
        if zone.is_empty() {
            return Ok(time(moment));
        }
        return Ok(time(moment.within(Zone::Fixed { name: Rc::from(zone), offset_s: 0 })));
    }
    invalid()
}

/// Go reads `2024-1-2` as well; TOML does not.
fn missing_zero(text: &str, layout: &str) -> bool {
    for (at, &byte) in layout.as_bytes().iter().enumerate() {
        if matches!(byte, b'.' | b'Z') {
            return false;
        }
        if !byte.is_ascii_digit() && text.as_bytes().get(at) != Some(&byte) {
            return true;
        }
    }
    false
}

/// An `int64`.
pub(super) fn int64(value: i64) -> Value {
    Value::Int(IntKind::Int64, value)
}
