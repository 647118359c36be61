//! Text and a Go layout to a moment, with the errors of `time.Parse`.

use std::rc::Rc;

use super::civil;
use super::format::{MONTHS, WEEKDAYS};
use super::layout::{self, Element, Offset};
use super::moment::Moment;
use super::quote::quote;
use super::zone::Zone;

/// `time.ParseInLocation` with a local zone of UTC.
pub fn parse(layout: &[u8], text: &[u8]) -> Result<Moment, String> {
    let mut reader = Reader { whole: text, text, fields: Fields::default() };
    let mut rest = layout;
    loop {
        let (prefix, element, suffix) = layout::next(rest);
        let name = &rest[prefix.len()..rest.len() - suffix.len()];
        if let Err(left) = skip(reader.text, prefix) {
            return Err(mismatch(text, layout, left, prefix));
        }
        reader.text = skip(reader.text, prefix).unwrap_or(reader.text);
        let Some(element) = element else { break };
        rest = suffix;
        let hold = reader.text;
        match reader.element(element, suffix) {
            Err(Fault::Range(what)) => return Err(reader.refusal(&format!(": {what} out of range"))),
            Err(Fault::Bad) => return Err(mismatch(text, layout, hold, name)),
            Ok(()) => {}
        }
    }
    if !reader.text.is_empty() {
        return Err(reader.refusal(&format!(": extra text: {}", quote(reader.text))));
    }
    reader.moment()
}

fn mismatch(text: &[u8], layout: &[u8], left: &[u8], element: &[u8]) -> String {
    format!("parsing time {} as {}: cannot parse {} as {}", quote(text), quote(layout), quote(left), quote(element))
}

enum Fault {
    Bad,
    Range(&'static str),
}

/// What was read so far.
#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanoseconds: u32,
    pm: bool,
    am: bool,
    utc: bool,
    offset_s: Option<i64>,
    zone: Vec<u8>,
}

struct Reader<'t> {
    whole: &'t [u8],
    text: &'t [u8],
    fields: Fields,
}

/// Text behind a prefix of the layout; a run of spaces matches any run. The error is what was left.
fn skip<'t>(mut text: &'t [u8], mut prefix: &[u8]) -> Result<&'t [u8], &'t [u8]> {
    let spaces = |text: &[u8]| text.iter().take_while(|&&b| b == b' ').count();
    while let Some(&first) = prefix.first() {
        if first == b' ' {
            if text.first().is_some_and(|&b| b != b' ') {
                return Err(text);
            }
            prefix = &prefix[spaces(prefix)..];
            text = &text[spaces(text)..];
            continue;
        }
        if text.first() != Some(&first) {
            return Err(text);
        }
        prefix = &prefix[1..];
        text = &text[1..];
    }
    Ok(text)
}

fn is_digit(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(u8::is_ascii_digit)
}

/// One or two digits; exactly two where `fixed`.
fn number(text: &[u8], fixed: bool) -> Result<(i64, &[u8]), Fault> {
    match (is_digit(text, 0), is_digit(text, 1)) {
        (false, _) => Err(Fault::Bad),
        (true, true) => Ok((i64::from(text[0] - b'0') * 10 + i64::from(text[1] - b'0'), &text[2..])),
        (true, false) if fixed => Err(Fault::Bad),
        (true, false) => Ok((i64::from(text[0] - b'0'), &text[1..])),
    }
}

fn name<'t>(names: &[&str], length: Option<usize>, text: &'t [u8]) -> Result<(i64, &'t [u8]), Fault> {
    for (index, name) in names.iter().enumerate() {
        let name = &name.as_bytes()[..length.unwrap_or(name.len())];
        if text.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name)) {
            return Ok((index as i64, &text[name.len()..]));
        }
    }
    Err(Fault::Bad)
}

impl<'t> Reader<'t> {
    fn refusal(&self, message: &str) -> String {
        format!("parsing time {}{message}", quote(self.whole))
    }

