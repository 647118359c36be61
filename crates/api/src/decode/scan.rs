//! JSON text to what Go's scanner says is wrong with it.

use crate::validate::quote::go_string;

/// Objects and lists that may stand within each other (Go's `maxNestingDepth`).
const DEPTH_MAX: usize = 10_000;

const END: &str = "unexpected end of JSON input";
const VALUE: &str = "looking for beginning of value";
const KEY: &str = "looking for beginning of object key string";

/// Go's sentence about text that is no JSON; `None` when it is.
pub fn fault(text: &[u8]) -> Option<String> {
    Scan { text, at: 0 }.document().err()
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

/// What stands around the value that is read.
enum Holder {
    Object,
    List,
}

impl Scan<'_> {
    /// The next byte that counts, which stays where it is.
    fn peek(&mut self) -> Result<u8, String> {
        while self.text.get(self.at).is_some_and(|b| b" \t\r\n".contains(b)) {
            self.at += 1;
        }
        self.here()
    }

    fn here(&self) -> Result<u8, String> {
        self.text.get(self.at).copied().ok_or_else(|| END.to_owned())
    }

    /// The next byte within a token. Go ends a text with a space, which no token but a string may hold.
    fn inner(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(b' ')
    }

    fn wrong<T>(&self, context: &str) -> Result<T, String> {
        let shown = match self.inner() {
            b'\'' => r"'\''".to_owned(),
            b'"' => "'\"'".to_owned(),
            other => {
                let quoted = go_string(&char::from(other).to_string());
                format!("'{}'", &quoted[1..quoted.len() - 1])
            }
        };
        Err(format!("invalid character {shown} {context}"))
    }

    fn document(mut self) -> Result<(), String> {
        let mut holders: Vec<Holder> = Vec::new();
        loop {
            let mut is_open = self.value(&mut holders)?;
            // What was just read may end all that is around it.
            while !is_open {
                let Some(holder) = holders.last() else {
                    return match self.peek() {
                        Ok(_) => self.wrong("after top-level value"),
                        Err(_) => Ok(()),
                    };
                };
                match (holder, self.peek()?) {
                    (Holder::Object, b',') => {
                        self.at += 1;
                        self.key()?;
                        is_open = true;
                    }
                    (Holder::List, b',') => {
                        self.at += 1;
                        is_open = true;
                    }
                    (Holder::Object, b'}') | (Holder::List, b']') => {
                        self.at += 1;
                        holders.pop();
                    }
                    (Holder::Object, _) => return self.wrong("after object key:value pair"),
                    (Holder::List, _) => return self.wrong("after array element"),
                }
            }
        }
    }

    /// Reads a value, or the beginning of one that holds others; says whether a value within it comes next.
    fn value(&mut self, holders: &mut Vec<Holder>) -> Result<bool, String> {
        match self.peek()? {
            b'{' => {
                self.at += 1;
                self.enter(Holder::Object, holders)?;
                if self.peek()? == b'}' {
                    return Ok(false);
                }
                self.key()?;
                Ok(true)
            }
            b'[' => {
                self.at += 1;
                self.enter(Holder::List, holders)?;
                Ok(self.peek()? != b']')
            }
            b'"' => self.string().map(|()| false),
            b't' => self.literal("true").map(|()| false),
            b'f' => self.literal("false").map(|()| false),
            b'n' => self.literal("null").map(|()| false),
            b'-' | b'0'..=b'9' => self.number().map(|()| false),
            _ => self.wrong(VALUE),
        }
    }

    fn enter(&mut self, holder: Holder, holders: &mut Vec<Holder>) -> Result<(), String> {
        holders.push(holder);
        if holders.len() > DEPTH_MAX { Err("exceeded max depth".to_owned()) } else { Ok(()) }
    }

    fn key(&mut self) -> Result<(), String> {
        if self.peek()? != b'"' {
            return self.wrong(KEY);
        }
        self.string()?;
        if self.peek()? != b':' {
            return self.wrong("after object key");
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), String> {
        self.at += 1;
        loop {
            match self.here()? {
                b'"' => break,
                b'\\' => {
                    self.at += 1;
                    match self.inner() {
                        b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
                        b'u' => {
                            for _ in 0..4 {
                                self.at += 1;
                                if !self.inner().is_ascii_hexdigit() {
                                    return self.wrong("in \\u hexadecimal character escape");
                                }
                            }
                        }
                        _ => return self.wrong("in string escape code"),
                    }
                }
                ..b' ' => return self.wrong("in string literal"),
                _ => {}
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Result<(), String> {
        for expected in word.bytes() {
            if self.inner() != expected {
                return self.wrong(&format!("in literal {word} (expecting '{}')", char::from(expected)));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn number(&mut self) -> Result<(), String> {
        if self.inner() == b'-' {
            self.at += 1;
        }
        match self.inner() {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            _ => return self.wrong("in numeric literal"),
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            if !self.inner().is_ascii_digit() {
                return self.wrong("after decimal point in numeric literal");
            }
            self.digits();
        }
        if self.text.get(self.at).is_some_and(|b| b"eE".contains(b)) {
            self.at += 1;
            if b"+-".contains(&self.inner()) {
                self.at += 1;
            }
            if !self.inner().is_ascii_digit() {
                return self.wrong("in exponent of numeric literal");
            }
            self.digits();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn faults_are_go_s() {
        for (text, expect) in [
            ("", "unexpected end of JSON input"),
            ("  ", "unexpected end of JSON input"),
            ("{", "unexpected end of JSON input"),
            (r#"{"a":"#, "unexpected end of JSON input"),
            ("a", "invalid character 'a' looking for beginning of value"),
            ("{a", "invalid character 'a' looking for beginning of object key string"),
            (r#"{"a":1,}"#, "invalid character '}' looking for beginning of object key string"),
            (r#"{"a" 1}"#, "invalid character '1' after object key"),
            (r#"{"a":1 "b":2}"#, "invalid character '\"' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("{}x", "invalid character 'x' after top-level value"),
            ("01.2.3.4", "invalid character '1' after top-level value"),
            ("tru ", "invalid character ' ' in literal true (expecting 'e')"),
            ("nul", "invalid character ' ' in literal null (expecting 'l')"),
            ("-", "invalid character ' ' in numeric literal"),
            ("[1.", "invalid character ' ' after decimal point in numeric literal"),
            ("1e", "invalid character ' ' in exponent of numeric literal"),
            (r#"{"a\"#, "invalid character ' ' in string escape code"),
            (r#"{"a\u1"#, "invalid character ' ' in \\u hexadecimal character escape"),
            (r#"{"a"#, "unexpected end of JSON input"),
            ("-a", "invalid character 'a' in numeric literal"),
            ("1.a", "invalid character 'a' after decimal point in numeric literal"),
            ("1ea", "invalid character 'a' in exponent of numeric literal"),
            ("\"a\nb\"", r"invalid character '\n' in string literal"),
            (r#""\x""#, "invalid character 'x' in string escape code"),
            (r#""\u12g4""#, "invalid character 'g' in \\u hexadecimal character escape"),
            ("'a'", r"invalid character '\'' looking for beginning of value"),
            ("\u{e4}", "invalid character '\u{c3}' looking for beginning of value"),
        ] {
            assert_eq!(fault(text.as_bytes()).as_deref(), Some(expect), "{text}");
        }
        for text in ["{}", " [1, {\"a\": [true, null, -0.5e+3, \"\\u00e4\"]}] ", "0", "[]", "{\"a\":{}}", "[[],[]]"] {
            assert_eq!(fault(text.as_bytes()), None, "{text}");
        }
    }
}
