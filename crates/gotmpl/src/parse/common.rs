//! A place in an action → one of the tokens that nearly all actions are made of, or none where that takes a closer look.
use crate::parse::item::{ItemType, keyword};

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

/// What stands at a place, and where it ends; none where that takes a second look.
#[inline]
pub(super) fn common(input: &[u8], pos: usize) -> Option<(ItemType, usize)> {
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
pub(super) fn run(input: &[u8], from: usize, class: u8) -> usize {
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
