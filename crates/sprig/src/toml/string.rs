//! The four kinds of TOML strings to their text.

use masthead_gotmpl::quote::quote;

use super::parse::Parser;
use super::read::{Fault, is_break};
use crate::golang::runes;

const NO_BREAKS: &str = "strings cannot contain newlines";

impl Parser<'_> {
    /// A basic string behind its quote.
    pub(super) fn string(&mut self) -> Result<Vec<u8>, Fault> {
        let mut text = Escaped { start: self.cursor.at, out: Vec::new(), fault: None };
        loop {
            match self.cursor.next()? {
                None => return self.cursor.fault("unexpected EOF; expected '\"'"),
                Some('"') => return self.whole(text),
                Some('\\') => self.escape(&mut text)?,
                Some('\r') => return Err(Fault { line: self.cursor.line - 1, message: NO_BREAKS.into() }),
                Some('\n') => return self.cursor.fault_before(NO_BREAKS),
                Some(c) => runes::push(&mut text.out, c),
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
        let mut text = Escaped { start: self.cursor.at, out: Vec::new(), fault: None };
        self.first_break()?;
        loop {
            match self.cursor.next()? {
                None => return self.cursor.fault("unexpected EOF; expected '\"\"\"'"),
                Some('"') => {
                    if self.quotes('"', &mut text.out)? {
                        return self.whole(text);
                    }
                }
                Some('\\') => {
                    let before = (self.cursor.at, self.cursor.line);
                    self.cursor.skip(|c| c == ' ' || c == '\t')?;
                    if self.cursor.peek()?.is_some_and(is_break) {
                        self.cursor.skip(|c| matches!(c, ' ' | '\t' | '\r' | '\n'))?;
                    } else {
                        (self.cursor.at, self.cursor.line) = before;
                        self.escape(&mut text)?;
                    }
                }
                Some(c) => runes::push(&mut text.out, c),
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

    /// A string at its end.
    fn whole(&self, text: Escaped) -> Result<Vec<u8>, Fault> {
        text.fault.map_or(Ok(text.out), |message| self.cursor.fault(message))
    }

    fn escape(&mut self, text: &mut Escaped) -> Result<(), Fault> {
        let c = match self.cursor.next()? {
            Some('e') => '\x1b',
            Some('b') => '\x08',
            Some('t') => '\t',
            Some('n') => '\n',
            Some('f') => '\x0c',
            Some('r') => '\r',
            Some('"') => '"',
            Some('\\') => '\\',
            Some('x') => return self.code_point(text, 2, "two", 'x'),
            Some('u') => return self.code_point(text, 4, "four", 'u'),
            Some('U') => return self.code_point(text, 8, "eight", 'U'),
            Some(c @ (' ' | '\t')) => return self.cursor.fault(format!("invalid escape: '\\{c}'")),
            other => {
                let message = format!("invalid escape in string '\\{}'", other.unwrap_or('\0'));
                return self.cursor.fault_after(other, message);
            }
        };
        runes::push(&mut text.out, c);
        Ok(())
    }

    fn code_point(&mut self, text: &mut Escaped, digits: usize, count: &str, letter: char) -> Result<(), Fault> {
        let first = self.cursor.at;
        for _ in 0..digits {
            let next = self.cursor.next()?;
            if !next.is_some_and(|c| c.is_ascii_hexdigit()) {
                let got = quote(self.cursor.since(text.start));
                let message = format!("expected {count} hexadecimal digits after '\\{letter}', but got {got} instead");
                return self.cursor.fault_after(next, message);
            }
        }
        let code = String::from_utf8_lossy(self.cursor.since(first)).into_owned();
        match u32::from_str_radix(&code, 16).ok().and_then(char::from_u32) {
            Some(c) => runes::push(&mut text.out, c),
            None => {
                text.fault.get_or_insert_with(|| format!("Escaped character '\\u{code}' is not valid UTF-8."));
            }
        }
        Ok(())
    }
}

/// A string with escapes while it is read.
struct Escaped {
    /// Where it begins.
    start: usize,
    out: Vec<u8>,
    /// An escape that is no character; the library tells it at the string's end.
    fault: Option<String>,
}
