//! Numbers compared and divided as exactly as they are written, and printed as the schema library's messages print them.

use std::cmp::Ordering;

use masthead_gotmpl::float;

/// A decimal number: `digits * 10^exponent`.
#[derive(Debug, Clone, PartialEq)]
pub struct Decimal {
    negative: bool,
    /// No zeros in front or behind; empty for zero.
    digits: Vec<u8>,
    exponent: i64,
}

/// Exponents past this count as no number; Go's would take the memory to write them out.
const EXPONENT_MAX: i64 = 100_000;

impl Decimal {
    /// Reads `-12.5e3`; none for anything else.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], rest[at + 1..].parse::<i64>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() || exponent.abs() > EXPONENT_MAX {
            return None;
        }
        let mut digits = Vec::with_capacity(mantissa.len());
        for byte in whole.bytes().chain(fraction.bytes()) {
            digits.push(char::from(byte).to_digit(10)? as u8);
        }
        Some(Decimal { negative, digits, exponent: exponent - fraction.len() as i64 }.tidy())
    }

    fn tidy(mut self) -> Decimal {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
            self.exponent += 1;
        }
        let zeros = self.digits.iter().take_while(|digit| **digit == 0).count();
        self.digits.drain(..zeros);
        if self.digits.is_empty() {
            self.negative = false;
            self.exponent = 0;
        }
        self
    }

    /// Has it no fraction?
    pub fn is_whole(&self) -> bool {
        self.exponent >= 0
    }

    /// The whole number, where it fits.
    pub fn to_int(&self) -> Option<i64> {
        if !self.is_whole() || self.digits.len() as i64 + self.exponent > 19 {
            return None;
        }
        let mut value: i64 = 0;
        for digit in self.digits.iter().copied().chain(std::iter::repeat_n(0, self.exponent as usize)) {
            value = value.checked_mul(10)?.checked_add(i64::from(digit))?;
        }
        Some(if self.negative { -value } else { value })
    }

    /// The nearest float.
    pub fn to_f64(&self) -> f64 {
        let digits: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let text = format!(
            "{}{}e{}",
            if self.negative { "-" } else { "" },
            if digits.is_empty() { "0" } else { &digits },
            self.exponent
        );
        text.parse().unwrap_or(f64::NAN)
    }

    /// Whether it is a whole multiple of another.
    pub fn is_multiple_of(&self, other: &Decimal) -> bool {
        if self.digits.is_empty() {
            return true;
        }
        if other.digits.is_empty() {
            return false;
        }
        // Both become whole numbers of the smaller unit; the remainder is taken digit by digit.
        let unit = self.exponent.min(other.exponent);
        let Some(divisor) = whole(&other.digits, other.exponent - unit) else {
            return self.digits == other.digits && self.exponent == other.exponent;
        };
        let mut rest: u128 = 0;
        for digit in self.digits.iter().copied().chain(std::iter::repeat_n(0, (self.exponent - unit) as usize)) {
            rest = (rest * 10 + u128::from(digit)) % divisor;
        }
        rest == 0
    }
}

/// The digits with zeros behind, where they stay small enough to be multiplied by ten once more.
fn whole(digits: &[u8], zeros: i64) -> Option<u128> {
    if digits.len() as i64 + zeros > 36 {
        return None;
    }
    Some(
        digits
            .iter()
            .copied()
            .chain(std::iter::repeat_n(0, zeros as usize))
            .fold(0, |value, digit| value * 10 + u128::from(digit)),
    )
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        let zero = |number: &Decimal| number.digits.is_empty();
        let sign = |number: &Decimal| {
            if zero(number) {
                0
            } else if number.negative {
                -1
            } else {
                1
            }
        };
        let signs = sign(self).cmp(&sign(other));
        if signs != Ordering::Equal || zero(self) {
            return Some(signs);
        }
        let top = |number: &Decimal| number.digits.len() as i64 + number.exponent;
        let size = top(self).cmp(&top(other)).then_with(|| self.digits.cmp(&other.digits));
        Some(if self.negative { size.reverse() } else { size })
    }
}

/// A float as `%v` of golang.org/x/text prints it in English: `70,000`, `1.5×10⁰⁷`.
pub(crate) fn english(value: f64) -> String {
    let text = float::shortest(value);
    if let Some((mantissa, exponent)) = text.split_once('e') {
        let exponent: String = exponent.chars().filter_map(superscript).collect();
        return format!("{mantissa}×10{exponent}");
    }
    let (sign, rest) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, fraction) = rest.find('.').map_or((rest, ""), |at| rest.split_at(at));
    if !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return text;
    }
    format!("{sign}{}{fraction}", grouped(whole))
}

/// A whole number with commas.
pub(crate) fn english_int(value: i64) -> String {
    let text = value.unsigned_abs().to_string();
    format!("{}{}", if value < 0 { "-" } else { "" }, grouped(&text))
}

fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn superscript(c: char) -> Option<char> {
    Some(match c {
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4'..='9' => char::from_u32(0x2074 + (u32::from(c) - u32::from('4')))?,
        '-' => '⁻',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Decimal, english, english_int};

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).expect(text)
    }

    #[test]
    fn exact_where_floats_are_not() {
        assert!(number("0.3").is_multiple_of(&number("0.1")));
        assert!(!number("0.35").is_multiple_of(&number("0.1")));
        assert!(!number("1e20").is_multiple_of(&number("3e19")));
        assert!(number("9007199254740993") > number("9007199254740992"));
        assert!(number("-2") < number("-1.5") && number("-1.5") < number("0") && number("0.0") < number("1e-9"));
        assert_eq!(number("1.50"), number("15e-1"));
        assert_eq!((number("1e3").to_int(), number("1.5").to_int()), (Some(1000), None));
        assert!(Decimal::parse("x").is_none() && Decimal::parse("1e999999999").is_none());
    }

    /// Every expectation was printed by golang.org/x/text.
    #[test]
    fn numbers_in_messages() {
        for (value, expect) in [
            (0.0, "0"),
            (-5.0, "-5"),
            (70000.0, "70,000"),
            (1_234_567.0, "1.234567×10⁰⁶"),
            (1e21, "1×10²¹"),
            (1.5e300, "1.5×10³⁰⁰"),
            (0.0001, "0.0001"),
            (0.00001, "1×10⁻⁰⁵"),
            (1234.5, "1,234.5"),
            (-1_234_567.891, "-1.234567891×10⁰⁶"),
        ] {
            assert_eq!(english(value), expect);
        }
        assert_eq!((english_int(1000), english_int(-1_234_567)), ("1,000".to_owned(), "-1,234,567".to_owned()));
    }
}
