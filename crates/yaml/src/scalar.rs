//! Scalars of all styles to their text: plain, quoted, literal, folded; borrowed where the text stands as it reads.

use std::borrow::Cow;

use crate::chars::{self, PLAIN_BLOCK, PLAIN_FLOW};
use crate::error::Error;
use crate::scan::Scanner;
use crate::token::{Kind, Mark, Token};

/// A scalar's text while it is read: pieces so far, and where the current piece starts.
struct Text {
    done: Option<String>,
    start: usize,
}

impl Text {
    fn new(start: usize) -> Self {
        Text { done: None, start }
    }

    /// Ends the current piece at `end`; the text so far can then be added to.
    fn cut(&mut self, text: &str, end: usize) -> &mut String {
        let done = self.done.get_or_insert_with(String::new);
        done.push_str(&text[self.start..end]);
        self.start = end;
        done
    }

    fn finish<'a>(mut self, text: &'a str, end: usize) -> Cow<'a, str> {
        if self.done.is_none() {
            return Cow::Borrowed(&text[self.start..end]);
        }
        self.cut(text, end);
        Cow::Owned(self.done.unwrap_or_default())
    }
}

/// Line breaks between two lines of a flow scalar.
#[derive(Default)]
struct Breaks {
    first: Option<&'static str>,
    later: String,
}

impl Breaks {
    /// A line break of width one reads as a space, more of them as all but the first; LS and PS stay.
    fn fold(&mut self, into: &mut String) {
        match self.first.take() {
            Some("\n") if self.later.is_empty() => into.push(' '),
            Some("\n") | None => into.push_str(&self.later),
            Some(kept) => {
                into.push_str(kept);
                into.push_str(&self.later);
            }
        }
        self.later.clear();
    }
}

