//! Number constants: every Go type that can hold one, as Go's untyped constants do.
use crate::complex::Complex;
use crate::quote;

/// What a constant is worth where nothing asks for a type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ideal {
    /// An `int`.
    Int(i64),
    /// A `float64`.
    Float(f64),
    /// A `complex128`.
    Complex(Complex),
    /// An integer that no `int` holds.
    Overflow,
}

/// A constant under all the types that can represent it.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// As a signed integer.
    pub int: Option<i64>,
    /// As an unsigned integer.
    pub uint: Option<u64>,
    /// As a float.
    pub float: Option<f64>,
    /// Where nothing asks for a type.
    pub ideal: Ideal,
}

/// A character constant in its quotes.
pub fn char_constant(text: &[u8]) -> Result<Number, String> {
    let inner = quote::unquote_char(text.get(1..).unwrap_or_default(), b'\'').ok_or("invalid syntax")?;
    if inner.tail != b"'" {
        return Err(format!("malformed character constant: {}", crate::string::lossy(text)));
    }
    let int = i64::from(inner.code);
    Ok(Number { int: Some(int), uint: Some(int as u64), float: Some(int as f64), ideal: Ideal::Int(int) })
}

/// A sum of a real and an imaginary number: `1+2i`.
pub fn complex(text: &[u8]) -> Result<Number, String> {
    let shown = || format!("illegal number syntax: {}", quote::quote(text));
    let word = std::str::from_utf8(text).ok().and_then(|word| word.strip_suffix('i')).ok_or_else(shown)?;
    let signs = word.char_indices().filter(|(at, c)| *at > 0 && matches!(c, '+' | '-'));
    let mut splits = signs.filter(|(at, _)| !word[..*at].ends_with(['e', 'E', 'p', 'P'])).map(|(at, _)| at);
    let at = splits.next().ok_or_else(shown)?;
    match (parse_float(&word[..at]), parse_float(&word[at..])) {
        (Some(real), Some(imaginary)) => Ok(of_complex(Complex { real, imaginary })),
        _ => Err(shown()),
    }
}

fn of_complex(value: Complex) -> Number {
    let float = (value.imaginary == 0.0).then_some(value.real);
    let whole = float.filter(|float| float.fract() == 0.0);
    let int = whole.filter(|float| (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(float));
    let uint = whole.filter(|float| (0.0..18_446_744_073_709_551_616.0).contains(float));
    Number {
        int: int.map(|float| float as i64),
        uint: uint.map(|float| float as u64),
        float,
        ideal: Ideal::Complex(value),
    }
}

/// Any other number.
pub fn number(text: &[u8]) -> Result<Number, String> {
    if let Some(int) = small(text) {
        return Ok(Number { int: Some(int), uint: Some(int as u64), float: Some(int as f64), ideal: Ideal::Int(int) });
    }
    let shown = || quote::quote(text);
    let word = std::str::from_utf8(text).map_err(|_| format!("illegal number syntax: {}", shown()))?;
    if let Some(imaginary) = word.strip_suffix('i').and_then(parse_float) {
        return Ok(of_complex(Complex { real: 0.0, imaginary }));
    }
    let mut uint = parse_uint(word);
    let mut int = parse_int(word);
    if int == Some(0) {
        uint = uint.or(Some(0));
    }
    let mut float = int.map(|int| int as f64).or(uint.map(|uint| uint as f64));
    if float.is_none()
        && let Some(value) = parse_float(word)
    {
        if !word.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!("integer overflow: {}", shown()));
        }
        float = Some(value);
        let whole = value.fract() == 0.0;
        int = (whole && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value))
            .then_some(value as i64);
        uint = (whole && (0.0..18_446_744_073_709_551_616.0).contains(&value)).then_some(value as u64);
    }
    if float.is_none() {
        return Err(format!("illegal number syntax: {}", shown()));
    }
    let ideal = match (float, int) {
        (Some(float), _) if !is_hex_int(word) && word.contains(['.', 'e', 'E', 'p', 'P']) => Ideal::Float(float),
        (_, Some(int)) => Ideal::Int(int),
        _ => Ideal::Overflow,
    };
    Ok(Number { int, uint, float, ideal })
}