    fn number(&mut self, fixed: bool) -> Result<i64, Fault> {
        let (value, rest) = number(self.text, fixed)?;
        self.text = rest;
        Ok(value)
    }

    fn take(&mut self, width: usize) -> Result<&'t [u8], Fault> {
        let (head, rest) = self.text.split_at_checked(width).ok_or(Fault::Bad)?;
        self.text = rest;
        Ok(head)
    }

    fn named(&mut self, names: &[&str], length: Option<usize>) -> Result<i64, Fault> {
        let (index, rest) = name(names, length, self.text)?;
        self.text = rest;
        Ok(index)
    }

    fn element(&mut self, element: Element, layout: &[u8]) -> Result<(), Fault> {
        match element {
            Element::Year | Element::LongYear => self.year(element)?,
            Element::Month => self.fields.month = Some(self.named(&MONTHS, Some(3))? + 1),
            Element::LongMonth => self.fields.month = Some(self.named(&MONTHS, None)? + 1),
            Element::NumMonth | Element::ZeroMonth => {
                let month = self.number(element == Element::ZeroMonth)?;
                self.fields.month = Some(within(month, 1, 12, "month")?);
            }
            Element::WeekDay => drop(self.named(&WEEKDAYS, Some(3))?),
            Element::LongWeekDay => drop(self.named(&WEEKDAYS, None)?),
            Element::Day | Element::UnderDay | Element::ZeroDay => {
                if element == Element::UnderDay {
                    self.text = self.text.strip_prefix(b" ").unwrap_or(self.text);
                }
                self.fields.day = Some(self.number(element == Element::ZeroDay)?);
            }
            Element::UnderYearDay | Element::ZeroYearDay => self.year_day(element)?,
            Element::Hour => self.fields.hour = within(self.number(false)?, 0, 23, "hour")?,
            Element::Hour12 | Element::ZeroHour12 => {
                self.fields.hour = within(self.number(element == Element::ZeroHour12)?, 0, 12, "hour")?;
            }
            Element::Minute | Element::ZeroMinute => {
                self.fields.minute = within(self.number(element == Element::ZeroMinute)?, 0, 59, "minute")?;
            }
            Element::Second | Element::ZeroSecond => {
                self.fields.second = within(self.number(element == Element::ZeroSecond)?, 0, 59, "second")?;
                self.unasked_fraction(layout)?;
            }
            Element::UpperPm => self.half(b"PM", b"AM")?,
            Element::LowerPm => self.half(b"pm", b"am")?,
            Element::Offset(form) => self.offset(form)?,
            Element::Zone => self.zone()?,
            Element::Fraction { digits, trimmed: false, .. } => {
                let text = self.take(digits + 1)?;
                self.fields.nanoseconds = nanoseconds(text)?;
            }
            Element::Fraction { .. } => {
                if matches!(self.text.first(), Some(b'.' | b',')) && is_digit(self.text, 1) {
                    self.fraction()?;
                }
            }
        }
        Ok(())
    }

    fn year(&mut self, element: Element) -> Result<(), Fault> {
        let long = element == Element::LongYear;
        if long && !is_digit(self.text, 0) {
            return Err(Fault::Bad);
        }
        let digits = self.take(if long { 4 } else { 2 })?;
        // Go's atoi: a sign may stand in front.
        let body = match digits {
            [b'-' | b'+', rest @ ..] => rest,
            _ => digits,
        };
        if !body.iter().all(u8::is_ascii_digit) {
            return Err(Fault::Bad);
        }
        let size = body.iter().fold(0, |value, b| value * 10 + i64::from(b - b'0'));
        let year = if digits[0] == b'-' { -size } else { size };
        self.fields.year = match (long, year) {
            (true, _) => year,
            (false, 69..) => year + 1900,
            (false, _) => year + 2000,
        };
        Ok(())
    }

    fn year_day(&mut self, element: Element) -> Result<(), Fault> {
        let spaced = element == Element::UnderYearDay;
        if spaced {
            let spaces = self.text.iter().take(2).take_while(|&&b| b == b' ').count();
            self.text = &self.text[spaces..];
        }
        let digits = self.text.iter().take(3).take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 || !spaced && digits != 3 {
            return Err(Fault::Bad);
        }
        let day = self.take(digits)?.iter().fold(0, |value, b| value * 10 + i64::from(b - b'0'));
        self.fields.year_day = Some(day);
        Ok(())
    }

    /// A fraction behind the seconds that the layout does not name.
    fn unasked_fraction(&mut self, layout: &[u8]) -> Result<(), Fault> {
        if !(matches!(self.text.first(), Some(b'.' | b',')) && is_digit(self.text, 1)) {
            return Ok(());
        }
        if matches!(layout::next(layout).1, Some(Element::Fraction { .. })) {
            return Ok(());
        }
        self.fraction()
    }

    fn fraction(&mut self) -> Result<(), Fault> {
        let digits = self.text[1..].iter().take_while(|b| b.is_ascii_digit()).count();
        let text = self.take(1 + digits)?;
        self.fields.nanoseconds = nanoseconds(text)?;
        Ok(())
    }

    fn half(&mut self, pm: &[u8], am: &[u8]) -> Result<(), Fault> {
        let text = self.take(2)?;
        match text {
            _ if text == pm => self.fields.pm = true,
            _ if text == am => self.fields.am = true,
            _ => return Err(Fault::Bad),
        }
        Ok(())
    }

    fn offset(&mut self, form: Offset) -> Result<(), Fault> {
        if form.zulu && self.text.first() == Some(&b'Z') {
            self.text = &self.text[1..];
            self.fields.utc = true;
            return Ok(());
        }
        let colon = usize::from(form.colon && form.minutes);
        let width = 3 + if form.minutes { 2 + colon } else { 0 } + if form.seconds { 2 + colon } else { 0 };
        let text = self.take(width)?;
        if colon == 1 && (text[3] != b':' || form.seconds && text[6] != b':') {
            return Err(Fault::Bad);
        }
        let part = |at: usize, asked: bool| -> Result<i64, Fault> {
            if asked { number(&text[at..at + 2], true).map(|(value, _)| value) } else { Ok(0) }
        };
        let hours = part(1, true);
        let minutes = part(3 + colon, form.minutes);
        let seconds = part(5 + 2 * colon, form.seconds);
        // Go looks at the ranges before it looks at what did not read.
        for (value, most, what) in [
            (&hours, 24, "time zone offset hour"),
            (&minutes, 60, "time zone offset minute"),
            (&seconds, 60, "time zone offset second"),
        ] {
            match value {
                Ok(value) if *value > most => return Err(Fault::Range(what)),
                Ok(_) => {}
                // What stands behind it is not read.
                Err(_) => break,
            }
        }
        let total = (hours? * 60 + minutes?) * 60 + seconds?;
        self.fields.offset_s = Some(match text[0] {
            b'+' => total,
            b'-' => -total,
            _ => return Err(Fault::Bad),
        });
        Ok(())
    }

    fn zone(&mut self) -> Result<(), Fault> {
        if let Some(rest) = self.text.strip_prefix(b"UTC") {
            self.text = rest;
            self.fields.utc = true;
            return Ok(());
        }
        let width = zone_width(self.text).ok_or(Fault::Bad)?;
        self.fields.zone = self.take(width)?.to_vec();
        Ok(())
    }

    fn moment(mut self) -> Result<Moment, String> {
        let fields = &mut self.fields;
        if fields.pm && fields.hour < 12 {
            fields.hour += 12;
        } else if fields.am && fields.hour == 12 {
            fields.hour = 0;
        }
        let mut month = fields.month;
        let mut day = fields.day;
        let mut refused = None;
        if let Some(of_year) = fields.year_day {
            let length = 365 + i64::from(civil::is_leap(fields.year));
            let date = civil::date_of(civil::days_of(fields.year, 1, of_year));
            if !(1..=length).contains(&of_year) {
                refused = Some(": day-of-year out of range");
            } else if month.is_some_and(|month| month != date.month) {
                refused = Some(": day-of-year does not match month");
            } else if day.is_some_and(|day| day != date.day) {
                refused = Some(": day-of-year does not match day");
            }
            (month, day) = (Some(date.month), Some(date.day));
        }
        let (month, day) = (month.unwrap_or(1), day.unwrap_or(1));
        let year = fields.year;
        if refused.is_none() && !(1..=civil::days_in(month, year)).contains(&day) {
            refused = Some(": day out of range");
        }
        if let Some(message) = refused {
            return Err(self.refusal(message));
        }
        let of_day = fields.hour * 3600 + fields.minute * 60 + fields.second;
        let utc = Moment::of_wall(civil::days_of(year, month, day), of_day, fields.nanoseconds, Zone::Local);
        let name = String::from_utf8_lossy(&fields.zone).into_owned();
        if fields.utc {
            return Ok(utc.within(Zone::Utc));
        }
        if let Some(offset_s) = fields.offset_s {
            let seconds = utc.seconds - offset_s;
            let zone = match offset_s {
                0 if matches!(&*name, "" | "UTC") => Zone::Local,
                _ => Zone::Fixed { name: Rc::from(name), offset_s },
            };
            return Ok(Moment { seconds, zone, ..utc });
        }
        if name.is_empty() {
            return Ok(utc);
        }
        // A zone known by its abbreviation only: its offset is not, unless it is written as one of GMT.
        let hours = name.strip_prefix("GMT").and_then(|hours| hours.parse::<i64>().ok()).unwrap_or(0);
        Ok(utc.within(Zone::Fixed { name: Rc::from(name), offset_s: hours * 3600 }))
    }
}

