//! Amounts of a resource: Kubernetes' quantity text to a number of billionths and back in canonical form.

use std::cmp::Ordering;
use std::fmt;
use std::iter::Sum;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::schema::field::Shape;
use crate::schema::wire::Wire;

/// Why text is not a quantity, in Kubernetes' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a number followed by letters.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// The digits are no number.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// The letters are no known unit.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// How a quantity was written, and is written again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `12e6`
    DecimalExponent,
    /// `12Mi`
    BinarySi,
    /// `12M`
    #[default]
    DecimalSi,
}

/// A fixed-point amount, exact to 10⁻⁹. Equality and order look at the amount only.
#[derive(Clone, Copy, Default)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

const NANO: i128 = 1_000_000_000;
/// What longer numbers are cut to: 2⁶³-1 units, as in Go.
const CAP: i128 = i64::MAX as i128 * NANO;
/// Binary units by their power of 1024.
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// Decimal units by their power of 1000, from 10⁻⁹ on.
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

/// The factor a suffix stands for.
enum Scale {
    Two(u32),
    Ten(i32),
}

impl Quantity {
    /// A whole number of units.
    pub fn new(units: i64) -> Self {
        Self { nanos: i128::from(units) * NANO, format: Format::DecimalSi }
    }

    /// A number of thousandths, as CPU is counted.
    pub fn from_milli(milli: i64) -> Self {
        Self { nanos: i128::from(milli) * 1_000_000, format: Format::DecimalSi }
    }

    /// A number of bytes, written with binary units.
    pub fn from_bytes(bytes: i64) -> Self {
        Self { nanos: i128::from(bytes) * NANO, format: Format::BinarySi }
    }

    /// Reads `[+-]digits[.digits][suffix]`; what is finer than 10⁻⁹ rounds away from zero.
    ///
    /// # Errors
    /// The text is no quantity.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::Format);
        }
        let (negative, rest) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, rest) = rest.split_at(digits(rest));
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(digits(rest)),
            None => ("", rest),
        };
        let letters = rest.bytes().take_while(|b| b"eEinumkKMGTP".contains(b)).count();
        let after = &rest[letters..];
        let after = after.strip_prefix(['+', '-']).unwrap_or(after);
        if digits(after) != after.len() {
            return Err(Error::Format);
        }
        let (scale, format) = Self::suffix(rest)?;
        let magnitude = Self::magnitude(whole, fraction, &scale);
        Ok(Self { nanos: if negative { -magnitude } else { magnitude }, format })
    }

    fn suffix(text: &str) -> Result<(Scale, Format), Error> {
        if let Some(power) = BINARY.iter().skip(1).position(|unit| *unit == text) {
            return Ok((Scale::Two(10 * (power as u32 + 1)), Format::BinarySi));
        }
        if let Some(power) = DECIMAL.iter().position(|unit| *unit == text) {
            return Ok((Scale::Ten(3 * power as i32 - 9), Format::DecimalSi));
        }
        match text.strip_prefix(['e', 'E']).map(str::parse::<i32>) {
            Some(Ok(exponent)) => Ok((Scale::Ten(exponent), Format::DecimalExponent)),
            _ => Err(Error::Suffix),
        }
    }

    /// Billionths of `whole.fraction * scale`, rounded up and capped.
    fn magnitude(whole: &str, fraction: &str, scale: &Scale) -> i128 {
        let places = fraction.len() as i64;
        let mut n: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            match n.checked_mul(10).and_then(|n| n.checked_add(i128::from(digit - b'0'))) {
                // Beyond 38 digits only the size matters, and no scale brings it back under the cap but a tiny one.
                None => return if fraction.len() > 30 { Self::magnitude(whole, &fraction[..20], scale) } else { CAP },
                Some(next) => n = next,
            }
        }
        if n == 0 {
            return 0;
        }
        let (factor, exponent) = match scale {
            Scale::Two(bits) => (1i128 << bits, -places),
            Scale::Ten(exponent) => (1, i64::from(*exponent) - places),
        };
        let Some(mut n) = n.checked_mul(factor) else { return CAP };
        let mut exponent = exponent + 9;
        while exponent > 0 {
            let Some(next) = n.checked_mul(10) else { return CAP };
            n = next;
            exponent -= 1;
        }
        let mut inexact = false;
        while exponent < 0 && n > 0 {
            inexact |= n % 10 != 0;
            n /= 10;
            exponent += 1;
        }
        n += i128::from(inexact);
        // Short numbers are not capped in Go either: 15E stays 15E.
        if whole.len() + fraction.len() > 18 { n.min(CAP) } else { n }
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// -1, 0 or 1.
    pub fn sign(&self) -> i32 {
        self.nanos.signum() as i32
    }

    /// Whole units, rounded away from zero, kept within 64 bits.
    pub fn value(&self) -> i64 {
        self.scaled(NANO)
    }

    /// Thousandths, rounded away from zero, kept within 64 bits.
    pub fn milli(&self) -> i64 {
        self.scaled(1_000_000)
    }

    fn scaled(&self, unit: i128) -> i64 {
        let whole = self.nanos / unit + i128::from(self.nanos % unit != 0) * self.nanos.signum();
        i64::try_from(whole).unwrap_or(if whole < 0 { i64::MIN } else { i64::MAX })
    }

    /// Whether it is a whole number of units.
    pub fn is_whole(&self) -> bool {
        self.nanos % NANO == 0
    }

    /// Whether it is a whole number of thousandths.
    pub fn is_whole_milli(&self) -> bool {
        self.nanos % 1_000_000 == 0
    }

    /// The same amount rounded up to a multiple of 10⁻³, as stored requests and limits are.
    #[must_use]
    pub fn rounded_to_milli(self) -> Self {
        let milli = self.nanos.div_euclid(1_000_000) + i128::from(self.nanos.rem_euclid(1_000_000) != 0);
        Self { nanos: milli * 1_000_000, format: self.format }
    }

    /// The sum; zero takes the other's way of writing.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "an operator would hide that zero takes the other's format")]
    pub fn add(self, other: Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        Self { nanos: self.nanos.saturating_add(other.nanos), format }
    }

    /// The difference; zero takes the other's way of writing.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "an operator would hide that zero takes the other's format")]
    pub fn sub(self, other: Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        Self { nanos: self.nanos.saturating_sub(other.nanos), format }
    }

    /// How it is written.
    pub fn format(&self) -> Format {
        self.format
    }
}

