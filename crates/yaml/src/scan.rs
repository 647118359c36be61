//! Characters to tokens: indentation, simple keys, comments and indicators, as libyaml's scanner does.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::chars::{self, INDICATOR};
use crate::error::{Error, Fault};
use crate::input::{self, Text};
use crate::limits::Limits;
use crate::token::{Kind, Mark, NO_LEVEL, Token};

/// A key without `?` is at most this many characters away from its `:`.
const SIMPLE_KEY_CHARS: usize = 1024;

/// A place where a key without `?` may have started.
#[derive(Debug, Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    /// It stands where the block mapping goes on, so it must be a key.
    required: bool,
    /// Whether Go's scanner does not wait for its `:` any more; one that comes makes it a key all the same.
    forgotten: bool,
    token: usize,
    mark: Mark,
    column: isize,
}

/// Turns one piece of a stream into tokens.
pub struct Scanner<'a> {
    pub(crate) text: &'a str,
    pub(crate) bytes: &'a [u8],
    pub(crate) plain_breaks: bool,
    /// Whether another document follows the piece.
    pub(crate) more: bool,
    pub(crate) scalar_bytes: usize,
    depth: usize,
    /// Line number, from 0, of the piece's first line in the stream.
    pub(crate) first_line: usize,
    pub(crate) pos: usize,
    pub(crate) line: usize,
    pub(crate) line_start: usize,
    pub(crate) indent: isize,
    indents: Vec<isize>,
    pub(crate) flow_level: usize,
    pub(crate) simple_key_allowed: bool,
    simple_keys: Vec<SimpleKey>,
    tokens: VecDeque<Token<'a>>,
    tokens_taken: usize,
    ended: bool,
}

impl<'a> Scanner<'a> {
    /// A scanner of `text`, whose first line is `first_line` (from 0) of the stream.
    pub fn new(text: Text<'a>, first_line: usize, more: bool, limits: &Limits) -> Self {
        Scanner {
            text: text.text,
            bytes: text.text.as_bytes(),
            plain_breaks: text.plain_breaks,
            more,
            scalar_bytes: limits.scalar_bytes,
            depth: limits.depth,
            first_line,
            pos: 0,
            line: 0,
            line_start: 0,
            indent: -1,
            indents: Vec::new(),
            flow_level: 0,
            simple_key_allowed: true,
            simple_keys: vec![SimpleKey::default()],
            tokens: VecDeque::with_capacity(16),
            tokens_taken: 0,
            ended: false,
        }
    }

    /// Kind of the next token, which stays.
    #[inline]
    pub fn peek(&mut self) -> Result<Kind, Error> {
        loop {
            if let Some(head) = self.tokens.front() {
                let (kind, level) = (head.kind, head.level);
                // The head waits while a `:` may still turn it into a key.
                if level == NO_LEVEL || !self.may_become_key(level)? {
                    return Ok(kind);
                }
            }
            if self.ended && self.tokens.is_empty() {
                return Ok(Kind::StreamEnd);
            }
            self.fetch()?;
        }
    }

