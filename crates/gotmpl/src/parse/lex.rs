//! A template's text to tokens, with trim markers and comments taken out.
use crate::parse::common::{NAME, SPACE, common, is, run};
use crate::parse::item::{Item, ItemType, keyword};
use crate::quote;
use crate::unicode::{is_digit, is_letter, is_print};

const LEFT: &[u8] = b"{{";
const RIGHT: &[u8] = b"}}";
const LEFT_COMMENT: &[u8] = b"/*";
const RIGHT_COMMENT: &[u8] = b"*/";
/// The marker and the space beside it.
const TRIM_MARKER_LEN: usize = 2;

/// The scanner. It is asked for the tokens up to the end of an action.
pub struct Lexer<'s> {
    input: &'s [u8],
    pos: usize,
    start: usize,
    /// Where the space before `start` begins.
    gap: usize,
    paren_depth: i32,
    inside_action: bool,
    /// A token of type `Error` was given: nothing but the end follows.
    failed: bool,
    /// The text of the token of type `Error`.
    pub error: String,
    /// Is `break` a keyword?
    pub break_ok: bool,
    /// Is `continue` a keyword?
    pub continue_ok: bool,
}

impl<'s> Lexer<'s> {
    /// Scans a text of at most 4 GiB.
    pub fn new(input: &'s [u8]) -> Lexer<'s> {
        Lexer {
            input,
            pos: 0,
            start: 0,
            gap: 0,
            paren_depth: 0,
            inside_action: false,
            failed: false,
            error: String::new(),
            break_ok: true,
            continue_ok: true,
        }
    }

    /// Puts the tokens up to the end of the next action in the place of those that were read: at least one. After one of
    /// type `Error` or `Eof` none follows.
    pub fn fill(&mut self, items: &mut Vec<Item>) {
        items.clear();
        match (self.failed, self.inside_action) {
            (false, _) => {
                if self.texts(items) {
                    self.action(items);
                }
            }
            (true, true) => {
                let item = self.fail("unclosed action".to_owned());
                items.push(item);
            }
            (true, false) => items.push(self.item(ItemType::Eof, self.start)),
        }
    }

    #[inline]
    fn rest(&self) -> &'s [u8] {
        &self.input[self.pos..]
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.input.get(self.pos).copied()
    }

    /// What stands from the token's start up to an end.
    #[inline]
    fn item(&self, typ: ItemType, end: usize) -> Item {
        Item { typ, is_plain: false, pos: self.start as u32, end: end as u32, gap: self.gap as u32 }
    }

    #[inline]
    fn emit(&mut self, typ: ItemType) -> Item {
        let item = self.item(typ, self.pos);
        self.skip_to(self.pos);
        item
    }

    /// The next token starts here, with no space before it so far.
    #[inline]
    fn skip_to(&mut self, pos: usize) {
        (self.pos, self.start, self.gap) = (pos, pos, pos);
    }

    /// Passes one byte, of a set of them.
    fn accept(&mut self, valid: &[u8]) -> bool {
        let found = self.byte().is_some_and(|byte| valid.contains(&byte));
        self.pos += usize::from(found);
        found
    }

    fn accept_run(&mut self, valid: &[u8]) {
        while self.accept(valid) {}
    }

    #[cold]
    fn fail(&mut self, text: String) -> Item {
        self.error = text;
        self.failed = true;
        self.item(ItemType::Error, self.start)
    }

    /// Texts and comments, and what opens an action; false at the end, and where a comment is wrong.
    fn texts(&mut self, items: &mut Vec<Item>) -> bool {
        loop {
            let Some(at) = find_left(self.rest()) else {
                self.pos = self.input.len();
                if self.pos > self.start {
                    items.push(self.emit(ItemType::Text));
                }
                items.push(self.emit(ItemType::Eof));
                return false;
            };
            self.pos += at;
            let trims = has_left_trim_marker(&self.input[self.pos + LEFT.len()..]);
            if at > 0 {
                let trim = if trims { trailing_spaces(&self.input[self.start..self.pos]) } else { 0 };
                let item = self.item(ItemType::Text, self.pos - trim);
                self.skip_to(self.pos);
                if item.end > item.pos {
                    items.push(item);
                }
            }
            self.pos += LEFT.len();
            let marker = if trims { TRIM_MARKER_LEN } else { 0 };
            if !self.input[self.pos + marker..].starts_with(LEFT_COMMENT) {
                items.push(self.emit(ItemType::LeftDelim));
                self.inside_action = true;
                self.paren_depth = 0;
                self.skip_to(self.pos + marker);
                return true;
            }
            self.skip_to(self.pos + marker);
            if let Err(words) = self.comment() {
                items.push(self.fail(words.to_owned()));
                return false;
            }
        }
    }