impl<'a> Scanner<'a> {
    /// A plain scalar at the position.
    pub(crate) fn scan_plain(&mut self) -> Result<Token<'a>, Error> {
        let mark = self.mark();
        let (flow, indent) = (self.flow_level > 0, self.indent + 1);
        let mut text = Text::new(self.pos);
        let mut breaks = Breaks::default();
        let mut folding = false;
        let mut end = self.pos;
        loop {
            if (self.pos == self.line_start && self.is_document_indicator()) || self.byte(0) == b'#' {
                break;
            }
            let word = self.pos;
            self.skip_word(flow);
            if self.pos > word {
                if folding {
                    breaks.fold(text.cut(self.text, end));
                    text.start = word;
                    folding = false;
                }
                end = self.pos;
            }
            if !self.skip_plain_blanks(&mut folding, &mut breaks, indent)? || (!flow && self.column() < indent) {
                break;
            }
        }
        if folding {
            self.simple_key_allowed = true;
        }
        let value = text.finish(self.text, end);
        self.scalar(Kind::Plain, mark, value)
    }

    /// Passes the characters of a plain scalar up to a blank, a line break or an indicator that ends it.
    #[inline]
    fn skip_word(&mut self, flow: bool) {
        let class = if flow { PLAIN_FLOW } else { PLAIN_BLOCK };
        loop {
            while self.pos < self.bytes.len() && !chars::is(self.bytes[self.pos], class) {
                self.pos += 1;
            }
            let goes_on = match self.byte(0) {
                b':' => !chars::is_blankz(self.bytes, self.pos + 1),
                0xC2 | 0xE2 => chars::break_len(self.bytes, self.pos) == 0,
                _ => false,
            };
            if !goes_on {
                return;
            }
            self.pos += 1;
        }
    }

    /// Passes blanks and line breaks inside a plain scalar; false when there were none.
    #[inline]
    fn skip_plain_blanks(&mut self, folding: &mut bool, breaks: &mut Breaks, indent: isize) -> Result<bool, Error> {
        let start = self.pos;
        loop {
            match self.byte(0) {
                b'\t' if *folding && self.column() < indent => {
                    return Err(self.error("found a tab character that violates indentation"));
                }
                b' ' | b'\t' => self.pos += 1,
                byte if chars::is(byte, chars::BREAK) && chars::break_len(self.bytes, self.pos) > 0 => {
                    self.note_break(folding, breaks);
                }
                _ => return Ok(self.pos > start),
            }
        }
    }

    fn note_break(&mut self, folding: &mut bool, breaks: &mut Breaks) {
        let found = match self.take_break() {
            "\u{2028}" => "\u{2028}",
            "\u{2029}" => "\u{2029}",
            _ => "\n",
        };
        if *folding {
            breaks.later.push_str(found);
        } else {
            breaks.first = Some(found);
            *folding = true;
        }
    }

    /// A single-quoted scalar at the position.
    pub(crate) fn scan_single_quoted(&mut self) -> Result<Token<'a>, Error> {
        self.scan_quoted(b'\'')
    }

    /// A double-quoted scalar at the position.
    pub(crate) fn scan_double_quoted(&mut self) -> Result<Token<'a>, Error> {
        self.scan_quoted(b'"')
    }

    fn scan_quoted(&mut self, quote: u8) -> Result<Token<'a>, Error> {
        let mark = self.mark();
        self.pos += 1;
        let mut text = Text::new(self.pos);
        let mut breaks = Breaks::default();
        loop {
            if self.pos == self.line_start && self.is_document_indicator() {
                return Err(self.error_at(mark, "found unexpected document indicator"));
            }
            let byte = self.byte(0);
            if byte == quote {
                if quote == b'\'' && self.byte(1) == b'\'' {
                    self.pos += 1;
                    text.cut(self.text, self.pos);
                    self.pos += 1;
                    text.start = self.pos;
                    continue;
                }
                break;
            }
            match byte {
                b'\\' if quote == b'"' => self.scan_escape(mark, &mut text, &mut breaks)?,
                0 => return Err(self.error_at(mark, self.unclosed())),
                _ if chars::is(byte, chars::BREAK) && chars::break_len(self.bytes, self.pos) > 0 => {
                    let kept = self.text[text.start..self.pos].trim_end_matches([' ', '\t']).len();
                    let kept = text.start + kept;
                    self.fold_lines(kept, false, &mut text, &mut breaks);
                }
                _ => self.skip_quoted(quote),
            }
        }
        let value = text.finish(self.text, self.pos);
        self.pos += 1;
        self.scalar(Kind::Quoted, mark, value)
    }

    fn unclosed(&self) -> &'static str {
        if self.more { "found unexpected document indicator" } else { "found unexpected end of stream" }
    }

    /// Passes what needs no look inside a quoted scalar, at least one byte.
    #[inline]
    fn skip_quoted(&mut self, quote: u8) {
        let rest = &self.bytes[self.pos + 1..];
        let len = rest.iter().position(|b| *b == quote || *b == b'\\' || chars::is(*b, chars::BREAK));
        self.pos += 1 + len.unwrap_or(rest.len());
    }

    /// Passes line breaks and the blanks around them; `kept` is where the text before them ends.
    fn fold_lines(&mut self, kept: usize, escaped: bool, text: &mut Text, breaks: &mut Breaks) {
        let mut folding = escaped;
        loop {
            match self.byte(0) {
                b' ' | b'\t' => self.pos += 1,
                byte if chars::is(byte, chars::BREAK) && chars::break_len(self.bytes, self.pos) > 0 => {
                    self.note_break(&mut folding, breaks);
                }
                _ => break,
            }
        }
        breaks.fold(text.cut(self.text, kept));
        text.start = self.pos;
    }

    fn scan_escape(&mut self, mark: Mark, text: &mut Text, breaks: &mut Breaks) -> Result<(), Error> {
        let start = self.pos;
        if chars::break_len(self.bytes, self.pos + 1) > 0 {
            self.pos += 1;
            self.skip_break();
            self.fold_lines(start, true, text, breaks);
            return Ok(());
        }
        let (short, digits) = match self.byte(1) {
            b'0' => ("\0", 0),
            b'a' => ("\x07", 0),
            b'b' => ("\x08", 0),
            b't' | b'\t' => ("\t", 0),
            b'n' => ("\n", 0),
            b'v' => ("\x0B", 0),
            b'f' => ("\x0C", 0),
            b'r' => ("\r", 0),
            b'e' => ("\x1B", 0),
            b' ' => (" ", 0),
            b'"' => ("\"", 0),
            b'\'' => ("'", 0),
            b'\\' => ("\\", 0),
            b'N' => ("\u{85}", 0),
            b'_' => ("\u{A0}", 0),
            b'L' => ("\u{2028}", 0),
            b'P' => ("\u{2029}", 0),
            b'x' => ("", 2),
            b'u' => ("", 4),
            b'U' => ("", 8),
            _ => return Err(self.error("found unknown escape character")),
        };
        let done = text.cut(self.text, start);
        done.push_str(short);
        self.pos += 2;
        if digits > 0 {
            let c = self.scan_code(digits).map_err(|words| self.error_at(mark, words))?;
            done.push(c);
        }
        text.start = self.pos;
        Ok(())
    }

    /// The character that `digits` hexadecimal digits name. A surrogate names none, so JSON's pairs are refused, as Go does.
    fn scan_code(&mut self, digits: usize) -> Result<char, &'static str> {
        let code =
            (0..digits).try_fold(0u32, |code, i| (self.byte(i) as char).to_digit(16).map(|digit| (code << 4) | digit));
        let code = code.ok_or("did not find expected hexdecimal number")?;
        self.pos += digits;
        char::from_u32(code).ok_or("found invalid Unicode character escape code")
    }

    /// A `|` or `>` scalar at the position.
    pub(crate) fn scan_block_scalar(&mut self, literal: bool) -> Result<Token<'a>, Error> {
        let mark = self.mark();
        self.pos += 1;
        let (chomping, increment) = self.scan_block_header()?;
        let mut indent = match increment {
            0 => None,
            more => Some(self.indent.max(0) + more),
        };
        let mut out = String::new();
        let mut trailing = String::new();
        let mut leading = "";
        let mut leading_blank = false;
        self.scan_block_breaks(&mut indent, &mut trailing)?;
        let indent = indent.unwrap_or(1);
        while self.column() == indent && self.pos < self.bytes.len() {
            let blank = matches!(self.byte(0), b' ' | b'\t');
            if !literal && leading == "\n" && !leading_blank && !blank {
                if trailing.is_empty() {
                    out.push(' ');
                }
            } else {
                out.push_str(leading);
            }
            out.push_str(&trailing);
            trailing.clear();
            leading_blank = blank;
            let start = self.pos;
            self.skip_line_rest();
            out.push_str(&self.text[start..self.pos]);
            leading = if self.pos < self.bytes.len() { self.take_break() } else { "" };
            self.scan_block_breaks(&mut Some(indent), &mut trailing)?;
            if out.len() > self.scalar_bytes {
                break;
            }
        }
        if chomping != b'-' {
            out.push_str(leading);
        }
        if chomping == b'+' {
            out.push_str(&trailing);
        }
        self.scalar(Kind::Quoted, mark, Cow::Owned(out))
    }

    /// The rest of a block scalar's first line: chomping (`-`, `+`, 0) and indentation (1 to 9, 0 when not given).
    fn scan_block_header(&mut self) -> Result<(u8, isize), Error> {
        let (mut chomping, mut increment) = (0, 0);
        for _ in 0..2 {
            match self.byte(0) {
                sign @ (b'+' | b'-') if chomping == 0 => chomping = sign,
                b'0' if increment == 0 => return Err(self.error("found an indentation indicator equal to 0")),
                digit @ b'1'..=b'9' if increment == 0 => increment = isize::from(digit - b'0'),
                _ => break,
            }
            self.pos += 1;
        }
        while matches!(self.byte(0), b' ' | b'\t') {
            self.pos += 1;
        }
        if self.byte(0) == b'#' {
            self.skip_line_rest();
        }
        if self.pos < self.bytes.len() && self.skip_break() == 0 {
            return Err(self.error("did not find expected comment or line break"));
        }
        Ok((chomping, increment))
    }

    /// Passes indentation and empty lines; finds the indentation where it is not known yet.
    fn scan_block_breaks(&mut self, indent: &mut Option<isize>, breaks: &mut String) -> Result<(), Error> {
        let mut widest = 0;
        loop {
            while self.byte(0) == b' ' && indent.is_none_or(|indent| self.column() < indent) {
                self.pos += 1;
            }
            widest = widest.max(self.column());
            if self.byte(0) == b'\t' && indent.is_none_or(|indent| self.column() < indent) {
                return Err(self.error("found a tab character where an indentation space is expected"));
            }
            if chars::break_len(self.bytes, self.pos) == 0 {
                break;
            }
            breaks.push_str(self.take_break());
        }
        if indent.is_none() {
            *indent = Some(widest.max(self.indent + 1).max(1));
        }
        Ok(())
    }
}
