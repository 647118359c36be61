//! Go's string and character literals: quoting and unquoting, as strconv does both.
use crate::unicode::is_print;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// `strconv.Quote`
pub fn quote(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len() + 2);
    append(&mut out, bytes, false);
    String::from_utf8(out).unwrap_or_default()
}

/// `strconv.AppendQuote`, or `AppendQuoteToASCII`.
pub fn append(out: &mut Vec<u8>, bytes: &[u8], ascii: bool) {
    out.push(b'"');
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    let mut left = bytes;
    while !left.is_empty() {
        let plain = left.iter().position(|byte| !is_plain(byte)).unwrap_or(left.len());
        out.extend_from_slice(&left[..plain]);
        left = &left[plain..];
        let special = left.iter().position(is_plain).unwrap_or(left.len());
        for chunk in left[..special].utf8_chunks() {
            chunk.valid().chars().for_each(|c| escape(out, c, '"', ascii));
            for byte in chunk.invalid() {
                out.extend_from_slice(&[b'\\', b'x', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
        left = &left[special..];
    }
    out.push(b'"');
}

/// `strconv.AppendQuoteRune`, or `AppendQuoteRuneToASCII`.
pub fn append_char(out: &mut Vec<u8>, c: char, ascii: bool) {
    out.push(b'\'');
    escape(out, c, '\'', ascii);
    out.push(b'\'');
}

fn escape(out: &mut Vec<u8>, c: char, quote: char, ascii: bool) {
    if c == quote || c == '\\' {
        return out.extend_from_slice(&[b'\\', c as u8]);
    }
    if is_print(c) && (c.is_ascii() || !ascii) {
        return out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    let short: &[u8] = match c {
        '\x07' => b"\\a",
        '\x08' => b"\\b",
        '\x0c' => b"\\f",
        '\n' => b"\\n",
        '\r' => b"\\r",
        '\t' => b"\\t",
        '\x0b' => b"\\v",
        _ => b"",
    };
    let code = u32::from(c);
    match code {
        _ if !short.is_empty() => out.extend_from_slice(short),
        0..0x20 | 0x7f => hex(out, b'x', code, 2),
        0x20..0x10000 => hex(out, b'u', code, 4),
        _ => hex(out, b'U', code, 8),
    }
}

fn hex(out: &mut Vec<u8>, letter: u8, code: u32, digits: u32) {
    out.extend_from_slice(&[b'\\', letter]);
    out.extend((0..digits).rev().map(|at| HEX[(code >> (4 * at) & 15) as usize]));
}

/// `strconv.CanBackquote`
pub fn can_backquote(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    !text.chars().any(|c| matches!(c, '\u{feff}' | '`' | '\x7f') || (c < ' ' && c != '\t'))
}

/// The character or byte at the start of an escaped text.
pub struct Unquoted<'a> {
    /// The code point, or the byte of `\x` and octal escapes.
    pub code: u32,
    /// Is it a byte that stands for itself, whatever its value?
    pub is_byte: bool,
    /// What follows.
    pub tail: &'a [u8],
}

/// `strconv.UnquoteChar`; `None` is its `invalid syntax`.
pub fn unquote_char(text: &[u8], quote: u8) -> Option<Unquoted<'_>> {
    let (&first, rest) = text.split_first()?;
    if first == quote {
        return None;
    }
    if first >= 0x80 {
        let (code, size) = decode(text);
        return Some(Unquoted { code, is_byte: false, tail: &text[size..] });
    }
    if first != b'\\' {
        return Some(Unquoted { code: u32::from(first), is_byte: false, tail: rest });
    }
    let (&letter, rest) = rest.split_first()?;
    let simple = |code: u8| Some(Unquoted { code: u32::from(code), is_byte: false, tail: rest });
    match letter {
        b'a' => simple(7),
        b'b' => simple(8),
        b'f' => simple(12),
        b'n' => simple(b'\n'),
        b'r' => simple(b'\r'),
        b't' => simple(b'\t'),
        b'v' => simple(11),
        b'\\' => simple(b'\\'),
        b'\'' | b'"' if letter == quote => simple(letter),
        b'x' => digits(rest, 2, 16).map(|code| Unquoted { code, is_byte: true, tail: &rest[2..] }),
        b'u' | b'U' => {
            let count = if letter == b'u' { 4 } else { 8 };
            let code = digits(rest, count, 16).filter(|code| char::from_u32(*code).is_some())?;
            Some(Unquoted { code, is_byte: false, tail: &rest[count..] })
        }
        b'0'..=b'7' => {
            let code = digits(rest, 2, 8)? | u32::from(letter - b'0') << 6;
            (code <= 255).then(|| Unquoted { code, is_byte: true, tail: &rest[2..] })
        }
        _ => None,
    }
}

fn digits(text: &[u8], count: usize, radix: u32) -> Option<u32> {
    let digits = text.get(..count)?.iter().map(|byte| char::from(*byte).to_digit(radix));
    digits
        .into_iter()
        .try_fold(0_u32, |code, digit| digit.and_then(|digit| code.checked_mul(radix)?.checked_add(digit)))
}

/// `utf8.DecodeRune`: a wrong byte is U+FFFD of size 1; nothing has size 0.
pub fn decode(text: &[u8]) -> (u32, usize) {
    match text.first() {
        None => (0xfffd, 0),
        Some(byte) if byte.is_ascii() => (u32::from(*byte), 1),
        Some(_) => {
            match text[..text.len().min(4)].utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next()) {
                Some(c) => (u32::from(c), c.len_utf8()),
                None => (0xfffd, 1),
            }
        }
    }
}

/// `strconv.Unquote` of a literal in double quotes or backquotes; `None` is its `invalid syntax`.
pub fn unquote(literal: &[u8]) -> Option<Vec<u8>> {
    let (&quote, rest) = literal.split_first()?;
    let (&last, inner) = rest.split_last()?;
    if last != quote {
        return None;
    }
    if quote == b'`' {
        return (!inner.contains(&b'`')).then(|| inner.iter().copied().filter(|byte| *byte != b'\r').collect());
    }
    if quote != b'"' || inner.contains(&b'\n') {
        return None;
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut left = inner;
    while !left.is_empty() {
        let found = unquote_char(left, quote)?;
        match char::from_u32(found.code) {
            Some(c) if !found.is_byte => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            _ => out.push(found.code as u8),
        }
        left = found.tail;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{append, append_char, can_backquote, quote, unquote};

    #[test]
    fn quoting() {
        let table: &[(&[u8], &str)] = &[
            (b"", r#""""#),
            (b"a\"b\\c'", r#""a\"b\\c'""#),
            (b"\n\t\r\x07\x08\x0b\x0c\x00\x7f", r#""\n\t\r\a\b\v\f\x00\x7f""#),
            ("ü€\u{200b}\u{feff}😀\u{e0001}".as_bytes(), "\"ü€\\u200b\\ufeff😀\\U000e0001\""),
            (b"a\xffb\xe2\x82", r#""a\xffb\xe2\x82""#),
        ];
        for (bytes, expect) in table {
            assert_eq!(quote(bytes), *expect);
            assert_eq!(unquote(expect.as_bytes()).as_deref(), Some(*bytes));
        }
        let mut out = Vec::new();
        append(&mut out, "é😀".as_bytes(), true);
        append_char(&mut out, '\'', false);
        assert_eq!(out, br#""\u00e9\U0001f600"'\''"#);
        assert!(can_backquote(b"a\tb") && !can_backquote(b"a\nb") && !can_backquote(b"`"));
    }

    #[test]
    fn unquoting() {
        let table: &[(&str, Option<&[u8]>)] = &[
            (r#""\x41\101\u0041\U00000041""#, Some(b"AAAA")),
            (r#""\xff\377""#, Some(b"\xff\xff")),
            (r#""\'""#, None),
            (r#""\ud800""#, None),
            (r#""\400""#, None),
            (r#""\q""#, None),
            ("\"a\nb\"", None),
            ("`a\r\nb\\`", Some(b"a\nb\\")),
            ("\"", None),
            ("", None),
        ];
        for (literal, expect) in table {
            assert_eq!(unquote(literal.as_bytes()).as_deref(), *expect, "{literal}");
        }
    }
}