    /// The next token; `peek` must have been called. After the end it is the end again.
    #[inline]
    pub fn take(&mut self) -> Token<'a> {
        self.tokens_taken += 1;
        self.tokens.pop_front().unwrap_or_else(|| Token::bare(Kind::StreamEnd, self.mark()))
    }

    /// Where the next token starts; `peek` must have been called.
    pub fn next_mark(&self) -> Mark {
        self.tokens.front().map_or_else(|| self.mark(), |token| token.mark)
    }

    fn may_become_key(&mut self, level: u32) -> Result<bool, Error> {
        let taken = self.tokens_taken;
        match self.simple_keys.get(level as usize) {
            Some(key) if key.possible && !key.forgotten && key.token == taken => self.is_key_fresh(level as usize),
            _ => Ok(false),
        }
    }

    /// Whether the saved key at `level` can still be one; a required key that cannot is an error.
    fn is_key_fresh(&mut self, level: usize) -> Result<bool, Error> {
        let key = self.simple_keys[level];
        if !key.possible {
            return Ok(false);
        }
        if key.mark.line < self.line || self.ended || self.is_far(key.mark.at) {
            if key.required {
                return Err(self.lost_key(key.mark));
            }
            self.simple_keys[level].possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn is_far(&self, at: usize) -> bool {
        let bytes = self.pos - at;
        bytes > SIMPLE_KEY_CHARS
            && (bytes > 4 * SIMPLE_KEY_CHARS || self.text[at..self.pos].chars().count() > SIMPLE_KEY_CHARS)
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { at: self.pos, line: self.line }
    }

    #[inline]
    pub(crate) fn column(&self) -> isize {
        (self.pos - self.line_start) as isize
    }

    /// The byte `ahead` of the position, 0 past the end. (No 0 stands in a checked text.)
    #[inline]
    pub(crate) fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.pos + ahead).copied().unwrap_or(0)
    }

    pub(crate) fn error(&self, words: &'static str) -> Error {
        self.error_at(self.mark(), words)
    }

    pub(crate) fn error_at(&self, mark: Mark, words: &'static str) -> Error {
        // Go names the line the scanner stands in, unless it is the first.
        let here = self.first_line + self.line;
        Error { go_line: (here > 0).then_some(here + 1), ..self.fault_at(mark, Fault::Syntax(words)) }
    }

    /// A key that was due at `mark` has no `:`.
    fn lost_key(&self, mark: Mark) -> Error {
        let mut error = self.error_at(mark, "could not find expected ':'");
        // At the end libyaml stands in a line of its own.
        if self.ended && self.pos > self.line_start {
            error.go_line = Some(self.first_line + self.line + 2);
        }
        error
    }

    /// A fault of the grammar, for which Go names the line before.
    pub(crate) fn grammar_error_at(&self, mark: Mark, words: &'static str) -> Error {
        let before = self.first_line + mark.line + usize::from(self.is_end_mark(mark));
        Error { go_line: (before > 0).then_some(before), ..self.fault_at(mark, Fault::Syntax(words)) }
    }

    /// Whether libyaml would put the mark at the start of a line after the last, which has no line break.
    fn is_end_mark(&self, mark: Mark) -> bool {
        mark.at >= self.bytes.len() && mark.at > self.line_start
    }

    pub(crate) fn fault_at(&self, mark: Mark, fault: Fault) -> Error {
        let column = input::column_of(&self.text[..mark.at]);
        Error { line: self.first_line + mark.line + 1, column, fault, go_line: None }
    }

    fn limit_depth(&self) -> Error {
        self.fault_at(self.mark(), Fault::Limit { name: "depth", limit: self.depth })
    }

    fn push(&mut self, kind: Kind, mark: Mark) {
        self.tokens.push_back(Token::bare(kind, mark));
    }

    /// Puts a token before the one of a number, or behind all where that was taken.
    fn insert(&mut self, number: usize, token: Token<'a>) {
        match number.checked_sub(self.tokens_taken) {
            Some(at) => self.tokens.insert(at, token),
            None => self.tokens.push_back(token),
        }
    }

    fn next_number(&self) -> usize {
        self.tokens_taken + self.tokens.len()
    }

    /// Adds at least one token to the queue.
    fn fetch(&mut self) -> Result<(), Error> {
        self.skip_to_token();
        self.unroll_indent(self.column());
        if self.pos >= self.bytes.len() {
            return self.fetch_end();
        }
        let byte = self.byte(0);
        if self.pos == self.line_start {
            if byte == b'%' {
                return self.fetch_directive();
            }
            if self.is_document_indicator() {
                return self.fetch_document_indicator(byte);
            }
        }
        if !chars::is(byte, INDICATOR) {
            // Tabs stay only where a key may start.
            if byte == b'\t' {
                return Err(self.error("found character that cannot start any token"));
            }
            return self.fetch_scalar(Self::scan_plain);
        }
        match byte {
            b'"' => self.fetch_scalar(Self::scan_double_quoted),
            b'\'' => self.fetch_scalar(Self::scan_single_quoted),
            b'-' if chars::is_blankz(self.bytes, self.pos + 1) => self.fetch_block_entry(),
            b'[' => self.fetch_flow_start(Kind::FlowSequenceStart),
            b'{' => self.fetch_flow_start(Kind::FlowMappingStart),
            b']' => self.fetch_flow_end(Kind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(Kind::FlowMappingEnd),
            b',' => self.fetch_flow_entry(),
            b'?' if self.flow_level > 0 || chars::is_blankz(self.bytes, self.pos + 1) => self.fetch_key(),
            b':' if self.flow_level > 0 || chars::is_blankz(self.bytes, self.pos + 1) => self.fetch_value(),
            b'|' | b'>' if self.flow_level == 0 => self.fetch_block_scalar(byte == b'|'),
            b'*' => self.fetch_scalar(|scanner| scanner.scan_anchor(Kind::Alias)),
            b'&' => self.fetch_scalar(|scanner| scanner.scan_anchor(Kind::Anchor)),
            b'!' => self.fetch_scalar(Self::scan_tag),
            b'-' | b'?' | b':' => self.fetch_scalar(Self::scan_plain),
            _ => Err(self.error("found character that cannot start any token")),
        }
    }

    /// Skips blanks, comments and line breaks.
    fn skip_to_token(&mut self) {
        loop {
            if self.pos == 0 && self.first_line == 0 && self.text.starts_with('\u{FEFF}') {
                // A second byte order mark has no width; any other is a character like those of words.
                self.pos += 3;
                self.line_start = self.pos;
            }
            let tabs = self.flow_level > 0 || !self.simple_key_allowed;
            while self.byte(0) == b' ' || (tabs && self.byte(0) == b'\t') {
                self.pos += 1;
            }
            if self.byte(0) == b'#' {
                self.skip_line_rest();
            }
            if self.skip_break() == 0 {
                return;
            }
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    /// Moves to the end of the line.
    pub(crate) fn skip_line_rest(&mut self) {
        self.pos = self.line_end(self.pos);
    }

    /// The next line break, or the end, from `at` on.
    pub(crate) fn line_end(&self, at: usize) -> usize {
        if self.plain_breaks {
            return memchr::memchr(b'\n', &self.bytes[at..]).map_or(self.bytes.len(), |found| at + found);
        }
        let mut end = at;
        while end < self.bytes.len()
            && !(chars::is(self.bytes[end], chars::BREAK) && chars::break_len(self.bytes, end) > 0)
        {
            end += 1;
        }
        end
    }

    /// Passes the line break at the position; returns its length.
    #[inline]
    pub(crate) fn skip_break(&mut self) -> usize {
        let len = chars::break_len(self.bytes, self.pos);
        if len > 0 {
            self.pos += len;
            self.line += 1;
            self.line_start = self.pos;
        }
        len
    }

    /// Passes the line break at the position; returns what it reads as: LF, or LS and PS themselves.
    pub(crate) fn take_break(&mut self) -> &'a str {
        let start = self.pos;
        if self.skip_break() == 3 { &self.text[start..self.pos] } else { "\n" }
    }

    /// Whether `---` or `...` stands at the position.
    pub(crate) fn is_document_indicator(&self) -> bool {
        let rest = &self.bytes[self.pos..];
        (rest.starts_with(b"---") || rest.starts_with(b"...")) && chars::is_blankz(self.bytes, self.pos + 3)
    }

    fn save_simple_key(&mut self) -> Result<u32, Error> {
        let column = self.column();
        let required = self.flow_level == 0 && self.indent == column;
        if !self.simple_key_allowed {
            return Ok(NO_LEVEL);
        }
        self.remove_simple_key()?;
        let (token, mark) = (self.next_number(), self.mark());
        let key = SimpleKey { possible: true, required, forgotten: false, token, mark, column };
        let last = self.simple_keys.len() - 1;
        self.simple_keys[last] = key;
        Ok(last as u32)
    }

    fn remove_simple_key(&mut self) -> Result<(), Error> {
        let last = self.simple_keys.len() - 1;
        let key = self.simple_keys[last];
        if key.possible && key.required {
            return Err(self.lost_key(key.mark));
        }
        self.simple_keys[last].possible = false;
        Ok(())
    }

    /// Opens a block collection when `column` is deeper than the indentation; `number` is the token it goes before.
    fn roll_indent(&mut self, column: isize, number: Option<usize>, kind: Kind, mark: Mark) -> Result<(), Error> {
        if self.flow_level > 0 || self.indent >= column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column;
        if self.indents.len() > self.depth {
            return Err(self.limit_depth());
        }
        let token = Token::bare(kind, mark);
        match number {
            Some(number) => self.insert(number, token),
            None => self.tokens.push_back(token),
        }
        Ok(())
    }

    /// Closes the block collections that are deeper than `column`.
    fn unroll_indent(&mut self, column: isize) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            self.push(Kind::BlockEnd, self.mark());
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn fetch_end(&mut self) -> Result<(), Error> {
        self.ended = true;
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.push(Kind::StreamEnd, self.mark());
        Ok(())
    }

    fn fetch_directive(&mut self) -> Result<(), Error> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let token = self.scan_directive()?;
        self.tokens.push_back(token);
        Ok(())
    }

    fn fetch_document_indicator(&mut self, byte: u8) -> Result<(), Error> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.push(if byte == b'-' { Kind::DocumentStart } else { Kind::DocumentEnd }, self.mark());
        self.pos += 3;
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: Kind) -> Result<(), Error> {
        let level = self.save_simple_key()?;
        self.simple_keys.push(SimpleKey { token: self.next_number(), ..SimpleKey::default() });
        self.flow_level += 1;
        if self.flow_level + self.indents.len() > self.depth {
            return Err(self.limit_depth());
        }
        self.simple_key_allowed = true;
        self.push(kind, self.mark());
        if let Some(token) = self.tokens.back_mut() {
            token.level = level;
        }
        self.pos += 1;
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: Kind) -> Result<(), Error> {
        self.remove_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            let inner = self.simple_keys.pop();
            // Nothing in it could be a key: then what Go's scanner knows under its number is what opened it.
            if let (Some(inner), Some(outer)) = (inner, self.simple_keys.last_mut()) {
                outer.forgotten |= outer.token == inner.token;
            }
        }
        self.simple_key_allowed = false;
        self.push(kind, self.mark());
        self.pos += 1;
        Ok(())
    }

    fn fetch_flow_entry(&mut self) -> Result<(), Error> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push(Kind::FlowEntry, self.mark());
        self.pos += 1;
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<(), Error> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.error("block sequence entries are not allowed in this context"));
            }
            self.roll_indent(self.column(), None, Kind::BlockSequenceStart, self.mark())?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push(Kind::BlockEntry, self.mark());
        self.pos += 1;
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), Error> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.error("mapping keys are not allowed in this context"));
            }
            self.roll_indent(self.column(), None, Kind::BlockMappingStart, self.mark())?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.push(Kind::Key, self.mark());
        self.pos += 1;
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), Error> {
        let last = self.simple_keys.len() - 1;
        if self.is_key_fresh(last)? {
            let key = self.simple_keys[last];
            self.insert(key.token, Token::bare(Kind::Key, key.mark));
            self.roll_indent(key.column, Some(key.token), Kind::BlockMappingStart, key.mark)?;
            self.simple_keys[last].possible = false;
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    return Err(self.error("mapping values are not allowed in this context"));
                }
                self.roll_indent(self.column(), None, Kind::BlockMappingStart, self.mark())?;
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.push(Kind::Value, self.mark());
        self.pos += 1;
        Ok(())
    }

    /// Fetches a token that may be a simple key and that no other key may follow.
    #[inline]
    fn fetch_scalar(&mut self, scan: impl Fn(&mut Self) -> Result<Token<'a>, Error>) -> Result<(), Error> {
        let level = self.save_simple_key()?;
        self.simple_key_allowed = false;
        let mut token = scan(self)?;
        token.level = level;
        self.tokens.push_back(token);
        Ok(())
    }

    fn fetch_block_scalar(&mut self, literal: bool) -> Result<(), Error> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        let token = self.scan_block_scalar(literal)?;
        self.tokens.push_back(token);
        Ok(())
    }

    /// A scalar token, within the bound of one scalar.
    pub(crate) fn scalar(&self, kind: Kind, mark: Mark, value: Cow<'a, str>) -> Result<Token<'a>, Error> {
        if value.len() > self.scalar_bytes {
            return Err(self.fault_at(mark, Fault::Limit { name: "scalar_bytes", limit: self.scalar_bytes }));
        }
        Ok(Token { kind, level: NO_LEVEL, mark, value, tag: None })
    }
}
