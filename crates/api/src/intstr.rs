//! A count or a percentage in, a number of things out.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::schema::field::Shape;
use crate::schema::wire::Wire;

/// A JSON number or a JSON string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntOrString {
    /// A number.
    Int(i32),
    /// Any text; what it means depends on the field: a percentage, or the name of a port.
    String(String),
}

impl Default for IntOrString {
    fn default() -> Self {
        Self::Int(0)
    }
}

/// Which way a part of a thing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// To the next greater number.
    Up,
    /// To the next smaller number.
    Down,
}

impl IntOrString {
    /// The number before a `%` sign, when the text is a percentage without sign and fraction.
    pub fn percent(&self) -> Option<i32> {
        match self {
            Self::Int(_) => None,
            Self::String(text) => text.strip_suffix('%')?.parse().ok(),
        }
    }

    /// The number itself, or that percentage of `total`; `None` when the text is no percentage.
    pub fn scaled(&self, total: i32, round: Round) -> Option<i32> {
        if let Self::Int(n) = self {
            return Some(*n);
        }
        let part = i64::from(self.percent()?) * i64::from(total);
        let whole = match round {
            Round::Up => part.div_euclid(100) + i64::from(part.rem_euclid(100) != 0),
            Round::Down => part.div_euclid(100),
        };
        Some(i32::try_from(whole).unwrap_or(if whole < 0 { i32::MIN } else { i32::MAX }))
    }
}

impl From<i32> for IntOrString {
    fn from(n: i32) -> Self {
        Self::Int(n)
    }
}

impl From<&str> for IntOrString {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl fmt::Display for IntOrString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(n) => n.fmt(f),
            Self::String(text) => text.fmt(f),
        }
    }
}

impl Serialize for IntOrString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int(n) => serializer.serialize_i32(*n),
            Self::String(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for IntOrString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = IntOrString;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a 32-bit number or a string")
            }
            fn visit_i64<E: Error>(self, n: i64) -> Result<IntOrString, E> {
                i32::try_from(n)
                    .map(IntOrString::Int)
                    .map_err(|_| E::custom(format_args!("{n} does not fit in 32 bits")))
            }
            fn visit_u64<E: Error>(self, n: u64) -> Result<IntOrString, E> {
                i32::try_from(n)
                    .map(IntOrString::Int)
                    .map_err(|_| E::custom(format_args!("{n} does not fit in 32 bits")))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<IntOrString, E> {
                Ok(text.into())
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Wire for IntOrString {
    const SHAPE: Shape = Shape::IntOrString;
}

#[cfg(test)]
mod tests {
    use super::{IntOrString, Round};

    #[test]
    fn percentages_scale() {
        let check = |value: IntOrString, total, up, down| {
            assert_eq!(value.scaled(total, Round::Up), up, "{value} of {total} up");
            assert_eq!(value.scaled(total, Round::Down), down, "{value} of {total} down");
        };
        check(3.into(), 10, Some(3), Some(3));
        check("25%".into(), 10, Some(3), Some(2));
        check("0%".into(), 10, Some(0), Some(0));
        check("100%".into(), 7, Some(7), Some(7));
        check("http".into(), 7, None, None);
        check("%".into(), 7, None, None);
        check("2000000000%".into(), i32::MAX, Some(i32::MAX), Some(i32::MAX));
    }
}