impl Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), Self::add)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Quantity {
    /// The canonical form: the largest unit that needs no fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let binary = self.format == Format::BinarySi && self.is_whole() && self.nanos.abs() >= 1024 * NANO;
        if binary {
            let (mut n, mut power) = (self.nanos / NANO, 0);
            while n % 1024 == 0 && power < BINARY.len() - 1 {
                n /= 1024;
                power += 1;
            }
            return write!(f, "{n}{}", BINARY[power]);
        }
        let (mut n, mut power) = (self.nanos, 0);
        while n % 1000 == 0 && power < DECIMAL.len() - 1 {
            n /= 1000;
            power += 1;
        }
        let exponent = 3 * power as i32 - 9;
        match self.format {
            Format::DecimalExponent if exponent != 0 => write!(f, "{n}e{exponent}"),
            Format::DecimalExponent => write!(f, "{n}"),
            _ => write!(f, "{n}{}", DECIMAL[power]),
        }
    }
}

impl std::str::FromStr for Quantity {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity")
            }
            fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Quantity, E> {
                Ok(Quantity::new(n))
            }
            fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Quantity, E> {
                self.visit_str(&n.to_string())
            }
            fn visit_f64<E: serde::de::Error>(self, n: f64) -> Result<Quantity, E> {
                self.visit_str(&n.to_string())
            }
            fn visit_unit<E: serde::de::Error>(self) -> Result<Quantity, E> {
                Ok(Quantity::default())
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quantity, E> {
                Quantity::parse(text.trim()).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Wire for Quantity {
    const SHAPE: Shape = Shape::Quantity;
}

#[cfg(test)]
mod tests {
    use super::{Error, Quantity};

    #[test]
    fn texts_become_canonical() {
        for (text, expect) in [
            ("0", "0"),
            ("0Gi", "0"),
            ("1", "1"),
            ("01", "1"),
            ("+5", "5"),
            ("-5", "-5"),
            (".5", "500m"),
            ("0.5", "500m"),
            ("1.5", "1500m"),
            ("1500m", "1500m"),
            ("2000m", "2"),
            ("100M", "100M"),
            ("1000M", "1G"),
            ("1Gi", "1Gi"),
            ("1024Mi", "1Gi"),
            ("1000Mi", "1000Mi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Gi", "512Mi"),
            ("0.5Ki", "512"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("12e6", "12e6"),
            ("100e-3", "100e-3"),
            ("1.5e3", "1500"),
            ("5E", "5E"),
            ("15E", "15E"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("1.0000000001", "1000000001n"),
            ("9999999999999999999999", "9223372036854775807"),
            ("100000", "100k"),
            ("1.1Ki", "1126400m"),
        ] {
            assert_eq!(Quantity::parse(text).map(|q| q.to_string()).as_deref(), Ok(expect), "{text}");
        }
    }

    #[test]
    fn canonical_text_is_a_fixed_point() {
        let mut seed = 42u64;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let unit = ["", "m", "k", "M", "Ki", "Mi", "Gi", "e3", "u"][(seed >> 33) as usize % 9];
            let text = format!("{}{unit}", (seed >> 40) as i64 - 8_000_000);
            let once = Quantity::parse(&text).unwrap();
            let twice = Quantity::parse(&once.to_string()).unwrap();
            assert_eq!((once, once.to_string()), (twice, twice.to_string()), "{text}");
        }
    }

    #[test]
    fn faults_have_kubernetes_words() {
        for (text, expect) in [
            ("", Error::Format),
            ("1.1.M", Error::Format),
            ("1 Gi", Error::Format),
            ("aoeu", Error::Format),
            ("1i", Error::Suffix),
            ("10MB", Error::Format),
            ("1mi", Error::Suffix),
            ("1e", Error::Suffix),
        ] {
            assert_eq!(Quantity::parse(text), Err(expect), "{text}");
        }
    }

    #[test]
    fn numbers_round_up() {
        let q = |text| Quantity::parse(text).unwrap();
        assert_eq!((q("100m").value(), q("1500m").value(), q("-1500m").value()), (1, 2, -2));
        assert_eq!((q("1.0001").milli(), q("2").milli()), (1001, 2000));
        assert_eq!(q("100m").add(q("1")).to_string(), "1100m");
        assert_eq!(q("0").add(q("1Gi")).to_string(), "1Gi");
        assert!(q("1Gi") > q("1G") && q("1024") == q("1Ki"));
    }
}
