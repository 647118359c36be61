//! Exact decimals, as shopspring/decimal computes with them: an integer times a power of ten.

use masthead_gotmpl::float;
use num_bigint::{BigInt, Sign};

/// Digits behind the point that a division gives.
const DIVISION_PRECISION: i64 = 16;

/// `value * 10^exponent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    value: BigInt,
    exponent: i64,
}

impl Decimal {
    /// The shortest decimal that reads back as the float.
    pub fn from_float(number: f64) -> Result<Self, String> {
        if !number.is_finite() {
            let name = match (number.is_nan(), number > 0.0) {
                (true, _) => "NaN",
                (false, true) => "+Inf",
                (false, false) => "-Inf",
            };
            return Err(format!("Cannot create a Decimal from {name}"));
        }
        let text = float::format(number, b'e', None);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let fraction = mantissa.split_once('.').map_or(0, |(_, digits)| digits.len() as i64);
        let value = mantissa.replace('.', "").parse().unwrap_or_default();
        Ok(Self { value, exponent: exponent.parse::<i64>().unwrap_or(0) - fraction })
    }

    /// The float next to it.
    pub fn to_float(&self) -> f64 {
        format!("{}e{}", self.value, self.exponent).parse().unwrap_or(f64::NAN)
    }

    fn aligned(&self, other: &Self) -> (BigInt, BigInt, i64) {
        let exponent = self.exponent.min(other.exponent);
        let scaled = |decimal: &Self| &decimal.value * power(decimal.exponent - exponent);
        (scaled(self), scaled(other), exponent)
    }

    /// Sum.
    pub fn add(&self, other: &Self) -> Self {
        let (left, right, exponent) = self.aligned(other);
        Self { value: left + right, exponent }
    }

    /// Difference.
    pub fn sub(&self, other: &Self) -> Self {
        let (left, right, exponent) = self.aligned(other);
        Self { value: left - right, exponent }
    }

    /// Product.
    pub fn mul(&self, other: &Self) -> Self {
        Self { value: &self.value * &other.value, exponent: self.exponent + other.exponent }
    }

    /// Quotient to 16 digits behind the point, the last one rounded half away from zero.
    pub fn div(&self, other: &Self) -> Result<Self, String> {
        if other.value.sign() == Sign::NoSign {
            return Err("decimal division by 0".to_owned());
        }
        let shift = self.exponent - other.exponent + DIVISION_PRECISION;
        let mut numerator = self.value.clone();
        let mut denominator = other.value.clone();
        if shift >= 0 {
            numerator *= power(shift);
        } else {
            denominator *= power(-shift);
        }
        let mut quotient = &numerator / &denominator;
        let twice: BigInt = (&numerator % &denominator) * 2;
        if twice.magnitude() >= denominator.magnitude() {
            let same = (numerator.sign() == Sign::Minus) == (denominator.sign() == Sign::Minus);
            quotient += if same { 1 } else { -1 };
        }
        Ok(Self { value: quotient, exponent: -DIVISION_PRECISION })
    }
}

/// Powers are bounded by the floats that decimals come from, times the number of arguments.
fn power(exponent: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    #[test]
    fn sums_and_quotients_are_exact() {
        let of = |float| Decimal::from_float(float).unwrap();
        assert_eq!(of(0.1).add(&of(0.2)).to_float(), 0.3);
        assert_eq!(of(1.1).mul(&of(3.0)).to_float(), 3.3);
        assert_eq!(of(10.0).div(&of(3.0)).unwrap().to_float(), 3.3333333333333335);
        assert_eq!(of(-2.0).div(&of(3.0)).unwrap().to_float(), -0.6666666666666667);
        assert_eq!(of(1e300).div(&of(1e-8)).unwrap().to_float(), 1e308);
        assert_eq!(of(1.0).div(&of(0.0)), Err("decimal division by 0".to_owned()));
        assert_eq!(Decimal::from_float(f64::NAN), Err("Cannot create a Decimal from NaN".to_owned()));
    }
}
