//! A template's text to tokens, with trim markers and comments taken out.
use crate::parse::item::{Item, ItemType, keyword};
use crate::quote;
use crate::unicode::{is_digit, is_letter, is_print};

const LEFT: &[u8] = b"{{";
const RIGHT: &[u8] = b"}}";
const LEFT_COMMENT: &[u8] = b"/*";
const RIGHT_COMMENT: &[u8] = b"*/";
/// The marker and the space beside it.
const TRIM_MARKER_LEN: usize = 2;

/// The scanner. It is asked for one token at a time.
pub struct Lexer<'s> {
    input: &'s [u8],
    pos: usize,
    start: usize,
    at_eof: bool,
    paren_depth: i32,
    line: u32,
    start_line: u32,
    inside_action: bool,
    /// The text of the token of type `Error`.
    pub error: String,
    /// Is `break` a keyword?
    pub break_ok: bool,
    /// Is `continue` a keyword?
    pub continue_ok: bool,
}

/// A scanning step gives a token or goes on with another step.
enum Step {
    Emit(Item),
    Text,
    LeftDelim,
    Comment,
    RightDelim,
    Inside,
}

/// The next character; `None` at the end.
type Rune = Option<u32>;

impl<'s> Lexer<'s> {
    /// Scans a text of at most 4 GiB.
    pub fn new(input: &'s [u8]) -> Lexer<'s> {
        Lexer {
            input,
            pos: 0,
            start: 0,
            at_eof: false,
            paren_depth: 0,
            line: 1,
            start_line: 1,
            inside_action: false,
            error: String::new(),
            break_ok: true,
            continue_ok: true,
        }
    }

    /// The next token.
    pub fn next_item(&mut self) -> Item {
        let mut step = if self.inside_action { Step::Inside } else { Step::Text };
        loop {
            step = match step {
                Step::Emit(item) => return item,
                Step::Text => self.text(),
                Step::LeftDelim => self.left_delim(),
                Step::Comment => self.comment(),
                Step::RightDelim => self.right_delim(),
                Step::Inside => self.inside(),
            }
        }
    }

    fn rest(&self) -> &'s [u8] {
        &self.input[self.pos..]
    }

    fn next(&mut self) -> Rune {
        let Some(&byte) = self.input.get(self.pos) else {
            self.at_eof = true;
            return None;
        };
        if byte.is_ascii() {
            self.pos += 1;
            self.line += u32::from(byte == b'\n');
            return Some(u32::from(byte));
        }
        let (code, size) = quote::decode(self.rest());
        self.pos += size;
        Some(code)
    }

    fn backup(&mut self) {
        if self.at_eof || self.pos == 0 {
            return;
        }
        self.pos -= 1;
        if self.input[self.pos] == b'\n' {
            self.line -= 1;
        }
        if self.input[self.pos].is_ascii() {
            return;
        }
        // The last character begins at most three bytes before; where no start fits, the byte stands alone.
        let end = self.pos + 1;
        let fits = |start: &usize| quote::decode(&self.input[*start..end]).1 == end - start;
        if let Some(start) = (end.saturating_sub(4)..self.pos).find(fits) {
            self.pos = start;
        }
    }

    fn peek(&mut self) -> Rune {
        let rune = self.next();
        self.backup();
        rune
    }

    fn this_item(&mut self, typ: ItemType) -> Item {
        let item = Item { typ, pos: self.start as u32, end: self.pos as u32, line: self.start_line };
        self.start = self.pos;
        self.start_line = self.line;
        item
    }

    fn emit(&mut self, typ: ItemType) -> Step {
        Step::Emit(self.this_item(typ))
    }

    fn count_lines(&mut self) {
        let lines = self.input[self.start..self.pos].iter().filter(|byte| **byte == b'\n').count();
        self.line += lines as u32;
    }

    /// Skips over the pending input; for what was passed without `next`, whose lines it counts.
    fn ignore(&mut self) {
        self.count_lines();
        self.start = self.pos;
        self.start_line = self.line;
    }

    fn accept(&mut self, valid: &[u8]) -> bool {
        match self.next() {
            Some(rune) if rune < 0x80 && valid.contains(&(rune as u8)) => true,
            _ => {
                self.backup();
                false
            }
        }
    }

    fn accept_run(&mut self, valid: &[u8]) {
        while self.accept(valid) {}
    }

    fn fail(&mut self, text: String) -> Step {
        let item = Item { typ: ItemType::Error, pos: self.start as u32, end: self.start as u32, line: self.start_line };
        self.error = text;
        self.start = 0;
        self.pos = 0;
        self.input = &[];
        Step::Emit(item)
    }

    fn text(&mut self) -> Step {
        let Some(at) = find(self.rest(), LEFT) else {
            self.pos = self.input.len();
            if self.pos > self.start {
                self.count_lines();
                return self.emit(ItemType::Text);
            }
            return self.emit(ItemType::Eof);
        };
        if at > 0 {
            self.pos += at;
            let trim = match has_left_trim_marker(&self.input[self.pos + LEFT.len()..]) {
                true => trailing_spaces(&self.input[self.start..self.pos]),
                false => 0,
            };
            self.pos -= trim;
            self.count_lines();
            let item = self.this_item(ItemType::Text);
            self.pos += trim;
            self.ignore();
            if item.end > item.pos {
                return Step::Emit(item);
            }
        }
        Step::LeftDelim
    }