    fn comment(&mut self) -> Result<(), &'static str> {
        self.pos += LEFT_COMMENT.len();
        let end = memchr::memmem::find(self.rest(), RIGHT_COMMENT).ok_or("unclosed comment")?;
        self.pos += end + RIGHT_COMMENT.len();
        let trim = self.at_right_delim().ok_or("comment ends before closing delimiter")?;
        self.pos += RIGHT.len();
        if trim {
            self.pos += TRIM_MARKER_LEN;
            self.pos += leading_spaces(self.rest());
        }
        self.skip_to(self.pos);
        Ok(())
    }

    /// Is the scan at a closing delimiter, and does that trim?
    #[inline]
    fn at_right_delim(&self) -> Option<bool> {
        match self.rest() {
            [b'}', b'}', ..] => Some(false),
            [b' ' | b'\t' | b'\r' | b'\n', b'-', b'}', b'}', ..] => Some(true),
            _ => None,
        }
    }

    /// The closing delimiter at the scan's place, behind the space of a trim marker if it has one.
    fn right_delim(&mut self, trim: bool) -> Item {
        if self.paren_depth != 0 {
            self.start -= usize::from(trim);
            return self.fail("unclosed left paren".to_owned());
        }
        if trim {
            self.start += TRIM_MARKER_LEN - 1;
            self.pos += TRIM_MARKER_LEN - 1;
        }
        self.pos += RIGHT.len();
        let item = self.emit(ItemType::RightDelim);
        if trim {
            self.skip_to(self.pos + leading_spaces(self.rest()));
        }
        self.inside_action = false;
        item
    }

    /// The tokens of an action behind what opens it, up to what closes it.
    fn action(&mut self, items: &mut Vec<Item>) {
        let input = self.input;
        let mut depth = self.paren_depth;
        let mut gap = self.pos;
        loop {
            let pos = run(input, gap, SPACE);
            let common = match input.get(pos..).unwrap_or_default() {
                [b'}', b'}', ..] if depth == 0 => return self.close(items, gap, pos, false),
                [b'-', b'}', b'}', ..] if depth == 0 && gap < pos => return self.close(items, gap, pos + 1, true),
                [b'(', ..] => {
                    depth += 1;
                    Some((ItemType::LeftParen, pos + 1))
                }
                [b')', ..] if depth > 0 => {
                    depth -= 1;
                    Some((ItemType::RightParen, pos + 1))
                }
                _ => common(input, pos),
            };
            if let Some((typ, end)) = common {
                let is_plain = typ == ItemType::String;
                items.push(Item { typ, is_plain, pos: pos as u32, end: end as u32, gap: gap as u32 });
                gap = end;
                continue;
            }
            self.skip_to(gap);
            self.paren_depth = depth;
            let item = self.inside();
            items.push(item);
            if matches!(item.typ, ItemType::RightDelim | ItemType::Error) {
                return;
            }
            (gap, depth) = (self.pos, self.paren_depth);
        }
    }

    /// The closing delimiter.
    fn close(&mut self, items: &mut Vec<Item>, gap: usize, pos: usize, trim: bool) {
        let end = pos + RIGHT.len();
        let typ = ItemType::RightDelim;
        items.push(Item { typ, is_plain: false, pos: pos as u32, end: end as u32, gap: gap as u32 });
        self.inside_action = false;
        self.skip_to(end + if trim { leading_spaces(&self.input[end..]) } else { 0 });
    }

    /// The next token of an action, whatever it is.
    fn inside(&mut self) -> Item {
        while self.byte().is_some_and(is_space_byte) {
            self.pos += 1;
        }
        self.start = self.pos;
        let Some(byte) = self.byte() else { return self.fail("unclosed action".to_owned()) };
        match self.rest() {
            [b'}', b'}', ..] => return self.right_delim(false),
            [b'-', b'}', b'}', ..] if self.gap < self.pos => return self.right_delim(true),
            _ => {}
        }
        if is_name_byte(byte) && !byte.is_ascii_digit() {
            return self.identifier();
        }
        if !byte.is_ascii() {
            return self.beyond_ascii();
        }
        self.pos += 1;
        match byte {
            b'=' => self.emit(ItemType::Assign),
            b':' if self.accept(b"=") => self.emit(ItemType::Declare),
            b':' => self.fail("expected :=".to_owned()),
            b'|' => self.emit(ItemType::Pipe),
            b'"' => self.quoted(b'"', "unterminated quoted string", ItemType::String),
            b'`' => self.raw_quoted(),
            b'$' if self.at_terminator() => self.emit(ItemType::Variable),
            b'$' => self.field_or_variable(ItemType::Variable),
            b'\'' => self.quoted(b'\'', "unterminated character constant", ItemType::CharConstant),
            b'.' if self.byte().is_some_and(|byte| !byte.is_ascii_digit()) => self.field_or_variable(ItemType::Field),
            b'.' | b'+' | b'-' | b'0'..=b'9' => {
                self.pos -= 1;
                self.number()
            }
            b'(' => {
                self.paren_depth += 1;
                self.emit(ItemType::LeftParen)
            }
            b')' => {
                self.paren_depth -= 1;
                if self.paren_depth < 0 {
                    return self.fail("unexpected right paren".to_owned());
                }
                self.emit(ItemType::RightParen)
            }
            b'!'..=b'~' => self.emit(ItemType::Char),
            byte => self.unrecognized(char::from(byte)),
        }
    }

    fn beyond_ascii(&mut self) -> Item {
        match self.decoded() {
            Some((c, _)) if is_alphanumeric(c) => self.identifier(),
            Some((c, _)) => self.unrecognized(c),
            None => self.fail("unclosed action".to_owned()),
        }
    }

    fn unrecognized(&mut self, c: char) -> Item {
        self.fail(format!("unrecognized character in action: {}", unicode(c)))
    }

    /// The character at the scan's place, and its length; a byte that is not UTF-8 is U+FFFD.
    fn decoded(&self) -> Option<(char, usize)> {
        let rest = self.rest();
        let (code, size) = quote::decode(rest);
        (!rest.is_empty()).then(|| (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), size))
    }

    /// Absorbs a name; fails where what follows can't follow a name.
    fn name(&mut self) -> Result<(), Item> {
        loop {
            while self.byte().is_some_and(is_name_byte) {
                self.pos += 1;
            }
            match self.byte() {
                Some(byte) if !byte.is_ascii() => match self.decoded() {
                    Some((c, size)) if is_alphanumeric(c) => self.pos += size,
                    _ => break,
                },
                _ => break,
            }
        }
        if self.at_terminator() {
            return Ok(());
        }
        let shown = self.decoded().map_or_else(String::new, |(c, _)| unicode(c));
        Err(self.fail(format!("bad character {shown}")))
    }

    fn identifier(&mut self) -> Item {
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

    fn field_or_variable(&mut self, typ: ItemType) -> Item {
        if self.at_terminator() {
            return self.emit(if typ == ItemType::Variable { typ } else { ItemType::Dot });
        }
        match self.name() {
            Ok(()) => self.emit(typ),
            Err(failed) => failed,
        }
    }

    /// Is the scan at what may follow a name?
    #[inline]
    fn at_terminator(&self) -> bool {
        match self.rest() {
            [] | [b' ' | b'\t' | b'\r' | b'\n' | b'.' | b',' | b'|' | b':' | b')' | b'(', ..] => true,
            rest => rest.starts_with(RIGHT),
        }
    }

    /// A string or character constant; the first quote is passed. The parser looks into it.
    fn quoted(&mut self, quote: u8, unterminated: &str, typ: ItemType) -> Item {
        loop {
            match self.byte() {
                None | Some(b'\n') => return self.fail(unterminated.to_owned()),
                Some(b'\\') => {
                    if self.input.get(self.pos + 1).is_none_or(|byte| *byte == b'\n') {
                        return self.fail(unterminated.to_owned());
                    }
                    self.pos += 2;
                }
                Some(byte) => {
                    self.pos += 1;
                    if byte == quote {
                        return self.emit(typ);
                    }
                }
            }
        }
    }

    fn raw_quoted(&mut self) -> Item {
        match memchr::memchr(b'`', self.rest()) {
            Some(at) => {
                self.pos += at + 1;
                self.emit(ItemType::RawString)
            }
            None => self.fail("unterminated raw quoted string".to_owned()),
        }
    }

    fn number(&mut self) -> Item {
        if !self.scan_number() {
            return self.bad_number();
        }
        if matches!(self.byte(), Some(b'+' | b'-')) {
            if !self.scan_number() || self.input[self.pos - 1] != b'i' {
                return self.bad_number();
            }
            return self.emit(ItemType::Complex);
        }
        self.emit(ItemType::Number)
    }

    fn bad_number(&mut self) -> Item {
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
        if let Some((c, size)) = self.decoded()
            && is_alphanumeric(c)
        {
            self.pos += size;
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

fn is_alphanumeric(c: char) -> bool {
    c == '_' || is_letter(c) || is_digit(c)
}

#[inline]
fn is_name_byte(byte: u8) -> bool {
    is(byte, NAME)
}

#[inline]
fn is_space_byte(byte: u8) -> bool {
    is(byte, SPACE)
}

fn has_left_trim_marker(text: &[u8]) -> bool {
    text.len() >= 2 && text[0] == b'-' && is_space_byte(text[1])
}

fn trailing_spaces(text: &[u8]) -> usize {
    text.iter().rev().take_while(|byte| is_space_byte(**byte)).count()
}

fn leading_spaces(text: &[u8]) -> usize {
    text.iter().take_while(|byte| is_space_byte(**byte)).count()
}

/// Where the next `{{` stands.
fn find_left(text: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'{', text).find(|at| text.get(at + 1) == Some(&b'{'))
}

#[cfg(test)]
mod tests {
    use super::{Item, ItemType, Lexer};

    const PIECES: [&str; 36] = [
        " ", "\n", "\t", "x", "a1_", "if", "end", "break", "continue", "true", "nil", ".", ".a", "..", "$", "$x", "|",
        "=", ":=", ":", ",", "(", ")", "\"s\"", "\"\\n\"", "\"é\"", "\"", "`r`", "'c'", "0", "12", "1.5", "-", "}",
        "é", "#",
    ];

    fn told(items: &[Item]) -> Vec<(ItemType, u32, u32, u32)> {
        items.iter().map(|item| (item.typ, item.pos, item.end, item.gap)).collect()
    }

    /// The first action, token by token.
    fn slowly(lexer: &mut Lexer<'_>) -> Vec<Item> {
        let mut items = Vec::new();
        if lexer.texts(&mut items) {
            loop {
                let item = lexer.inside();
                items.push(item);
                if matches!(item.typ, ItemType::RightDelim | ItemType::Error) {
                    break;
                }
            }
        }
        items
    }

    fn check(source: &str, break_ok: bool) {
        let (mut fast, mut slow, mut items) =
            (Lexer::new(source.as_bytes()), Lexer::new(source.as_bytes()), Vec::new());
        (fast.break_ok, slow.break_ok) = (break_ok, break_ok);
        fast.fill(&mut items);
        let expect = slowly(&mut slow);
        assert_eq!(told(&items), told(&expect), "{source:?}");
        assert_eq!((fast.error, fast.pos, fast.start), (slow.error, slow.pos, slow.start), "{source:?}");
        let is_plain =
            |item: &Item| item.typ == ItemType::String && !source[..item.end as usize].ends_with(['\\', 'é']);
        assert!(items.iter().filter(|item| item.is_plain).all(is_plain), "{source:?}");
    }

    #[test]
    fn finds_what_the_lexer_finds_token_by_token() {
        for source in
            ["{{\"a\"-}} b", "{{\"a\" -}}\n b", "{{- (.a -}}x", "{{ (\"a\") }}", "{{", "{{\"a", "a {{- .b.c}} d"]
        {
            check(source, true);
        }
        let mut state = 1_u64;
        let mut random = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        for _ in 0..20_000 {
            let inner: String = (0..random(9)).map(|_| PIECES[random(PIECES.len())]).collect();
            let close = ["}}", "-}}", " -}} x", "}", ""][random(5)];
            check(&format!("{{{{{inner}{close}"), random(2) == 0);
        }
    }
}
