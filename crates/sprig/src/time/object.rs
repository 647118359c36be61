//! Moments, months, weekdays and durations as templates see them: the fields and methods of Go's types.

use std::any::Any;
use std::rc::Rc;

use masthead_gotmpl::function::{Call, Param, Signature};
use masthead_gotmpl::kind::{IntKind, Kind};
use masthead_gotmpl::object::Object;
use masthead_gotmpl::quote::quote;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

use super::civil;
use super::duration;
use super::format::{self, MONTHS, WEEKDAYS};
use super::moment::Moment;
use super::zone::Zone;
use crate::args;

/// A `time.Time`.
pub struct Time(pub Moment);

/// A named whole number: `time.Month`, `time.Weekday`, `time.Duration`.
struct Named {
    name: &'static str,
    kind: IntKind,
    value: i64,
}

const TIME: &str = "time.Time";
const DURATION: &str = "time.Duration";
const INT: Param = Param::Int(IntKind::Int);
const NONE: Signature = Signature { params: &[], variadic: None };
/// One `time.Duration`.
const SPAN: Signature = Signature { params: &[Param::Named(DURATION, IntKind::Int64)], variadic: None };

/// The value of a moment.
pub fn time(moment: Moment) -> Value {
    Value::Object(Rc::new(Time(moment)))
}

/// The moment behind a value.
pub fn moment(value: &Value) -> Option<&Moment> {
    value.downcast::<Time>().map(|time| &time.0)
}

fn named(name: &'static str, kind: IntKind, value: i64) -> Value {
    Value::Object(Rc::new(Named { name, kind, value }))
}

impl Object for Time {
    fn type_name(&self) -> &str {
        TIME
    }

    fn kind(&self) -> Kind {
        Kind::Struct
    }

    fn method(&self, name: &str) -> Option<Signature> {
        match name {
            "Year" | "Month" | "Day" | "Hour" | "Minute" | "Second" | "Nanosecond" | "Weekday" | "YearDay" | "Unix"
            | "UnixMilli" | "UnixMicro" | "UnixNano" | "IsZero" | "IsDST" | "UTC" | "Local" | "String" | "GoString"
            | "MarshalJSON" | "MarshalText" => Some(NONE),
            "Format" => Some(Signature { params: &[Param::Str], variadic: None }),
            "Add" | "Round" | "Truncate" => Some(SPAN),
            "AddDate" => Some(Signature { params: &[INT, INT, INT], variadic: None }),
            "Sub" | "After" | "Before" | "Equal" | "Compare" => {
                Some(Signature { params: &[Param::Struct(TIME)], variadic: None })
            }
            _ => None,
        }
    }

