//! JSON text to a value, numbers as float64, with the error texts of `encoding/json`.

use masthead_gotmpl::kind::MAP_ANY;
use masthead_gotmpl::list::List;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::quote::quote;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

use crate::golang::{float, runes};

/// Go's bound on nesting.
const DEPTH_MAX: usize = 10_000;

/// What was read: the value, and the first number in it that is out of range (and became nil).
pub struct Read {
    pub value: Value,
    pub fault: Option<String>,
}

/// `json.Unmarshal` into an `interface {}`.
pub fn read(text: &[u8]) -> Result<Read, String> {
    let mut reader = Reader { text, at: 0, fault: None };
    let value = reader.document()?;
    Ok(Read { value, fault: reader.fault })
}

/// How Go names a JSON value of the wrong type.
pub fn type_fault(value: &Value, wanted: &str) -> String {
    let found = match value {
        Value::Bool(_) => "bool",
        Value::Float(_) => "number",
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

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    fault: Option<String>,
}

impl Reader<'_> {
    fn space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The error at the place reached: the character there, or the end.
    fn error<T>(&self, context: &str) -> Result<T, String> {
        match self.peek() {
            None => Err("unexpected end of JSON input".to_owned()),
            Some(byte) => Self::unfit(byte, context),
        }
    }

    /// The error where a blank is none either: at the end Go's scanner tries one, and names it.
    fn error_within<T>(&self, context: &str) -> Result<T, String> {
        Self::unfit(self.peek().unwrap_or(b' '), context)
    }

    fn unfit<T>(byte: u8, context: &str) -> Result<T, String> {
        let name = match byte {
            b'\'' => r"'\''".to_owned(),
            b'"' => "'\"'".to_owned(),
            _ => {
                let mut buffer = [0; 4];
                let quoted = quote((byte as char).encode_utf8(&mut buffer).as_bytes());
                format!("'{}'", &quoted[1..quoted.len() - 1])
            }
        };
        Err(format!("invalid character {name} {context}"))
    }

    fn document(&mut self) -> Result<Value, String> {
        let mut stack: Vec<Open> = Vec::new();
        loop {
            let mut done = self.begin(&mut stack)?;
            // A finished value goes into what is open; that may finish too.
            while let Some(value) = done.take() {
                let Some(open) = stack.pop() else {
                    self.space();
                    if self.at < self.text.len() {
                        return self.error("after top-level value");
                    }
                    return Ok(value);
                };
                done = self.put(open, value, &mut stack)?;
            }
        }
    }

    /// Reads a scalar or an empty collection whole, or opens a collection.
    fn begin(&mut self, stack: &mut Vec<Open>) -> Result<Option<Value>, String> {
        self.space();
        let Some(byte) = self.peek() else { return self.error("") };
        if matches!(byte, b'[' | b'{') && stack.len() >= DEPTH_MAX {
            return self.error("exceeded max depth");
        }
        match byte {
            b'[' => {
                self.at += 1;
                self.space();
                if self.peek() == Some(b']') {
                    self.at += 1;
                    return Ok(Some(Value::List(List::any(Vec::new()))));
                }
                stack.push(Open::List(Vec::new()));
                Ok(None)
            }
            b'{' => {
                self.at += 1;
                self.space();
                if self.peek() == Some(b'}') {
                    self.at += 1;
                    return Ok(Some(Value::Map(Map::any())));
                }
                let key = self.key()?;
                stack.push(Open::Map(Vec::new(), key));
                Ok(None)
            }
            b'"' => Ok(Some(Value::Str(self.string()?))),
            b'-' | b'0'..=b'9' => self.number().map(Some),
            b't' => self.word(b"true", Value::Bool(true)),
            b'f' => self.word(b"false", Value::Bool(false)),
            b'n' => self.word(b"null", Value::Nil),
            _ => self.error("looking for beginning of value"),
        }
    }

    fn put(&mut self, open: Open, value: Value, stack: &mut Vec<Open>) -> Result<Option<Value>, String> {
        self.space();
        match open {
            Open::List(mut items) => {
                items.push(value);
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        stack.push(Open::List(items));
                        Ok(None)
                    }
                    Some(b']') => {
                        self.at += 1;
                        Ok(Some(Value::List(List::any(items))))
                    }
                    _ => self.error("after array element"),
                }
            }
            Open::Map(mut pairs, key) => {
                pairs.push((key, value));
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        self.space();
                        let key = self.key()?;
                        stack.push(Open::Map(pairs, key));
                        Ok(None)
                    }
                    Some(b'}') => {
                        self.at += 1;
                        Ok(Some(Value::Map(Map::from_pairs(&MAP_ANY, pairs))))
                    }
                    _ => self.error("after object key:value pair"),
                }
            }
        }
    }

    fn key(&mut self) -> Result<Str, String> {
        if self.peek() != Some(b'"') {
            return self.error("looking for beginning of object key string");
        }
        let key = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return self.error("after object key");
        }
        self.at += 1;
        Ok(key)
    }

    fn word(&mut self, word: &'static [u8], value: Value) -> Result<Option<Value>, String> {
        for &expected in word {
            if self.peek() != Some(expected) {
                let name = String::from_utf8_lossy(word);
                return self.error_within(&format!("in literal {name} (expecting '{}')", expected as char));
            }
            self.at += 1;
        }
        Ok(Some(value))
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.error_within("in numeric literal"),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
                return self.error_within("after decimal point in numeric literal");
            }
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
                return self.error_within("in exponent of numeric literal");
            }
            self.digits();
        }
        let text = &self.text[start..self.at];
        Ok(match float::parse(text) {
            Some(number) => Value::Float(number),
            None => {
                let text = String::from_utf8_lossy(text);
                self.fault.get_or_insert_with(|| {
                    format!("json: cannot unmarshal number {text} into Go value of type float64")
                });
                Value::Nil
            }
        })
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
    }

    /// A string literal; bytes that are no UTF-8 and lone surrogates become U+FFFD.
    fn string(&mut self) -> Result<Str, String> {
        self.at += 1;
        let start = self.at;
        let mut plain = true;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    plain = false;
                    self.at += 1;
                    match self.peek() {
                        Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => {}
                        Some(b'u') => {
                            for _ in 0..4 {
                                self.at += 1;
                                if !self.peek().is_some_and(|b| b.is_ascii_hexdigit()) {
                                    return self.error_within("in \\u hexadecimal character escape");
                                }
                            }
                        }
                        _ => return self.error_within("in string escape code"),
                    }
                }
                Some(0..0x20) | None => return self.error("in string literal"),
                Some(_) => {}
            }
            self.at += 1;
        }
        let body = &self.text[start..self.at];
        self.at += 1;
        if plain && std::str::from_utf8(body).is_ok() {
            return Ok(Str::new(body));
        }
        Ok(Str::from(unescape(body)))
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
