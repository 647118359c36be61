//! Strict JSON text to a value: duplicate keys refused, depth bounded, numbers typed as Kubernetes types them.

use serde_json::{Map, Number, Value};

use crate::error::{Error, Fault};
use crate::input;
use crate::limits::{Duplicates, Limits};

/// The value of a JSON text, which must be all of it.
///
/// Integers up to 64 bits stay integers, larger ones become floats as in Go; a number out of a float's range, a key set
/// twice (unless the limits let it) and nesting past the bound are errors with their line and column.
pub fn parse(text: &[u8], limits: &Limits) -> Result<Value, Error> {
    if text.len() > limits.input_bytes {
        let fault = Fault::Limit { name: "input_bytes", limit: limits.input_bytes };
        return Err(Error { line: 1, column: 1, fault, go_line: None });
    }
    let text = std::str::from_utf8(text).map_err(|fault| {
        let good = std::str::from_utf8(&text[..fault.valid_up_to()]).unwrap_or_default();
        input::error_at(good, good.len(), 0, Fault::Encoding("invalid UTF-8 in JSON text"))
    })?;
    let mut reader = Reader { text, bytes: text.as_bytes(), pos: 0, limits };
    reader.document().map_err(|fault| input::error_at(text, reader.boundary(), 0, fault))
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
    limits: &'a Limits,
}

enum Open {
    Array(Vec<Value>),
    /// The mapping and the key whose value is due.
    Object(Map<String, Value>, String),
}

fn syntax<T>(words: &'static str) -> Result<T, Fault> {
    Err(Fault::Syntax(words))
}

