//! Text to float64 as Go's `strconv.ParseFloat` reads it.

use super::number::underscores_fit;

/// The number; none for what is no number, or too large for one.
pub fn parse(text: &[u8]) -> Option<f64> {
    let (negative, body) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let word = body.to_ascii_lowercase();
    let sign = if negative { -1.0 } else { 1.0 };
    match word.as_slice() {
        b"inf" | b"infinity" => return Some(sign * f64::INFINITY),
        // A signed nan is none.
        b"nan" => return (body.len() == text.len()).then_some(f64::NAN),
        _ => {}
    }
    if text.contains(&b'_') && !underscores_fit(text) {
        return None;
    }
    let plain: Vec<u8> = word.into_iter().filter(|&b| b != b'_').collect();
    let value = match plain.strip_prefix(b"0x") {
        Some(digits) => hexadecimal(digits)?,
        None => decimal(&plain)?,
    };
    value.is_finite().then_some(sign * value)
}

fn decimal(text: &[u8]) -> Option<f64> {
    let mantissa = text.iter().position(|&b| b == b'e').unwrap_or(text.len());
    let (digits, exponent) = text.split_at(mantissa);
    let dots = digits.iter().filter(|&&b| b == b'.').count();
    if dots > 1 || digits.len() == dots || !digits.iter().all(|&b| b == b'.' || b.is_ascii_digit()) {
        return None;
    }
    if let Some(exponent) = exponent.strip_prefix(b"e") {
        exponent_of(exponent)?;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn exponent_of(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // Beyond this every number is 0 or too large.
    Some(sign * digits.iter().fold(0i64, |value, b| (value * 10 + i64::from(b - b'0')).min(1_000_000)))
}

/// `1.8p3` without its `0x`: the exponent is mandatory.
fn hexadecimal(text: &[u8]) -> Option<f64> {
    let mark = text.iter().position(|&b| b == b'p')?;
    let mut exponent = exponent_of(&text[mark + 1..])?;
    let (mut mantissa, mut digits, mut seen_dot, mut sticky) = (0u64, 0, false, false);
    for &byte in &text[..mark] {
        if byte == b'.' {
            if seen_dot {
                return None;
            }
            seen_dot = true;
            continue;
        }
        let digit = (byte as char).to_digit(16)?;
        digits += 1;
        if mantissa >> 58 == 0 {
            mantissa = mantissa << 4 | u64::from(digit);
            exponent -= if seen_dot { 4 } else { 0 };
        } else {
            sticky |= digit != 0;
            exponent += if seen_dot { 0 } else { 4 };
        }
    }
    if digits == 0 {
        return None;
    }
    Some(scale(mantissa | u64::from(sticky), exponent))
}

/// `mantissa * 2^exponent`, rounded once, to even.
fn scale(mantissa: u64, exponent: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let bits = 64 - i64::from(mantissa.leading_zeros());
    // The exponent of the last bit that a float64 of this size keeps.
    let last = (exponent + bits - 53).max(-1074);
    let drop = last - exponent;
    let kept = if drop <= 0 {
        mantissa
    } else if drop > 64 {
        0
    } else {
        let below = if drop == 64 { mantissa } else { mantissa & ((1 << drop) - 1) };
        let kept = if drop == 64 { 0 } else { mantissa >> drop };
        let half = 1u64 << (drop - 1);
        kept + u64::from(below > half || below == half && kept & 1 == 1)
    };
    let power = exponent + drop.max(0);
    // In two steps, each exact: the value has its final precision already.
    let half = (power / 2).clamp(-2000, 2000) as i32;
    let rest = (power - power / 2).clamp(-2000, 2000) as i32;
    kept as f64 * 2f64.powi(half) * 2f64.powi(rest)
}
