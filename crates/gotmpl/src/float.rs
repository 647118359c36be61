//! `strconv.FormatFloat` for float64: every format, any precision.
use std::fmt::Write as _;

/// More digits than this are zeros: the longest exact decimal of a float64 has fewer.
const DIGITS_MAX: usize = 1100;
/// Two shortest decimals at the same distance have at least so many digits.
const TIE_DIGITS: usize = 16;
/// `%g` without a precision takes the exponent form from this exponent on: strconv's 6.
const SHORTEST_EXPONENT: i64 = 6;

/// Decimal digits without leading and trailing zeros, and where the point stands: 0.d1d2d3… × 10^point.
struct Decimal {
    digits: Vec<u8>,
    point: i32,
}

/// `FormatFloat(value, 'g', -1, 64)`, which is what `%v` prints.
pub fn shortest(value: f64) -> String {
    let mut out = Vec::with_capacity(24);
    append(&mut out, value, b'g', None);
    String::from_utf8(out).unwrap_or_default()
}

/// `FormatFloat(value, verb, precision, 64)`; no precision is Go's -1: as many digits as the value needs.
pub fn format(value: f64, verb: u8, precision: Option<usize>) -> String {
    let mut out = Vec::with_capacity(24);
    append(&mut out, value, verb, precision);
    String::from_utf8(out).unwrap_or_default()
}

/// `AppendFloat(out, value, verb, precision, 64)`.
pub fn append(out: &mut Vec<u8>, value: f64, verb: u8, precision: Option<usize>) {
    if value.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value < 0.0 { b"-Inf" } else { b"+Inf" });
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let value = value.abs();
    match (verb, precision) {
        (b'b', _) => binary(out, value),
        (b'x' | b'X', _) => hexadecimal(out, value, precision, verb == b'X'),
        (b'e' | b'E', None) => {
            let decimal = decimal(value, None);
            let digits = decimal.digits.len().max(1) - 1;
            exponential(out, &decimal, digits, verb);
        }
        (b'e' | b'E', Some(digits)) => exponential(out, &decimal(value, Some(digits)), digits, verb),
        (b'f', None) => {
            let decimal = decimal(value, None);
            let digits = (decimal.digits.len() as i32 - decimal.point).max(0);
            fixed(out, &decimal, digits as usize);
        }
        (b'f', Some(digits)) => fixed_exact(out, value, digits),
        (b'g' | b'G', _) => general(out, value, precision, verb),
        _ => out.extend_from_slice(&[b'%', verb]),
    }
}

/// The shortest digits that read back as the value, or the value rounded to one digit and `after` more.
fn decimal(value: f64, after: Option<usize>) -> Decimal {
    if value == 0.0 {
        return Decimal { digits: Vec::new(), point: 0 };
    }
    let mut text = String::with_capacity(32);
    let written = match after {
        None => write!(text, "{value:e}"),
        Some(after) => write!(text, "{value:.*e}", after.min(DIGITS_MAX)),
    };
    debug_assert!(written.is_ok(), "a String takes everything");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if after.is_none() && digits.len() >= TIE_DIGITS {
        to_even(&mut digits, value, exponent);
    }
    Decimal { digits, point: exponent + 1 }
}

/// Of two shortest decimals at the same distance Go takes the even one, Rust the greater one.
fn to_even(digits: &mut [u8], value: f64, exponent: i32) {
    let count = digits.len();
    let is_tie = |places: usize| {
        let exact = format!("{value:.places$e}");
        let mut rest = exact.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).skip(count);
        rest.next() == Some(b'5') && rest.all(|byte| byte == b'0')
    };
    let odd = digits.last().is_some_and(|digit| digit % 2 == 1);
    if !odd || !is_tie(30) || !is_tie(DIGITS_MAX) {
        return;
    }
    digits[count - 1] -= 1;
    let lower = format!("{}e{}", String::from_utf8_lossy(digits), i64::from(exponent) - (count as i64 - 1));
    if lower.parse() != Ok(value) {
        digits[count - 1] += 1;
    }
}

fn general(out: &mut Vec<u8>, value: f64, precision: Option<usize>, verb: u8) {
    let asked = precision.map(|digits| digits.max(1));
    let decimal = decimal(value, asked.map(|digits| digits - 1));
    let have = decimal.digits.len() as i64;
    let point = i64::from(decimal.point);
    let mut digits = asked.map_or(have, |digits| digits as i64);
    let limit = match asked {
        None => SHORTEST_EXPONENT,
        Some(_) if digits > have && have >= point => have,
        Some(_) => digits,
    };
    let exponent = point - 1;
    if value != 0.0 && (exponent < -4 || exponent >= limit) {
        digits = digits.min(have);
        return exponential(out, &decimal, (digits - 1).max(0) as usize, verb - 2);
    }
    if digits > point {
        digits = have;
    }
    fixed(out, &decimal, (digits - point).max(0) as usize);
}

fn exponential(out: &mut Vec<u8>, decimal: &Decimal, digits: usize, verb: u8) {
    out.push(decimal.digits.first().copied().unwrap_or(b'0'));
    if digits > 0 {
        out.push(b'.');
        let end = decimal.digits.len().min(digits + 1);
        let fraction = decimal.digits.get(1..end).unwrap_or_default();
        out.extend_from_slice(fraction);
        out.resize(out.len() + digits - fraction.len(), b'0');
    }
    let exponent = if decimal.digits.is_empty() { 0 } else { decimal.point - 1 };
    out.extend_from_slice(&[verb, if exponent < 0 { b'-' } else { b'+' }]);
    number(out, exponent.unsigned_abs(), 2);
}

