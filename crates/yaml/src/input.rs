//! Bytes to text: byte order marks, UTF-16, and the characters YAML allows.

use std::borrow::Cow;

use crate::chars;
use crate::error::{Error, Fault};

/// A piece of a stream that is known to be allowed text.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// The text.
    pub text: &'a str,
    /// Whether LF is the only line break in it.
    pub plain_breaks: bool,
}

/// Takes the byte order mark off and turns UTF-16 (which needs one) into UTF-8.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes).map(Cow::Owned),
        [0xEF, 0xBB, 0xBF, rest @ ..] => Ok(Cow::Borrowed(rest)),
        _ => Ok(Cow::Borrowed(bytes)),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Vec<u8>, Error> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let mut out = String::with_capacity(bytes.len());
    for c in char::decode_utf16(units) {
        match c {
            Ok(c) => out.push(c),
            Err(fault) => {
                let low = fault.unpaired_surrogate() & 0xFC00 == 0xDC00;
                let words = if low { "unexpected low surrogate area" } else { "expected low surrogate area" };
                return Err(at_end(&out, Fault::Encoding(words)));
            }
        }
    }
    if !bytes.len().is_multiple_of(2) {
        return Err(at_end(&out, Fault::Encoding("incomplete UTF-16 character")));
    }
    Ok(out.into_bytes())
}

fn at_end(text: &str, fault: Fault) -> Error {
    error_at(text, text.len(), 0, fault)
}

/// An error at byte `at` of `text`, whose first line is `first_line` (from 0).
pub fn error_at(text: &str, at: usize, first_line: usize, fault: Fault) -> Error {
    let before = &text[..at];
    let line = first_line + count_breaks(before.as_bytes());
    Error { line: line + 1, column: column_of(before), fault, go_line: None }
}

/// Column from 1, in characters, of the end of `before`.
pub fn column_of(before: &str) -> usize {
    before.chars().rev().take_while(|c| !chars::is_break(*c)).count() + 1
}

/// Checks that a piece holds only characters YAML allows.
pub fn validate(bytes: &[u8], first_line: usize) -> Result<Text<'_>, Error> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(fault) => {
            let (good, bad) = bytes.split_at(fault.valid_up_to());
            // The split is where the check said the text is valid up to.
            let good = std::str::from_utf8(good).unwrap_or_default();
            return Err(error_at(good, good.len(), first_line, Fault::Encoding(utf8_fault(bad))));
        }
    };
    let mut plain_breaks = true;
    for (chunk_at, chunk) in bytes.chunks(SUSPECTS_AT_ONCE).enumerate() {
        // A pass that the compiler turns into vector code; most texts have nothing to look at twice.
        if chunk.iter().fold(0, |found, b| found | u8::from(is_suspect(*b))) == 0 {
            continue;
        }
        for (at, byte) in chunk.iter().enumerate().filter(|(_, byte)| is_suspect(**byte)) {
            let at = chunk_at * SUSPECTS_AT_ONCE + at;
            // What is suspect begins a character.
            let c = if byte.is_ascii() { char::from(*byte) } else { text[at..].chars().next().unwrap_or('\0') };
            if !is_allowed(c) {
                return Err(error_at(text, at, first_line, Fault::Encoding("control characters are not allowed")));
            }
            plain_breaks &= c == '\n' || !chars::is_break(c);
        }
    }
    Ok(Text { text, plain_breaks })
}

/// Bytes that are looked at together.
const SUSPECTS_AT_ONCE: usize = 64;

/// May the byte, at the start of a character, be one that is not allowed, or a line break that is not LF?
#[inline]
fn is_suspect(b: u8) -> bool {
    ((b < 0x20) & (b != b'\t') & (b != b'\n')) | (b == 0x7F) | (b == 0xC2) | (b == 0xE2) | (b == 0xEF)
}

fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{7E}' | '\u{85}' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Go's words for the malformed sequence at the start of `bytes`.
fn utf8_fault(bytes: &[u8]) -> &'static str {
    let lead = bytes.first().copied().unwrap_or_default();
    let width = match lead {
        0x00..=0x7F => 1,
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF7 => 4,
        _ => return "invalid leading UTF-8 octet",
    };
    if bytes.len() < width {
        return "incomplete UTF-8 octet sequence";
    }
    if bytes[1..width].iter().any(|b| b & 0xC0 != 0x80) {
        return "invalid trailing UTF-8 octet";
    }
    match (lead, bytes[1]) {
        (0xC0 | 0xC1, _) | (0xE0, ..0xA0) | (0xF0, ..0x90) => "invalid length of a UTF-8 sequence",
        _ => "invalid Unicode character",
    }
}

/// Number of line breaks.
pub fn count_breaks(bytes: &[u8]) -> usize {
    if memchr::memchr3(b'\r', 0xC2, 0xE2, bytes).is_none() {
        return memchr::memchr_iter(b'\n', bytes).count();
    }
    let (mut count, mut at) = (0, 0);
    while at < bytes.len() {
        let len = chars::break_len(bytes, at);
        count += usize::from(len > 0);
        at += len.max(1);
    }
    count
}
