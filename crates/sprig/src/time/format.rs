//! A moment and a Go layout to text.

use super::civil;
use super::layout::{self, Element, Offset};
use super::moment::Moment;

/// Names of months.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Names of days, from Sunday.
pub const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// The layout of JSON.
pub const RFC3339_NANO: &[u8] = b"2006-01-02T15:04:05.999999999Z07:00";
/// The layout of `Time.String`.
pub const STRING: &[u8] = b"2006-01-02 15:04:05.999999999 -0700 MST";

/// `Time.Format`.
pub fn format(moment: &Moment, layout: &[u8]) -> Vec<u8> {
    let wall = moment.wall();
    let (name, offset) = moment.offset();
    let mut out = Vec::with_capacity(layout.len() + 10);
    let mut rest = layout;
    loop {
        let (prefix, element, suffix) = layout::next(rest);
        out.extend_from_slice(prefix);
        let Some(element) = element else { return out };
        rest = suffix;
        let date = wall.date;
        let text = match element {
            Element::Year => padded(date.year.abs() % 100, 2),
            Element::LongYear => padded(date.year, 4),
            Element::LongMonth => MONTHS[index(date.month - 1, 12)].to_owned(),
            Element::Month => MONTHS[index(date.month - 1, 12)][..3].to_owned(),
            Element::NumMonth => date.month.to_string(),
            Element::ZeroMonth => padded(date.month, 2),
            Element::LongWeekDay => WEEKDAYS[index(civil::weekday(wall.days), 7)].to_owned(),
            Element::WeekDay => WEEKDAYS[index(civil::weekday(wall.days), 7)][..3].to_owned(),
            Element::Day => date.day.to_string(),
            Element::UnderDay => format!("{:2}", date.day),
            Element::ZeroDay => padded(date.day, 2),
            Element::UnderYearDay => format!("{:3}", civil::day_of_year(date)),
            Element::ZeroYearDay => padded(civil::day_of_year(date), 3),
            Element::Hour => padded(wall.hour, 2),
            Element::Hour12 => twelve(wall.hour).to_string(),
            Element::ZeroHour12 => padded(twelve(wall.hour), 2),
            Element::Minute => wall.minute.to_string(),
            Element::ZeroMinute => padded(wall.minute, 2),
            Element::Second => wall.second.to_string(),
            Element::ZeroSecond => padded(wall.second, 2),
            Element::UpperPm => if wall.hour >= 12 { "PM" } else { "AM" }.to_owned(),
            Element::LowerPm => if wall.hour >= 12 { "pm" } else { "am" }.to_owned(),
            Element::Offset(form) => offset_text(offset, form),
            Element::Zone if !name.is_empty() => name.clone(),
            Element::Zone => {
                let minutes = offset / 60;
                let sign = if minutes < 0 { '-' } else { '+' };
                format!("{sign}{}{}", padded(minutes.abs() / 60, 2), padded(minutes.abs() % 60, 2))
            }
            Element::Fraction { digits, trimmed, comma } => {
                fraction(moment.nanoseconds, digits, trimmed, if comma { ',' } else { '.' })
            }
        };
        out.extend_from_slice(text.as_bytes());
    }
}

fn index(value: i64, size: usize) -> usize {
    usize::try_from(value).unwrap_or(0) % size
}

fn twelve(hour: i64) -> i64 {
    if hour % 12 == 0 { 12 } else { hour % 12 }
}

/// Digits with zeros in front, behind a minus where there is one.
fn padded(value: i64, width: usize) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{:0width$}", value.unsigned_abs())
}

fn offset_text(offset: i64, form: Offset) -> String {
    if form.zulu && offset == 0 {
        return "Z".to_owned();
    }
    let minutes = offset / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let colon = if form.colon { ":" } else { "" };
    let mut text = format!("{sign}{}", padded(minutes.abs() / 60, 2));
    if form.minutes {
        text += &format!("{colon}{}", padded(minutes.abs() % 60, 2));
    }
    if form.seconds {
        text += &format!("{colon}{}", padded(offset.abs() % 60, 2));
    }
    text
}

fn fraction(nanoseconds: u32, digits: usize, trimmed: bool, point: char) -> String {
    if trimmed && (digits == 0 || nanoseconds == 0) {
        return String::new();
    }
    let all = format!("{nanoseconds:09}");
    let mut text = all[..digits.min(9)].to_owned();
    if trimmed {
        text.truncate(text.trim_end_matches('0').len());
        if text.is_empty() {
            return text;
        }
    }
    format!("{point}{text}")
}
