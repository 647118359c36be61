//! Dates and durations. The time is the render's; the local zone is UTC; other zones come from the carried database.

use masthead_gotmpl::function::{Call, Function, Param};
use masthead_gotmpl::kind::IntKind;
use masthead_gotmpl::value::Value;

use crate::args::{at, lossy, text};
use crate::golang::number;
use crate::host;
use crate::signature::fixed;
use crate::time::duration::{self, HOUR, MINUTE, SECOND};
use crate::time::moment::Moment;
use crate::time::object::{moment, time};
use crate::time::zone::Zone;
use crate::time::{format, parse};

const S: Param = Param::Str;
const ANY: Param = Param::Any;
const TIME: Param = Param::Struct("time.Time");

/// `now`, `date`, `dateModify`, `ago` and their kind.
pub static FUNCTIONS: [Function; 16] = [
    fixed("now", &[], |call, _| host::now(call).map(time)),
    fixed("date", &[S, ANY], |call, a| in_zone(call, text(a, 0), at(a, 1), "Local")),
    fixed("dateInZone", &[S, ANY, S], |call, a| in_zone(call, text(a, 0), at(a, 1), &lossy(a, 2))),
    fixed("date_in_zone", &[S, ANY, S], |call, a| in_zone(call, text(a, 0), at(a, 1), &lossy(a, 2))),
    fixed("htmlDate", &[ANY], |call, a| in_zone(call, b"2006-01-02", at(a, 0), "Local")),
    fixed("htmlDateInZone", &[ANY, S], |call, a| in_zone(call, b"2006-01-02", at(a, 0), &lossy(a, 1))),
    fixed("dateModify", &[S, TIME], modify),
    fixed("date_modify", &[S, TIME], modify),
    fixed("mustDateModify", &[S, TIME], must_modify),
    fixed("must_date_modify", &[S, TIME], must_modify),
    fixed("toDate", &[S, S], |_, a| Ok(time(parse::parse(text(a, 0), text(a, 1)).unwrap_or_else(|_| Moment::zero())))),
    fixed("mustToDate", &[S, S], |_, a| parse::parse(text(a, 0), text(a, 1)).map(time)),
    fixed("unixEpoch", &[TIME], |_, a| {
        Ok(Value::from(moment(at(a, 0)).map_or(0, |moment| moment.seconds).to_string()))
    }),
    fixed("ago", &[ANY], |call, a| {
        let now = host::now(call)?;
        let then = match at(a, 0) {
            Value::Int(IntKind::Int | IntKind::Int64, seconds) => Moment::from_unix(*seconds, 0),
            value => moment(value).cloned().unwrap_or_else(|| now.clone()),
        };
        Ok(Value::from(duration::format(rounded(now.since(&then)))))
    }),
    fixed("duration", &[ANY], |_, a| {
        let seconds = match at(a, 0) {
            Value::Str(text) => number::parse_int_lenient(text.as_bytes(), 10),
            Value::Int(IntKind::Int64, seconds) => *seconds,
            _ => 0,
        };
        Ok(Value::from(duration::format(seconds.wrapping_mul(SECOND.cast_signed()))))
    }),
    fixed("durationRound", &[ANY], |call, a| {
        let length = match at(a, 0) {
            Value::Str(text) => duration::parse(text.as_bytes()).unwrap_or(0),
            Value::Int(IntKind::Int64, length) => *length,
            value => match moment(value) {
                Some(then) => host::now(call)?.since(then),
                None => 0,
            },
        };
        Ok(Value::from(largest_unit(length.unsigned_abs())))
    }),
];

/// sprig's `dateInZone`: what is neither a time nor an int, int32 or int64 is now; an unknown zone is UTC.
fn in_zone(call: &mut Call<'_>, layout: &[u8], date: &Value, zone: &str) -> Result<Value, String> {
    let then = match date {
        Value::Int(IntKind::Int | IntKind::Int32 | IntKind::Int64, seconds) => Moment::from_unix(*seconds, 0),
        value => match moment(value) {
            Some(moment) => moment.clone(),
            None => host::now(call)?,
        },
    };
    let zone = Zone::load(zone).unwrap_or(Zone::Utc);
    Ok(Value::str(format::format(&then.within(zone), layout)))
}

fn modify(_: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    match (duration::parse(text(a, 0)), moment(at(a, 1))) {
        (Ok(length), Some(moment)) => Ok(time(moment.plus(length))),
        _ => Ok(at(a, 1).clone()),
    }
}

fn must_modify(_: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let length = duration::parse(text(a, 0))?;
    Ok(moment(at(a, 1)).map_or(Value::Nil, |moment| time(moment.plus(length))))
}

/// `Duration.Round(time.Second)`.
fn rounded(length: i64) -> i64 {
    let second = SECOND.cast_signed();
    let beyond = length % second;
    let down = length - beyond;
    if beyond.abs() * 2 < second { down } else { down.saturating_add(second * length.signum()) }
}

fn largest_unit(length: u64) -> String {
    let day = 24 * HOUR;
    let units = [(365 * day, "y"), (30 * day, "mo"), (day, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s")];
    units
        .into_iter()
        .find(|(unit, _)| length > *unit)
        .map_or_else(|| "0s".to_owned(), |(unit, name)| format!("{}{name}", length / unit))
}
