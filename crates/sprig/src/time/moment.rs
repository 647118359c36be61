//! A moment with its zone: Go's `time.Time`.

use super::civil::{self, Date};
use super::zone::Zone;

/// Go's zero time, 1 January of year 1, in seconds since 1970.
pub const ZERO_S: i64 = -62_135_596_800;

/// A moment, and the zone in which it is shown.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Since 1970.
    pub seconds: i64,
    /// From 0 to 999,999,999.
    pub nanoseconds: u32,
    /// Where it is shown.
    pub zone: Zone,
}

/// What a clock and a calendar on the wall show.
#[derive(Clone, Copy, Debug)]
pub struct Wall {
    /// The day.
    pub date: Date,
    /// Days since 1970.
    pub days: i64,
    /// From 0 to 23.
    pub hour: i64,
    /// From 0 to 59.
    pub minute: i64,
    /// From 0 to 59.
    pub second: i64,
}

impl Moment {
    /// A moment, seen from where the program runs.
    pub fn from_unix(seconds: i64, nanoseconds: u32) -> Self {
        Self { seconds, nanoseconds: nanoseconds.min(999_999_999), zone: Zone::Local }
    }

    /// Go's zero time.
    pub fn zero() -> Self {
        Self::from_unix(ZERO_S, 0).within(Zone::Utc)
    }

    /// Whether it is Go's zero time.
    pub fn is_zero(&self) -> bool {
        (self.seconds, self.nanoseconds) == (ZERO_S, 0)
    }

    /// The same moment seen from another zone.
    pub fn within(&self, zone: Zone) -> Self {
        Self { zone, ..self.clone() }
    }

    /// The moment that a wall shows in a zone, as Go's `time.Date`.
    pub fn of_wall(days: i64, second_of_day: i64, nanoseconds: u32, zone: Zone) -> Self {
        let local = days.saturating_mul(86_400).saturating_add(second_of_day);
        let offset = match zone.at(local).1 {
            0 => 0,
            // Near a change of offset the first answer is off by one zone.
            guess => zone.at(local - guess).1,
        };
        Self { seconds: local - offset, nanoseconds, zone }
    }

    /// Later by nanoseconds.
    pub fn plus(&self, nanoseconds: i64) -> Self {
        let whole = nanoseconds.div_euclid(1_000_000_000);
        let sum = i64::from(self.nanoseconds) + nanoseconds.rem_euclid(1_000_000_000);
        let seconds = self.seconds.saturating_add(whole).saturating_add(sum / 1_000_000_000);
        let nanoseconds = u32::try_from(sum % 1_000_000_000).unwrap_or(0);
        Self { seconds, nanoseconds, zone: self.zone.clone() }
    }

    /// Nanoseconds since another moment, held at the bounds of 64 bits as Go's `Sub`.
    pub fn since(&self, other: &Self) -> i64 {
        let seconds = i128::from(self.seconds) - i128::from(other.seconds);
        let total = seconds * 1_000_000_000 + i128::from(self.nanoseconds) - i128::from(other.nanoseconds);
        i64::try_from(total).unwrap_or(if total < 0 { i64::MIN } else { i64::MAX })
    }

    /// Name and offset of its zone.
    pub fn offset(&self) -> (String, i64) {
        self.zone.at(self.seconds)
    }

    /// Nanoseconds since the last multiple of a step, counted from Go's zero time; 0 for a step that is none.
    pub fn beyond(&self, step: i64) -> i64 {
        if step <= 0 {
            return 0;
        }
        let total = (i128::from(self.seconds) - i128::from(ZERO_S)) * 1_000_000_000 + i128::from(self.nanoseconds);
        i64::try_from(total.rem_euclid(i128::from(step))).unwrap_or(0)
    }

    /// What a clock in its zone shows.
    pub fn wall(&self) -> Wall {
        let local = self.seconds.saturating_add(self.offset().1);
        let days = local.div_euclid(86_400);
        let of_day = local.rem_euclid(86_400);
        Wall { date: civil::date_of(days), days, hour: of_day / 3600, minute: of_day / 60 % 60, second: of_day % 60 }
    }
}
