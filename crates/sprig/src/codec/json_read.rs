//! JSON text to a value, numbers as float64, with the error texts of `encoding/json`.

use masthead_gotmpl::kind::MAP_ANY;
use masthead_gotmpl::list::List;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;
use masthead_yaml::json_scan;

use crate::golang::{float, runes};

/// What was read: the value, and the first number in it that is out of range (and became nil).
pub struct Read {
    pub value: Value,
    pub fault: Option<String>,
}

/// `json.Unmarshal` into an `interface {}`.
pub fn read(text: &[u8]) -> Result<Read, String> {
    if let Some(fault) = json_scan::fault(text) {
        return Err(fault);
    }
    let mut reader = Reader { text, at: 0, fault: None };
    let value = reader.document();
    Ok(Read { value, fault: reader.fault })
}

/// How Go names a JSON value of the wrong type.
pub fn type_fault(value: &Value, wanted: &str) -> String {
    let found = match value {
        Value::Bool(_) => "bool",
        // One that is out of range became nil; null itself is of every type.
        Value::Float(_) | Value::Nil => "number",
        Value::Str(_) => "string",
        Value::List(_) => "array",
        _ => "object",
    };
    format!("json: cannot unmarshal {found} into Go value of type {wanted}")
}

enum Open {
    List(Vec<Value>),
    Map(Vec<(Str, Value)>, Str),
}

/// Reads what Go's scanner found no fault in.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    fault: Option<String>,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.at = json_scan::blanks(self.text, self.at);
    }

    /// Passes a byte, if it is the next one.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn document(&mut self) -> Value {
        let mut stack: Vec<Open> = Vec::new();
        loop {
            let mut done = self.begin(&mut stack);
            // A finished value goes into what is open; that may finish too.
            while let Some(value) = done.take() {
                let Some(open) = stack.pop() else { return value };
                done = self.put(open, value, &mut stack);
            }
        }
    }

    /// Reads a scalar or an empty collection whole, or opens a collection.
    fn begin(&mut self, stack: &mut Vec<Open>) -> Option<Value> {
        self.space();
        match self.text.get(self.at) {
            Some(b'[') => {
                self.at += 1;
                self.space();
                if self.take(b']') {
                    return Some(Value::List(List::any(Vec::new())));
                }
                stack.push(Open::List(Vec::new()));
                None
            }
            Some(b'{') => {
                self.at += 1;
                self.space();
                if self.take(b'}') {
                    return Some(Value::Map(Map::any()));
                }
                let key = self.key();
                stack.push(Open::Map(Vec::new(), key));
                None
            }
            Some(b'"') => Some(Value::Str(self.string())),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Nil),
            _ => Some(self.number()),
        }
    }

    fn put(&mut self, open: Open, value: Value, stack: &mut Vec<Open>) -> Option<Value> {
        self.space();
        let more = self.take(b',');
        if !more {
            self.at += 1;
        }
        match open {
            Open::List(mut items) => {
                items.push(value);
                if !more {
                    return Some(Value::List(List::any(items)));
                }
                stack.push(Open::List(items));
            }
            Open::Map(mut pairs, key) => {
                pairs.push((key, value));
                if !more {
                    return Some(Value::Map(Map::from_pairs(&MAP_ANY, pairs)));
                }
                self.space();
                let key = self.key();
                stack.push(Open::Map(pairs, key));
            }
        }
        None
    }

    /// A key and its colon.
    fn key(&mut self) -> Str {
        let key = self.string();
        self.space();
        self.at += 1;
        key
    }

    fn word(&mut self, word: &str, value: Value) -> Option<Value> {
        self.at += word.len();
        Some(value)
    }

    fn number(&mut self) -> Value {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let text = &rest[..rest.iter().take_while(is_part).count()];
        // At least one byte, whatever it is: reading ends.
        self.at += text.len().max(1);
        match float::parse(text) {
            Some(number) => Value::Float(number),
            None => {
                let text = String::from_utf8_lossy(text);
                self.fault.get_or_insert_with(|| {
                    format!("json: cannot unmarshal number {text} into Go value of type float64")
                });
                Value::Nil
            }
        }
    }

    /// A string literal; bytes that are no UTF-8 and lone surrogates become U+FFFD.
    fn string(&mut self) -> Str {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let (mut end, mut plain) = (0, true);
        while let Some(byte) = rest.get(end).filter(|byte| **byte != b'"') {
            let escapes = *byte == b'\\';
            plain &= !escapes;
            end += 1 + usize::from(escapes);
        }
        let body = &rest[..end.min(rest.len())];
        self.at += body.len() + 2;
        if plain && std::str::from_utf8(body).is_ok() {
            return Str::new(body);
        }
        Str::from(unescape(body))
    }
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'\\' {
            let (c, width) = runes::decode(&text[at..]);
            runes::push(&mut out, c);
            at += width;
            continue;
        }
        at += 2;
        let c = match text[at - 1] {
            b'b' => '\x08',
            b'f' => '\x0c',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high = hexadecimal(text, at);
                at += 4;
                let low = if text[at..].starts_with(b"\\u") { hexadecimal(text, at + 2) } else { 0 };
                if (0xD800..0xDC00).contains(&high) && (0xDC00..0xE000).contains(&low) {
                    at += 6;
                    char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
                } else {
                    char::from_u32(high)
                }
                .unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            other => other as char,
        };
        runes::push(&mut out, c);
    }
    out
}

fn hexadecimal(text: &[u8], at: usize) -> u32 {
    let digits = text.get(at..at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
    digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0)
}