    fn left_delim(&mut self) -> Step {
        self.pos += LEFT.len();
        let marker = if has_left_trim_marker(self.rest()) { TRIM_MARKER_LEN } else { 0 };
        if self.input[self.pos + marker..].starts_with(LEFT_COMMENT) {
            self.pos += marker;
            self.ignore();
            return Step::Comment;
        }
        let item = self.this_item(ItemType::LeftDelim);
        self.inside_action = true;
        self.pos += marker;
        self.ignore();
        self.paren_depth = 0;
        Step::Emit(item)
    }

    fn comment(&mut self) -> Step {
        self.pos += LEFT_COMMENT.len();
        let Some(at) = find(self.rest(), RIGHT_COMMENT) else {
            return self.fail("unclosed comment".to_owned());
        };
        self.pos += at + RIGHT_COMMENT.len();
        let Some(trim) = self.at_right_delim() else {
            return self.fail("comment ends before closing delimiter".to_owned());
        };
        self.count_lines();
        self.this_item(ItemType::Text);
        self.pos += RIGHT.len();
        if trim {
            self.pos += TRIM_MARKER_LEN;
            self.pos += leading_spaces(self.rest());
        }
        self.ignore();
        Step::Text
    }

    /// Is the scan at a closing delimiter, and does that trim?
    fn at_right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        if has_right_trim_marker(rest) && rest[TRIM_MARKER_LEN..].starts_with(RIGHT) {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }

    fn right_delim(&mut self) -> Step {
        let trim = self.at_right_delim() == Some(true);
        if trim {
            self.pos += TRIM_MARKER_LEN;
            self.ignore();
        }
        self.pos += RIGHT.len();
        let item = self.this_item(ItemType::RightDelim);
        if trim {
            self.pos += leading_spaces(self.rest());
            self.ignore();
        }
        self.inside_action = false;
        Step::Emit(item)
    }

    fn inside(&mut self) -> Step {
        if self.at_right_delim().is_some() {
            return if self.paren_depth == 0 { Step::RightDelim } else { self.fail("unclosed left paren".to_owned()) };
        }
        let Some(rune) = self.next() else { return self.fail("unclosed action".to_owned()) };
        match char::from_u32(rune).unwrap_or(char::REPLACEMENT_CHARACTER) {
            ' ' | '\t' | '\r' | '\n' => {
                self.backup();
                self.space()
            }
            '=' => self.emit(ItemType::Assign),
            ':' if self.next() == Some(u32::from('=')) => self.emit(ItemType::Declare),
            ':' => self.fail("expected :=".to_owned()),
            '|' => self.emit(ItemType::Pipe),
            '"' => self.quoted('"', "unterminated quoted string", ItemType::String),
            '`' => self.raw_quoted(),
            '$' if self.at_terminator() => self.emit(ItemType::Variable),
            '$' => self.field_or_variable(ItemType::Variable),
            '\'' => self.quoted('\'', "unterminated character constant", ItemType::CharConstant),
            '.' if self.rest().first().is_some_and(|byte| !byte.is_ascii_digit()) => {
                self.field_or_variable(ItemType::Field)
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.backup();
                self.number()
            }
            c if is_alphanumeric(c) => {
                self.backup();
                self.identifier()
            }
            '(' => {
                self.paren_depth += 1;
                self.emit(ItemType::LeftParen)
            }
            ')' => {
                self.paren_depth -= 1;
                if self.paren_depth < 0 {
                    return self.fail("unexpected right paren".to_owned());
                }
                self.emit(ItemType::RightParen)
            }
            c if c.is_ascii() && is_print(c) => self.emit(ItemType::Char),
            c => self.fail(format!("unrecognized character in action: {}", unicode(c))),
        }
    }

    fn space(&mut self) -> Step {
        let mut spaces = 0;
        while is_space(self.peek()) {
            self.next();
            spaces += 1;
        }
        let tail = &self.input[self.pos - 1..];
        if has_right_trim_marker(tail) && tail[TRIM_MARKER_LEN..].starts_with(RIGHT) {
            self.backup();
            if spaces == 1 {
                return Step::RightDelim;
            }
        }
        self.emit(ItemType::Space)
    }

    /// Absorbs a name; fails where what follows can't follow a name.
    fn name(&mut self) -> Result<(), Step> {
        loop {
            let rune = self.next();
            let c = rune.map(|rune| char::from_u32(rune).unwrap_or(char::REPLACEMENT_CHARACTER));
            if c.is_some_and(is_alphanumeric) {
                continue;
            }
            self.backup();
            if self.at_terminator() {
                return Ok(());
            }
            let shown = c.map_or_else(|| "U+FFFFFFFFFFFFFFFF".to_owned(), unicode);
            return Err(self.fail(format!("bad character {shown}")));
        }
    }

