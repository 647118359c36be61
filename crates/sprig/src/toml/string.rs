//! The four kinds of TOML strings to their text.

use masthead_gotmpl::quote::quote;

use super::parse::Parser;
use super::read::{Fault, is_break};
use crate::golang::runes;

const NO_BREAKS: &str = "strings cannot contain newlines";

impl Parser<'_> {
    /// A basic string behind its quote.
    pub(super) fn string(&mut self) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        loop {
            match self.cursor.next()? {
                None => return self.cursor.fault("unexpected EOF; expected '\"'"),
                Some('"') => return Ok(out),
                Some('\\') => self.escape(&mut out)?,
                Some('\r') => return Err(Fault { line: self.cursor.line - 1, message: NO_BREAKS.into() }),
                Some('\n') => return self.cursor.fault_before(NO_BREAKS),
                Some(c) => runes::push(&mut out, c),
            }
        }
    }

    /// A literal string behind its quote.
    pub(super) fn raw_string(&mut self) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        loop {
            match self.cursor.next()? {
                None => return self.cursor.fault("unexpected EOF; expected \"'\""),
                Some('\'') => return Ok(out),
                Some('\r') => return Err(Fault { line: self.cursor.line - 1, message: NO_BREAKS.into() }),
                Some('\n') => return self.cursor.fault_before(NO_BREAKS),
                Some(c) => runes::push(&mut out, c),
            }
        }
    }

    /// A basic string of several lines behind its three quotes.
    pub(super) fn multiline_string(&mut self) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        self.first_break()?;
        loop {
            match self.cursor.next()? {
                None => return self.cursor.fault("unexpected EOF; expected '\"\"\"'"),
                Some('"') => {
                    if self.quotes('"', &mut out)? {
                        return Ok(out);
                    }
                }
                Some('\\') => {
                    let before = (self.cursor.at, self.cursor.line);
                    self.cursor.skip(|c| c == ' ' || c == '\t')?;
                    if self.cursor.peek()?.is_some_and(is_break) {
                        self.cursor.skip(|c| matches!(c, ' ' | '\t' | '\r' | '\n'))?;
                    } else {
                        (self.cursor.at, self.cursor.line) = before;
                        self.escape(&mut out)?;
                    }
                }
                Some(c) => runes::push(&mut out, c),
            }
        }
    }

    /// A literal string of several lines behind its three quotes.
    pub(super) fn multiline_raw_string(&mut self) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        self.first_break()?;
        loop {
            match self.cursor.next()? {
                None => return self.cursor.fault("unexpected EOF; expected \"'''\""),
                Some('\'') => {
                    if self.quotes('\'', &mut out)? {
                        return Ok(out);
                    }
                }
                Some(c) => runes::push(&mut out, c),
            }
        }
    }

    /// The line break right behind three quotes does not count.
    fn first_break(&mut self) -> Result<(), Fault> {
        self.cursor.accept('\r')?;
        self.cursor.accept('\n')?;
        Ok(())
    }

    /// Quotes, of which one was taken: fewer than three are text, the last three of up to five end the string.
    fn quotes(&mut self, mark: char, out: &mut Vec<u8>) -> Result<bool, Fault> {
        let mut count = 1;
        while count < 6 && self.cursor.accept(mark)? {
            count += 1;
        }
        if count == 6 {
            let six: String = std::iter::repeat_n(mark, 6).collect();
            let around = if mark == '"' { '\'' } else { '"' };
            return self.cursor.fault(format!("unexpected {around}{six}{around}"));
        }
        let text = if count < 3 { count } else { count - 3 };
        for _ in 0..text {
            runes::push(out, mark);
        }
        Ok(count >= 3)
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let start = self.cursor.at - 1;
        let c = match self.cursor.next()? {
            Some('e') => '\x1b',
            Some('b') => '\x08',
            Some('t') => '\t',
            Some('n') => '\n',
            Some('f') => '\x0c',
            Some('r') => '\r',
            Some('"') => '"',
            Some('\\') => '\\',
            Some('x') => return self.code_point(start, 2, "two", 'x', out),
            Some('u') => return self.code_point(start, 4, "four", 'u', out),
            Some('U') => return self.code_point(start, 8, "eight", 'U', out),
            Some(c @ (' ' | '\t')) => return self.cursor.fault(format!("invalid escape: '\\{c}'")),
            other => {
                return self.cursor.fault(format!("invalid escape in string '\\{}'", other.unwrap_or('\0')));
            }
        };
        runes::push(out, c);
        Ok(())
    }

    fn code_point(
        &mut self,
        start: usize,
        digits: usize,
        count: &str,
        letter: char,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let first = self.cursor.at;
        for _ in 0..digits {
            if !self.cursor.next()?.is_some_and(|c| c.is_ascii_hexdigit()) {
                let text = quote(self.cursor.since(start));
                return self
                    .cursor
                    .fault(format!("expected {count} hexadecimal digits after '\\{letter}', but got {text} instead"));
            }
        }
        let text = String::from_utf8_lossy(self.cursor.since(first)).into_owned();
        match u32::from_str_radix(&text, 16).ok().and_then(char::from_u32) {
            Some(c) => {
                runes::push(out, c);
                Ok(())
            }
            None => self.cursor.fault(format!("Escaped character '\\u{text}' is not valid UTF-8.")),
        }
    }
}