fn fixed(out: &mut Vec<u8>, decimal: &Decimal, digits: usize) {
    let point = decimal.point.max(0) as usize;
    let whole = decimal.digits.len().min(point);
    if point == 0 {
        out.push(b'0');
    }
    out.extend_from_slice(&decimal.digits[..whole]);
    out.resize(out.len() + point - whole, b'0');
    if digits > 0 {
        out.push(b'.');
        let start = i64::from(decimal.point);
        out.extend((start..start + digits as i64).map(|at| {
            let digit = usize::try_from(at).ok().and_then(|at| decimal.digits.get(at));
            digit.copied().unwrap_or(b'0')
        }));
    }
}

fn fixed_exact(out: &mut Vec<u8>, value: f64, digits: usize) {
    let text = format!("{value:.*}", digits.min(DIGITS_MAX));
    out.extend_from_slice(text.as_bytes());
    out.resize(out.len() + digits.saturating_sub(DIGITS_MAX), b'0');
}

/// Mantissa and exponent such that the value is mantissa × 2^(exponent - 52).
fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let exponent = (bits >> 52) as i32 & 0x7ff;
    let mantissa = bits & ((1 << 52) - 1);
    if exponent == 0 { (mantissa, -1022) } else { (mantissa | 1 << 52, exponent - 1023) }
}

fn binary(out: &mut Vec<u8>, value: f64) {
    let (mantissa, exponent) = parts(value);
    out.extend_from_slice(mantissa.to_string().as_bytes());
    out.push(b'p');
    out.extend_from_slice(format!("{:+}", exponent - 52).as_bytes());
}

fn hexadecimal(out: &mut Vec<u8>, value: f64, precision: Option<usize>, upper: bool) {
    let (mantissa, mut exponent) = parts(value);
    if mantissa == 0 {
        exponent = 0;
    }
    let mut mantissa = mantissa << 8;
    while mantissa != 0 && mantissa & (1 << 60) == 0 {
        mantissa <<= 1;
        exponent -= 1;
    }
    if let Some(digits) = precision.filter(|digits| *digits < 15) {
        let shift = digits as u32 * 4;
        let extra = (mantissa << shift) & ((1 << 60) - 1);
        mantissa >>= 60 - shift;
        if extra | (mantissa & 1) > 1 << 59 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & (1 << 61) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let digits: &[u8; 16] = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    out.extend_from_slice(&[b'0', if upper { b'X' } else { b'x' }, b'0' + (mantissa >> 60 & 1) as u8]);
    mantissa <<= 4;
    let mut left = precision.unwrap_or(usize::from(mantissa != 0));
    if left > 0 {
        out.push(b'.');
    }
    while left > 0 {
        out.push(digits[(mantissa >> 60 & 15) as usize]);
        mantissa <<= 4;
        left = if precision.is_some() { left - 1 } else { usize::from(mantissa != 0) };
    }
    out.extend_from_slice(&[if upper { b'P' } else { b'p' }, if exponent < 0 { b'-' } else { b'+' }]);
    number(out, exponent.unsigned_abs(), 2);
}

fn number(out: &mut Vec<u8>, value: u32, digits: usize) {
    out.extend_from_slice(format!("{value:0digits$}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::format;

    fn check(value: f64, verb: u8, precision: Option<usize>, expect: &str) {
        assert_eq!(format(value, verb, precision), expect, "{value} {} {precision:?}", char::from(verb));
    }

    #[test]
    fn shortest_digits() {
        let table = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (100_000.0, "100000"),
            (1_000_000.0, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (123_456.789, "123456.789"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e21, "1e+21"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (1_302_845_740_032_421.2, "1.3028457400324212e+15"),
            (-79_289_238_871_486.12, "-7.928923887148612e+13"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ];
        for (value, expect) in table {
            check(value, b'g', None, expect);
        }
        check(1_234_567.0, b'f', None, "1234567");
        check(0.000_25, b'f', None, "0.00025");
        check(1_234_567.0, b'e', None, "1.234567e+06");
        check(0.0, b'e', None, "0e+00");
    }

    #[test]
    fn given_precision() {
        let table = [
            (2.5, b'f', 0, "2"),
            (0.5, b'f', 0, "0"),
            (1.5, b'f', 0, "2"),
            (0.125, b'f', 2, "0.12"),
            (1234.5678, b'f', 2, "1234.57"),
            (1234.5678, b'g', 3, "1.23e+03"),
            (1234.5678, b'G', 0, "1E+03"),
            (100.0, b'g', 10, "100"),
            (100_000.0, b'g', 3, "1e+05"),
            (0.0, b'g', 3, "0"),
            (1234.5678, b'e', 2, "1.23e+03"),
            (1e100, b'E', 0, "1E+100"),
            (0.1, b'f', 20, "0.10000000000000000555"),
        ];
        for (value, verb, precision, expect) in table {
            check(value, verb, Some(precision), expect);
        }
        assert_eq!(format(1.0, b'f', Some(3000)).len(), 3002);
    }

    #[test]
    fn powers_of_two() {
        check(1.0, b'b', None, "4503599627370496p-52");
        check(1.0, b'x', None, "0x1p+00");
        check(-0.1, b'x', None, "-0x1.999999999999ap-04");
        check(0.1, b'X', Some(3), "0X1.99AP-04");
        check(0.0, b'x', Some(2), "0x0.00p+00");
    }
}
