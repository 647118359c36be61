//! Text to whole numbers as Go's `strconv` reads it, with its errors.

use masthead_gotmpl::quote::quote;

/// A number that does not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("strconv.{function}: parsing {}: {reason}", quote(text))]
pub struct Error {
    function: &'static str,
    text: Vec<u8>,
    reason: &'static str,
    /// The nearest value, where the number is too large.
    clamped: Option<i64>,
}

const SYNTAX: &str = "invalid syntax";
const RANGE: &str = "value out of range";

/// `strconv.ParseInt` of 64 bits; base 0 reads the base from a prefix.
pub fn parse_int(text: &[u8], base: u32) -> Result<i64, Error> {
    let error = |reason, clamped| Error { function: "ParseInt", text: text.to_vec(), reason, clamped };
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let magnitude = match unsigned(digits, base) {
        Ok(magnitude) => magnitude,
        Err(SYNTAX) => return Err(error(SYNTAX, None)),
        Err(_) => u64::MAX,
    };
    match (negative, i64::try_from(magnitude)) {
        (false, Ok(value)) => Ok(value),
        (true, Ok(value)) => Ok(-value),
        (true, Err(_)) if magnitude == 1 << 63 => Ok(i64::MIN),
        (true, Err(_)) => Err(error(RANGE, Some(i64::MIN))),
        (false, Err(_)) => Err(error(RANGE, Some(i64::MAX))),
    }
}

/// `ParseInt` whose error is not looked at: 0 for what is no number, the nearest value for one too large.
pub fn parse_int_lenient(text: &[u8], base: u32) -> i64 {
    parse_int(text, base).unwrap_or_else(|error| error.clamped.unwrap_or(0))
}

/// `strconv.ParseUint` of 64 bits.
pub fn parse_uint(text: &[u8], base: u32) -> Result<u64, Error> {
    unsigned(text, base).map_err(|reason| Error { function: "ParseUint", text: text.to_vec(), reason, clamped: None })
}

fn unsigned(text: &[u8], base: u32) -> Result<u64, &'static str> {
    let mut digits = text;
    let mut radix = base;
    if base == 0 {
        radix = 10;
        if let [b'0', rest @ ..] = text {
            (radix, digits) = match text {
                [_, b'b' | b'B', _, ..] => (2, &text[2..]),
                [_, b'o' | b'O', _, ..] => (8, &text[2..]),
                [_, b'x' | b'X', _, ..] => (16, &text[2..]),
                _ if rest.is_empty() => (10, text),
                _ => (8, rest),
            };
        }
    }
    if digits.is_empty() {
        return Err(SYNTAX);
    }
    let (mut value, mut overflow) = (0u64, false);
    for &byte in digits {
        if byte == b'_' && base == 0 {
            continue;
        }
        let digit = (byte as char).to_digit(36).filter(|&digit| digit < radix).ok_or(SYNTAX)?;
        match value.checked_mul(u64::from(radix)).and_then(|value| value.checked_add(u64::from(digit))) {
            // Go stops at the overflow and looks no further, not even for bad digits.
            None => {
                overflow = true;
                break;
            }
            Some(next) => value = next,
        }
    }
    if overflow {
        return Err(RANGE);
    }
    if base == 0 && digits.contains(&b'_') && !underscores_fit(text) {
        return Err(SYNTAX);
    }
    Ok(value)
}

/// Whether each `_` stands between digits, or between a base's prefix and a digit.
pub(super) fn underscores_fit(text: &[u8]) -> bool {
    let text = match text {
        [b'-' | b'+', rest @ ..] => rest,
        _ => text,
    };
    let mut last = b'^';
    let mut at = 0;
    let mut hexadecimal = false;
    if let [b'0', letter, ..] = text {
        let letter = letter.to_ascii_lowercase();
        if matches!(letter, b'b' | b'o' | b'x') {
            at = 2;
            last = b'0';
            hexadecimal = letter == b'x';
        }
    }
    for &byte in &text[at..] {
        let digit = byte.is_ascii_digit() || hexadecimal && byte.is_ascii_hexdigit();
        if digit {
            last = b'0';
        } else if byte == b'_' {
            if last != b'0' {
                return false;
            }
            last = b'_';
        } else {
            if last == b'_' {
                return false;
            }
            last = b'!';
        }
    }
    last != b'_'
}