fn within(value: i64, least: i64, most: i64, what: &'static str) -> Result<i64, Fault> {
    if (least..=most).contains(&value) { Ok(value) } else { Err(Fault::Range(what)) }
}

/// `.5` to nanoseconds; digits beyond the ninth do not count.
fn nanoseconds(text: &[u8]) -> Result<u32, Fault> {
    if !matches!(text.first(), Some(b'.' | b',')) {
        return Err(Fault::Bad);
    }
    let digits = &text[1..text.len().min(10)];
    let signed = matches!(digits.first(), Some(b'-' | b'+'));
    let plain = if signed { &digits[1..] } else { digits };
    if plain.is_empty() || !plain.iter().all(u8::is_ascii_digit) {
        return Err(Fault::Bad);
    }
    let value = plain.iter().fold(0u32, |value, b| value * 10 + u32::from(b - b'0'));
    if signed && digits[0] == b'-' && value > 0 {
        return Err(Fault::Range("fractional second"));
    }
    Ok(value * 10u32.pow(u32::try_from(9 - digits.len()).unwrap_or(0)))
}

/// The width of an abbreviation such as `CET`, `GMT+3` or `+03`.
fn zone_width(text: &[u8]) -> Option<usize> {
    if text.len() < 3 {
        return None;
    }
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix(b"GMT") {
        return Some(3 + signed_width(rest));
    }
    if matches!(text[0], b'+' | b'-') {
        return Some(signed_width(text)).filter(|&width| width > 0);
    }
    match text.iter().take(6).take_while(|b| b.is_ascii_uppercase()).count() {
        3 => Some(3),
        4 if text[3] == b'T' || text.starts_with(b"WITA") => Some(4),
        5 if text[4] == b'T' => Some(5),
        _ => None,
    }
}

/// The width of `+3` and its kind, up to 23; 0 where there is none.
fn signed_width(text: &[u8]) -> usize {
    if !matches!(text.first(), Some(b'+' | b'-')) {
        return 0;
    }
    let digits = text[1..].iter().take_while(|b| b.is_ascii_digit()).count();
    let value = text[1..=digits].iter().fold(0u64, |value, b| (value * 10 + u64::from(b - b'0')).min(1000));
    if digits == 0 || value > 23 { 0 } else { 1 + digits }
}
