//! The tokens that nearly all actions are made of, scanned in one go; what else there is goes to the lexer's other half.
use crate::parse::item::{Item, ItemType, keyword};
use crate::parse::lex::{Lexer, RIGHT, leading_spaces};

/// Space between tokens.
pub(super) const SPACE: u8 = 1;
/// A letter, a digit or `_` of ASCII.
pub(super) const NAME: u8 = 2;
/// What may follow a name, but for a closing delimiter.
const TERMINATOR: u8 = 4;
/// What ends a string in double quotes, or makes it more than its bytes.
const QUOTED: u8 = 8;
/// A digit of ASCII.
const DIGIT: u8 = 16;

/// What each byte is.
static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            table[at] |= SPACE | TERMINATOR;
        }
        if byte == b'_' || byte.is_ascii_alphanumeric() {
            table[at] |= NAME;
        }
        if byte.is_ascii_digit() {
            table[at] |= DIGIT;
        }
        if matches!(byte, b'.' | b',' | b'|' | b':' | b')' | b'(') {
            table[at] |= TERMINATOR;
        }
        if matches!(byte, b'"' | b'\\' | b'\n') || !byte.is_ascii() {
            table[at] |= QUOTED;
        }
        at += 1;
    }
    table
};

/// Is a byte one of a class?
#[inline]
pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

impl Lexer<'_> {
    /// The tokens of an action behind what opens it, up to what closes it.
    pub(super) fn action(&mut self, items: &mut Vec<Item>) {
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
}

/// What stands at a place, and where it ends; none where that takes a second look.
#[inline]
fn common(input: &[u8], pos: usize) -> Option<(ItemType, usize)> {
    let next = pos + 1;
    match *input.get(pos)? {
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
            let end = name(input, next)?;
            let word = &input[pos..end];
            match keyword(word) {
                // Which of the two these are is known elsewhere.
                Some(ItemType::Break | ItemType::Continue) => None,
                Some(typ) => Some((typ, end)),
                None if matches!(word, b"true" | b"false") => Some((ItemType::Bool, end)),
                None => Some((ItemType::Identifier, end)),
            }
        }
        b'.' => match *input.get(next)? {
            byte if is(byte, DIGIT) => None,
            byte if is(byte, NAME) => Some((ItemType::Field, name(input, next + 1)?)),
            _ => is_terminated(input, next).then_some((ItemType::Dot, next)),
        },
        b'$' => Some((ItemType::Variable, name(input, next)?)),
        b'"' => {
            let end = next + input.get(next..)?.iter().position(|byte| is(*byte, QUOTED))?;
            (input[end] == b'"').then_some((ItemType::String, end + 1))
        }
        b'|' => Some((ItemType::Pipe, next)),
        b'=' => Some((ItemType::Assign, next)),
        b':' => (input.get(next) == Some(&b'=')).then_some((ItemType::Declare, next + 1)),
        b',' => Some((ItemType::Char, next)),
        b'0'..=b'9' => {
            let end = run(input, next, DIGIT);
            (input.get(end) != Some(&b'.') && is_terminated(input, end)).then_some((ItemType::Number, end))
        }
        _ => None,
    }
}

/// Where the bytes of a class end.
#[inline]
fn run(input: &[u8], from: usize, class: u8) -> usize {
    let mut at = from;
    while input.get(at).is_some_and(|byte| is(*byte, class)) {
        at += 1;
    }
    at
}

/// Where a name of ASCII ends, if what follows may follow a name.
#[inline]
fn name(input: &[u8], from: usize) -> Option<usize> {
    let end = run(input, from, NAME);
    is_terminated(input, end).then_some(end)
}

#[inline]
fn is_terminated(input: &[u8], at: usize) -> bool {
    match input.get(at) {
        None => true,
        Some(b'}') => input.get(at + 1) == Some(&b'}'),
        Some(byte) => is(*byte, TERMINATOR),
    }
}

#[cfg(test)]
mod tests {
    use crate::parse::item::{Item, ItemType};
    use crate::parse::lex::Lexer;

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