impl Reader<'_> {
    /// The position, moved back to a character's start.
    fn boundary(&self) -> usize {
        (0..=self.pos.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }

    fn skip_blanks(&mut self) -> u8 {
        while matches!(self.byte(), b' ' | b'\t' | b'\n' | b'\r') {
            self.pos += 1;
        }
        self.byte()
    }

    fn byte(&self) -> u8 {
        self.bytes.get(self.pos).copied().unwrap_or(0)
    }

    fn document(&mut self) -> Result<Value, Fault> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            let mut done = self.begin(&mut open)?;
            // A finished value may finish the collections around it.
            while let Some(value) = done.take() {
                let Some(innermost) = open.last_mut() else {
                    self.skip_blanks();
                    return if self.pos == self.bytes.len() {
                        Ok(value)
                    } else {
                        syntax("unexpected text after the JSON value")
                    };
                };
                match innermost {
                    Open::Array(items) => items.push(value),
                    Open::Object(map, key) => {
                        map.insert(std::mem::take(key), value);
                    }
                }
                done = self.after_value(&mut open)?;
            }
        }
    }

    /// A scalar or an empty collection, or `None` when a collection was opened.
    fn begin(&mut self, open: &mut Vec<Open>) -> Result<Option<Value>, Fault> {
        match self.skip_blanks() {
            b'{' => {
                self.pos += 1;
                self.deepen(open)?;
                if self.skip_blanks() == b'}' {
                    self.pos += 1;
                    return Ok(Some(Value::Object(Map::new())));
                }
                let map = Map::new();
                let key = self.key(&map)?;
                open.push(Open::Object(map, key));
                Ok(None)
            }
            b'[' => {
                self.pos += 1;
                self.deepen(open)?;
                if self.skip_blanks() == b']' {
                    self.pos += 1;
                    return Ok(Some(Value::Array(Vec::new())));
                }
                open.push(Open::Array(Vec::new()));
                Ok(None)
            }
            b'"' => self.string().map(|text| Some(Value::String(text))),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            b'-' | b'0'..=b'9' => self.number().map(Some),
            _ => syntax("expected a JSON value"),
        }
    }

    /// What follows a value: a comma, or the end of the collection, which then is the value that is done.
    fn after_value(&mut self, open: &mut Vec<Open>) -> Result<Option<Value>, Fault> {
        let byte = self.skip_blanks();
        match (byte, open.last_mut()) {
            (b',', Some(Open::Array(_))) => self.pos += 1,
            (b',', Some(Open::Object(map, next))) => {
                self.pos += 1;
                self.skip_blanks();
                *next = self.key(map)?;
            }
            (b']', Some(Open::Array(items))) => {
                self.pos += 1;
                let items = std::mem::take(items);
                open.pop();
                return Ok(Some(Value::Array(items)));
            }
            (b'}', Some(Open::Object(map, _))) => {
                self.pos += 1;
                let map = std::mem::take(map);
                open.pop();
                return Ok(Some(Value::Object(map)));
            }
            (_, Some(Open::Array(_))) => return syntax("expected ',' or ']'"),
            _ => return syntax("expected ',' or '}'"),
        }
        Ok(None)
    }

    fn deepen(&self, open: &[Open]) -> Result<(), Fault> {
        match open.len() >= self.limits.depth {
            true => Err(Fault::Limit { name: "depth", limit: self.limits.depth }),
            false => Ok(()),
        }
    }

    fn key(&mut self, map: &Map<String, Value>) -> Result<String, Fault> {
        if self.byte() != b'"' {
            return syntax("expected a key in double quotes");
        }
        let start = self.pos;
        let key = self.string()?;
        if self.limits.duplicates == Duplicates::Refuse && map.contains_key(&key) {
            self.pos = start;
            return Err(Fault::DuplicateKey(key));
        }
        if self.skip_blanks() != b':' {
            return syntax("expected ':'");
        }
        self.pos += 1;
        Ok(key)
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Option<Value>, Fault> {
        if !self.bytes[self.pos..].starts_with(word.as_bytes()) {
            return syntax("expected a JSON value");
        }
        self.pos += word.len();
        Ok(Some(value))
    }

    fn digits(&mut self) -> usize {
        let start = self.pos;
        while self.byte().is_ascii_digit() {
            self.pos += 1;
        }
        self.pos - start
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let start = self.pos;
        self.pos += usize::from(self.byte() == b'-');
        let zero = self.byte() == b'0';
        let whole = self.digits();
        let mut fits = whole > 0 && !(zero && whole > 1);
        let mut integer = true;
        if self.byte() == b'.' {
            self.pos += 1;
            integer = false;
            fits &= self.digits() > 0;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.pos += 1;
            integer = false;
            self.pos += usize::from(matches!(self.byte(), b'+' | b'-'));
            fits &= self.digits() > 0;
        }
        let text = &self.text[start..self.pos];
        if !fits {
            return syntax("malformed number");
        }
        if integer && let Ok(int) = text.parse::<i64>() {
            return Ok(Value::from(int));
        }
        if integer && let Ok(uint) = text.parse::<u64>() {
            return Ok(Value::from(uint));
        }
        match text.parse().ok().and_then(Number::from_f64) {
            Some(number) => Ok(Value::Number(number)),
            None => syntax("number out of range"),
        }
    }

    fn string(&mut self) -> Result<String, Fault> {
        self.pos += 1;
        let mut out = String::new();
        loop {
            let start = self.pos;
            while !matches!(self.byte(), b'"' | b'\\' | ..0x20) {
                self.pos += 1;
            }
            out.push_str(&self.text[start..self.pos]);
            if out.len() > self.limits.scalar_bytes {
                return Err(Fault::Limit { name: "scalar_bytes", limit: self.limits.scalar_bytes });
            }
            match self.byte() {
                b'"' => {
                    self.pos += 1;
                    return Ok(out);
                }
                b'\\' => out.push(self.escape()?),
                _ if self.pos >= self.bytes.len() => return syntax("unexpected end in a string"),
                _ => return syntax("control character in a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        self.pos += 1;
        let byte = self.byte();
        self.pos += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{C}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return syntax("unknown escape in a string"),
        })
    }

    /// Four hexadecimal digits, and four more for a pair of surrogates; a lone one reads as U+FFFD, as in Go.
    fn unicode(&mut self) -> Result<char, Fault> {
        let code = self.hex()?;
        if code & 0xFC00 == 0xD800 && self.bytes[self.pos..].starts_with(b"\\u") {
            let back = self.pos;
            self.pos += 2;
            let low = self.hex()?;
            if low & 0xFC00 == 0xDC00 {
                let code = 0x10000 + ((code & 0x3FF) << 10) + (low & 0x3FF);
                return Ok(char::from_u32(code).unwrap_or('\u{FFFD}'));
            }
            self.pos = back;
        }
        Ok(char::from_u32(code).unwrap_or('\u{FFFD}'))
    }

    fn hex(&mut self) -> Result<u32, Fault> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = char::from(self.byte()).to_digit(16) else { return syntax("malformed \\u escape") };
            code = code << 4 | digit;
            self.pos += 1;
        }
        Ok(code)
    }
}
