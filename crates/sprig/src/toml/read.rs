//! The characters of a TOML file, with the place and the words of each fault.

use crate::golang::runes;

/// A fault: the line it is on, from 1, and what it is.
#[derive(Debug)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// In the library's words.
    pub message: String,
}

/// A place in the text.
pub struct Cursor<'t> {
    text: &'t [u8],
    /// In bytes.
    pub at: usize,
    /// From 1.
    pub line: usize,
}

impl<'t> Cursor<'t> {
    /// The start of a text.
    pub fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// The text from a place to here.
    pub fn since(&self, start: usize) -> &'t [u8] {
        &self.text[start..self.at]
    }

    /// The next character without taking it; none at the end. What is no UTF-8 and control characters are faults.
    pub fn peek(&self) -> Result<Option<char>, Fault> {
        let rest = &self.text[self.at..];
        let (c, width) = runes::decode(rest);
        let line = self.line + usize::from(c == '\n');
        if width == 0 {
            return Ok(None);
        }
        if c == char::REPLACEMENT_CHARACTER && width == 1 {
            return Err(Fault { line, message: format!("invalid UTF-8 byte: 0x{:02x}", rest[0]) });
        }
        let control = c < ' ' && !matches!(c, '\t' | '\r' | '\n') || c == '\x7f';
        if control || c == '\r' && rest.get(1) != Some(&b'\n') {
            let message = format!("TOML files cannot contain control characters: '0x{:02x}'", c as u32);
            return Err(Fault { line, message });
        }
        Ok(Some(c))
    }

    /// Takes the next character.
    pub fn next(&mut self) -> Result<Option<char>, Fault> {
        let found = self.peek()?;
        if let Some(c) = found {
            self.at += c.len_utf8();
            self.line += usize::from(c == '\n');
        }
        Ok(found)
    }

    /// Takes the next character if it is this one.
    pub fn accept(&mut self, wanted: char) -> Result<bool, Fault> {
        let hit = self.peek()? == Some(wanted);
        if hit {
            self.next()?;
        }
        Ok(hit)
    }

    /// Takes characters of a kind.
    pub fn skip(&mut self, kind: impl Fn(char) -> bool) -> Result<(), Fault> {
        while self.peek()?.is_some_and(&kind) {
            self.next()?;
        }
        Ok(())
    }

    /// A fault at the place reached; at the end of a file that ends with a line break, on the last line with text.
    pub fn fault<T>(&self, message: impl Into<String>) -> Result<T, Fault> {
        let end = self.at >= self.text.len();
        let back = usize::from(end && self.at > 0 && self.text[self.at - 1] == b'\n');
        Err(Fault { line: self.line - back, message: message.into() })
    }

    /// A fault about a character that was just taken, or about the end: at a line break, on the line behind it.
    pub fn fault_after<T>(&self, taken: Option<char>, message: impl Into<String>) -> Result<T, Fault> {
        match taken {
            Some(_) => Err(Fault { line: self.line, message: message.into() }),
            None => self.fault(message),
        }
    }

    /// A fault about a line break that was just taken: on the line that it ends.
    pub fn fault_before<T>(&self, message: impl Into<String>) -> Result<T, Fault> {
        Err(Fault { line: self.line.saturating_sub(1), message: message.into() })
    }
}

/// A character between quotes as `%q` writes it; the end of the file is a zero.
pub fn quoted(c: Option<char>) -> String {
    let c = c.unwrap_or('\0');
    if c == '\'' {
        return r"'\''".to_owned();
    }
    if c == '"' {
        return "'\"'".to_owned();
    }
    let text = masthead_gotmpl::quote::quote(c.encode_utf8(&mut [0; 4]).as_bytes());
    format!("'{}'", &text[1..text.len() - 1])
}

/// Spaces and tabs.
pub fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// Characters of line breaks.
pub fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r')
}