    fn identifier(&mut self) -> Step {
        if let Err(failed) = self.name() {
            return failed;
        }
        let word = &self.input[self.start..self.pos];
        let typ = match keyword(word) {
            Some(ItemType::Break) if !self.break_ok => ItemType::Identifier,
            Some(ItemType::Continue) if !self.continue_ok => ItemType::Identifier,
            Some(typ) => typ,
            None if matches!(word, b"true" | b"false") => ItemType::Bool,
            None => ItemType::Identifier,
        };
        self.emit(typ)
    }

    fn field_or_variable(&mut self, typ: ItemType) -> Step {
        if self.at_terminator() {
            return self.emit(if typ == ItemType::Variable { typ } else { ItemType::Dot });
        }
        match self.name() {
            Ok(()) => self.emit(typ),
            Err(failed) => failed,
        }
    }

    /// Is the scan at what may follow a name?
    fn at_terminator(&mut self) -> bool {
        match self.input.get(self.pos) {
            None => {
                self.at_eof = true;
                true
            }
            Some(b' ' | b'\t' | b'\r' | b'\n' | b'.' | b',' | b'|' | b':' | b')' | b'(') => true,
            Some(_) => self.rest().starts_with(RIGHT),
        }
    }

    /// A string or character constant; the first quote is passed. The parser looks into it.
    fn quoted(&mut self, quote: char, unterminated: &str, typ: ItemType) -> Step {
        let (newline, quote) = (u32::from('\n'), u32::from(quote));
        loop {
            match self.next() {
                None => return self.fail(unterminated.to_owned()),
                Some(rune) if rune == newline => return self.fail(unterminated.to_owned()),
                Some(rune) if rune == quote => return self.emit(typ),
                Some(rune) if rune == u32::from('\\') => {
                    if self.next().is_none_or(|rune| rune == newline) {
                        return self.fail(unterminated.to_owned());
                    }
                }
                Some(_) => {}
            }
        }
    }

    fn raw_quoted(&mut self) -> Step {
        loop {
            match self.next() {
                None => return self.fail("unterminated raw quoted string".to_owned()),
                Some(rune) if rune == u32::from('`') => return self.emit(ItemType::RawString),
                Some(_) => {}
            }
        }
    }

    fn number(&mut self) -> Step {
        if !self.scan_number() {
            return self.bad_number();
        }
        if matches!(self.peek(), Some(0x2b | 0x2d)) {
            if !self.scan_number() || self.input[self.pos - 1] != b'i' {
                return self.bad_number();
            }
            return self.emit(ItemType::Complex);
        }
        self.emit(ItemType::Number)
    }

    fn bad_number(&mut self) -> Step {
        let shown = quote::quote(&self.input[self.start..self.pos]);
        self.fail(format!("bad number syntax: {shown}"))
    }

    fn scan_number(&mut self) -> bool {
        const DECIMAL: &[u8] = b"0123456789_";
        const HEXADECIMAL: &[u8] = b"0123456789abcdefABCDEF_";
        self.accept(b"+-");
        let mut digits = DECIMAL;
        if self.accept(b"0") {
            if self.accept(b"xX") {
                digits = HEXADECIMAL;
            } else if self.accept(b"oO") {
                digits = b"01234567_";
            } else if self.accept(b"bB") {
                digits = b"01_";
            }
        }
        self.accept_run(digits);
        if self.accept(b".") {
            self.accept_run(digits);
        }
        let exponent: &[u8] = match digits.len() {
            11 => b"eE",
            23 => b"pP",
            _ => b"",
        };
        if !exponent.is_empty() && self.accept(exponent) {
            self.accept(b"+-");
            self.accept_run(DECIMAL);
        }
        self.accept(b"i");
        let next = self.peek().map(|rune| char::from_u32(rune).unwrap_or(char::REPLACEMENT_CHARACTER));
        if next.is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }
}

/// `%#U`
fn unicode(c: char) -> String {
    let code = u32::from(c);
    if is_print(c) { format!("U+{code:04X} '{c}'") } else { format!("U+{code:04X}") }
}

fn is_space(rune: Rune) -> bool {
    matches!(rune, Some(0x20 | 0x09 | 0x0d | 0x0a))
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || is_letter(c) || is_digit(c)
}

fn is_space_byte(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn has_left_trim_marker(text: &[u8]) -> bool {
    text.len() >= 2 && text[0] == b'-' && is_space_byte(text[1])
}

fn has_right_trim_marker(text: &[u8]) -> bool {
    text.len() >= 2 && is_space_byte(text[0]) && text[1] == b'-'
}

fn trailing_spaces(text: &[u8]) -> usize {
    text.iter().rev().take_while(|byte| is_space_byte(**byte)).count()
}

fn leading_spaces(text: &[u8]) -> usize {
    text.iter().take_while(|byte| is_space_byte(**byte)).count()
}

fn find(text: &[u8], two: &[u8]) -> Option<usize> {
    text.windows(2).position(|window| window == two)
}