    fn call(&self, _: &mut Call<'_>, method: &str, a: &[Value]) -> Result<Value, String> {
        let moment = &self.0;
        let wall = moment.wall();
        let nanoseconds = i64::from(moment.nanoseconds);
        let other = || super::object::moment(args::at(a, 0)).cloned().unwrap_or_else(Moment::zero);
        let int64 = |value| Value::Int(IntKind::Int64, value);
        Ok(match method {
            "Year" => Value::int(wall.date.year),
            "Month" => named("time.Month", IntKind::Int, wall.date.month),
            "Day" => Value::int(wall.date.day),
            "Hour" => Value::int(wall.hour),
            "Minute" => Value::int(wall.minute),
            "Second" => Value::int(wall.second),
            "Nanosecond" => Value::int(nanoseconds),
            "Weekday" => named("time.Weekday", IntKind::Int, civil::weekday(wall.days)),
            "YearDay" => Value::int(civil::day_of_year(wall.date)),
            "Unix" => int64(moment.seconds),
            "UnixMilli" => int64(moment.seconds.wrapping_mul(1000).wrapping_add(nanoseconds / 1_000_000)),
            "UnixMicro" => int64(moment.seconds.wrapping_mul(1_000_000).wrapping_add(nanoseconds / 1000)),
            "UnixNano" => int64(moment.seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds)),
            "IsZero" => Value::Bool(moment.is_zero()),
            "IsDST" => Value::Bool(moment.zone.is_dst(moment.seconds)),
            "UTC" => time(moment.within(Zone::Utc)),
            "Local" => time(moment.within(Zone::Local)),
            "String" => Value::str(format::format(moment, format::STRING)),
            "GoString" => Value::from(go_string(moment)),
            "MarshalJSON" => Value::Bytes(Str::from(format!("\"{}\"", marshaled(moment, "MarshalJSON")?))),
            "MarshalText" => Value::Bytes(Str::from(marshaled(moment, "MarshalText")?)),
            "Format" => Value::str(format::format(moment, args::text(a, 0))),
            "Add" => time(moment.plus(args::int(a, 0))),
            "Truncate" => time(moment.plus(-moment.beyond(args::int(a, 0)))),
            "Round" => {
                let (step, beyond) = (args::int(a, 0), moment.beyond(args::int(a, 0)));
                time(moment.plus(if beyond + beyond < step { -beyond } else { step - beyond }))
            }
            "AddDate" => {
                let date = wall.date;
                let year = date.year.saturating_add(args::int(a, 0).clamp(-1_000_000, 1_000_000));
                let month = date.month.saturating_add(args::int(a, 1).clamp(-12_000_000, 12_000_000));
                let day = args::int(a, 2).clamp(-400_000_000, 400_000_000);
                let days = civil::days_of(year, month, date.day) + day;
                let of_day = wall.hour * 3600 + wall.minute * 60 + wall.second;
                time(Moment::of_wall(days, of_day, moment.nanoseconds, moment.zone.clone()))
            }
            "Sub" => named(DURATION, IntKind::Int64, moment.since(&other())),
            "After" => Value::Bool(moment.since(&other()) > 0),
            "Before" => Value::Bool(moment.since(&other()) < 0),
            "Compare" => Value::int(moment.since(&other()).signum()),
            _ => Value::Bool(moment.since(&other()) == 0),
        })
    }

    fn string(&self) -> Option<String> {
        Some(String::from_utf8_lossy(&format::format(&self.0, format::STRING)).into_owned())
    }

    fn go_string(&self) -> Option<String> {
        Some(go_string(&self.0))
    }

    fn to_json(&self) -> Result<serde_json::Value, String> {
        let text = marshaled(&self.0, "MarshalJSON")
            .map_err(|error| format!("json: error calling MarshalJSON for type time.Time: {error}"))?;
        Ok(serde_json::Value::String(text))
    }

    fn equals(&self, other: &dyn Object) -> Option<bool> {
        let other = &other.as_any().downcast_ref::<Self>()?.0;
        Some(self.0.since(other) == 0 && self.0.zone.name() == other.zone.name())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What `MarshalJSON` and `MarshalText` write.
fn marshaled(moment: &Moment, method: &str) -> Result<String, String> {
    if !(0..=9999).contains(&moment.wall().date.year) {
        return Err(format!("Time.{method}: year outside of range [0,9999]"));
    }
    if moment.offset().1.abs() >= 86_400 {
        return Err(format!("Time.{method}: timezone hour outside of range [0,23]"));
    }
    Ok(String::from_utf8_lossy(&format::format(moment, format::RFC3339_NANO)).into_owned())
}

/// `Time.GoString`: a call that makes the moment.
fn go_string(moment: &Moment) -> String {
    let wall = moment.wall();
    let place = match &moment.zone {
        Zone::Utc => "time.UTC".to_owned(),
        Zone::Local => "time.Local".to_owned(),
        zone => format!("time.Location({})", quote(zone.name().as_bytes())),
    };
    let month = usize::try_from(wall.date.month - 1).ok().and_then(|index| MONTHS.get(index)).unwrap_or(&"");
    format!(
        "time.Date({}, time.{month}, {}, {}, {}, {}, {}, {place})",
        wall.date.year, wall.date.day, wall.hour, wall.minute, wall.second, moment.nanoseconds
    )
}

impl Object for Named {
    fn type_name(&self) -> &str {
        self.name
    }

    fn kind(&self) -> Kind {
        Kind::Int(self.kind)
    }

    fn method(&self, name: &str) -> Option<Signature> {
        if self.name == DURATION && matches!(name, "Round" | "Truncate") {
            return Some(SPAN);
        }
        let known = match self.name {
            DURATION => matches!(
                name,
                "String" | "Hours" | "Minutes" | "Seconds" | "Milliseconds" | "Microseconds" | "Nanoseconds" | "Abs"
            ),
            _ => name == "String",
        };
        known.then_some(NONE)
    }

    fn call(&self, _: &mut Call<'_>, method: &str, a: &[Value]) -> Result<Value, String> {
        let value = self.value;
        let float = |unit: u64| Value::Float(value as f64 / unit as f64);
        let whole = |unit: i64| Value::Int(IntKind::Int64, value / unit);
        Ok(match method {
            "Hours" => float(duration::HOUR),
            "Minutes" => float(duration::MINUTE),
            "Seconds" => float(duration::SECOND),
            "Milliseconds" => whole(1_000_000),
            "Microseconds" => whole(1000),
            "Nanoseconds" => whole(1),
            "Round" => named(self.name, self.kind, duration::round(value, args::int(a, 0))),
            "Truncate" => named(self.name, self.kind, duration::truncate(value, args::int(a, 0))),
            "Abs" => named(self.name, self.kind, value.saturating_abs()),
            _ => Value::from(self.string().unwrap_or_default()),
        })
    }

    fn string(&self) -> Option<String> {
        let index = usize::try_from(self.value).unwrap_or(usize::MAX);
        let known = |name: Option<&&str>, typ: &str| {
            name.map_or_else(|| format!("%!{typ}({})", self.value as u64), |name| (*name).to_owned())
        };
        Some(match self.name {
            "time.Month" => known(MONTHS.get(index.wrapping_sub(1)), "Month"),
            "time.Weekday" => known(WEEKDAYS.get(index), "Weekday"),
            _ => duration::format(self.value),
        })
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::Int(self.kind, self.value))
    }

    fn renumbered(&self, number: i64) -> Option<Value> {
        Some(named(self.name, self.kind, number))
    }

    fn to_json(&self) -> Result<serde_json::Value, String> {
        Ok(serde_json::Value::from(self.value))
    }

    fn equals(&self, other: &dyn Object) -> Option<bool> {
        let other = other.as_any().downcast_ref::<Self>()?;
        Some(self.name == other.name && self.value == other.value)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
