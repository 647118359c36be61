//! Times as Kubernetes writes them: whole seconds and microseconds, in UTC.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

use crate::meta::civil;
use crate::schema::field::Shape;
use crate::schema::wire::Wire;

/// Seconds since 1970, written as `2006-01-02T15:04:05Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

/// Microseconds since 1970, written as `2006-01-02T15:04:05.000000Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MicroTime(pub i64);

impl Time {
    /// Reads RFC 3339; a fraction is cut.
    pub fn parse(text: &str) -> Option<Self> {
        civil::parse(text).map(|(seconds, _)| Self(seconds))
    }

    /// Whole seconds from `earlier` to this time; negative when it lies after.
    pub fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// The time some seconds later.
    #[must_use]
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

impl MicroTime {
    /// Reads RFC 3339; what is finer than a microsecond is cut.
    pub fn parse(text: &str) -> Option<Self> {
        let (seconds, micros) = civil::parse(text)?;
        Some(Self(seconds * 1_000_000 + micros))
    }

    /// The time in whole seconds.
    pub fn time(self) -> Time {
        Time(self.0.div_euclid(1_000_000))
    }
}

impl From<Time> for MicroTime {
    fn from(time: Time) -> Self {
        Self(time.0.saturating_mul(1_000_000))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}Z", civil::format_seconds(self.0))
    }
}

impl fmt::Display for MicroTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}Z", civil::format_seconds(self.0.div_euclid(1_000_000)), self.0.rem_euclid(1_000_000))
    }
}

macro_rules! as_text {
    ($($name:ident)*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| D::Error::custom(format_args!("{text:?} is not an RFC 3339 time")))
            }
        }

        impl Wire for $name {
            const SHAPE: Shape = Shape::$name;
        }
    )*};
}

as_text! { Time MicroTime }

#[cfg(test)]
mod tests {
    use super::{MicroTime, Time};

    #[test]
    fn json_goes_there_and_back() {
        let time: Time = serde_json::from_str("\"2026-11-21T08:38:00.9Z\"").unwrap();
        assert_eq!(serde_json::to_string(&time).unwrap(), "\"2026-11-21T08:38:00Z\"");
        let micro: MicroTime = serde_json::from_str("\"2026-11-21T08:38:00.9Z\"").unwrap();
        assert_eq!(serde_json::to_string(&micro).unwrap(), "\"2026-11-21T08:38:00.900000Z\"");
        assert_eq!(micro.time(), time);
        assert!(serde_json::from_str::<Time>("\"yesterday\"").is_err());
    }
}