/// Up to 15 decimal digits without a sign: nearly all numbers of templates.
fn small(text: &[u8]) -> Option<i64> {
    if !(1..=15).contains(&text.len()) || (text.len() > 1 && text[0] == b'0') || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

fn is_hex_int(word: &str) -> bool {
    word.len() > 2 && (word.starts_with("0x") || word.starts_with("0X")) && !word.contains(['p', 'P'])
}

/// `strconv.ParseInt(word, 0, 64)`, without the reason of a fault.
fn parse_int(word: &str) -> Option<i64> {
    match word.strip_prefix('-') {
        Some(word) => {
            let value = parse_uint(word)?;
            0_i64.checked_sub_unsigned(value)
        }
        None => i64::try_from(parse_uint(word.strip_prefix('+').unwrap_or(word))?).ok(),
    }
}

/// `strconv.ParseUint(word, 0, 64)`, without the reason of a fault.
fn parse_uint(word: &str) -> Option<u64> {
    if word.contains('_') && !underscores_ok(word) {
        return None;
    }
    let lower = word.to_ascii_lowercase().replace('_', "");
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (lower.as_str(), 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// An underscore stands between digits, or between a base prefix and a digit.
fn underscores_ok(word: &str) -> bool {
    let word = word.strip_prefix(['+', '-']).unwrap_or(word).as_bytes();
    let mut before = b'^';
    let mut at = 0;
    let hex = word.len() >= 2 && word[0] == b'0' && word[1].eq_ignore_ascii_case(&b'x');
    if word.len() >= 2 && word[0] == b'0' && matches!(word[1].to_ascii_lowercase(), b'b' | b'o' | b'x') {
        at = 2;
        before = b'0';
    }
    for &byte in &word[at..] {
        let digit = byte.is_ascii_digit() || (hex && byte.is_ascii_hexdigit());
        before = match byte {
            _ if digit => b'0',
            b'_' if before == b'0' => b'_',
            b'_' => return false,
            _ if before == b'_' => return false,
            _ => b'!',
        };
    }
    before != b'_'
}

/// `strconv.ParseFloat(word, 64)`, without the reason of a fault.
fn parse_float(word: &str) -> Option<f64> {
    if word.contains('_') && !underscores_ok(word) {
        return None;
    }
    let plain = word.replace('_', "");
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    if unsigned.starts_with("0x") || unsigned.starts_with("0X") {
        let value = hex_float(&unsigned[2..])?;
        return Some(if plain.starts_with('-') { -value } else { value });
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    plain.parse().ok().filter(|value: &f64| value.is_finite())
}

/// `1.8p-3` after its prefix. Go wants the exponent.
fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let mut exponent: i64 = exponent.parse::<i64>().ok()?.clamp(-100_000, 100_000);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (mut value, mut sticky) = (0_u64, false);
    let digits = whole.chars().map(|c| (c, false)).chain(fraction.chars().map(|c| (c, true)));
    for (digit, after_point) in digits {
        let digit = u64::from(digit.to_digit(16)?);
        if value >> 58 == 0 {
            value = value << 4 | digit;
            exponent -= if after_point { 4 } else { 0 };
        } else {
            sticky |= digit != 0;
            exponent += if after_point { 0 } else { 4 };
        }
    }
    scale(value | u64::from(sticky), exponent)
}

/// value × 2^exponent, rounded once, half to even.
fn scale(value: u64, exponent: i64) -> Option<f64> {
    if value == 0 {
        return Some(0.0);
    }
    let top = 63 - i64::from(value.leading_zeros()) + exponent;
    let keep = if top < -1022 { (53 + top + 1022).max(0) } else { 53 };
    let drop = (64 - i64::from(value.leading_zeros()) - keep).max(0);
    let rounded = match drop {
        0 => value,
        64.. => 0,
        drop => {
            let (kept, rest, half) = (value >> drop, value & ((1 << drop) - 1), 1_u64 << (drop - 1));
            kept + u64::from(rest > half || (rest == half && kept & 1 == 1))
        }
    };
    let mut result = rounded as f64;
    let mut left = exponent + drop;
    while left != 0 && result != 0.0 && result.is_finite() {
        let step = left.clamp(-900, 900);
        result *= 2_f64.powi(step as i32);
        left -= step;
    }
    result.is_finite().then_some(result)
}

#[cfg(test)]
mod tests {
    use super::{Ideal, char_constant, number};

    #[test]
    fn ideals() {
        let table = [
            ("0", Ideal::Int(0)),
            ("-0", Ideal::Int(0)),
            ("73", Ideal::Int(73)),
            ("1_000", Ideal::Int(1000)),
            ("0x1F", Ideal::Int(31)),
            ("0xe", Ideal::Int(14)),
            ("017", Ideal::Int(15)),
            ("0o17", Ideal::Int(15)),
            ("0b101", Ideal::Int(5)),
            ("1e3", Ideal::Float(1000.0)),
            ("1.5", Ideal::Float(1.5)),
            (".5", Ideal::Float(0.5)),
            ("0x1p-2", Ideal::Float(0.25)),
            ("0x1.8p1", Ideal::Float(3.0)),
            ("9223372036854775807", Ideal::Int(i64::MAX)),
            ("9223372036854775808", Ideal::Overflow),
            ("-9223372036854775808", Ideal::Int(i64::MIN)),
        ];
        for (text, expect) in table {
            assert_eq!(number(text.as_bytes()).unwrap().ideal, expect, "{text}");
        }
    }

    #[test]
    fn faults() {
        let table = [
            ("18446744073709551616", "integer overflow: \"18446744073709551616\""),
            ("089", "integer overflow: \"089\""),
            ("1__0", "illegal number syntax: \"1__0\""),
            (".", "illegal number syntax: \".\""),
            ("1e400", "illegal number syntax: \"1e400\""),
        ];
        for (text, expect) in table {
            assert_eq!(number(text.as_bytes()).unwrap_err(), expect, "{text}");
        }
        assert_eq!(char_constant(b"'a'").unwrap().int, Some(97));
        assert_eq!(char_constant(br"'\''").unwrap().int, Some(39));
        assert_eq!(char_constant(b"'ab'").unwrap_err(), "malformed character constant: 'ab'");
        assert_eq!(char_constant(b"''").unwrap_err(), "invalid syntax");
    }
}
