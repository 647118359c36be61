//! A Go layout (`2006-01-02T15:04:05Z07:00`) to its elements and the text between them.

/// How an offset from UTC is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// `Z` for UTC.
    pub zulu: bool,
    /// `07` is followed by minutes.
    pub minutes: bool,
    /// And by seconds.
    pub seconds: bool,
    /// With `:` between.
    pub colon: bool,
}

/// An element of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// `January`
    LongMonth,
    /// `Jan`
    Month,
    /// `1`
    NumMonth,
    /// `01`
    ZeroMonth,
    /// `Monday`
    LongWeekDay,
    /// `Mon`
    WeekDay,
    /// `2`
    Day,
    /// `_2`
    UnderDay,
    /// `02`
    ZeroDay,
    /// `__2`
    UnderYearDay,
    /// `002`
    ZeroYearDay,
    /// `15`
    Hour,
    /// `3`
    Hour12,
    /// `03`
    ZeroHour12,
    /// `4`
    Minute,
    /// `04`
    ZeroMinute,
    /// `5`
    Second,
    /// `05`
    ZeroSecond,
    /// `2006`
    LongYear,
    /// `06`
    Year,
    /// `PM`
    UpperPm,
    /// `pm`
    LowerPm,
    /// `MST`
    Zone,
    /// `-0700`, `Z07:00` and their kind.
    Offset(Offset),
    /// Digits behind the second after `.` or `,`: as many as there are, or without zeros at the end.
    Fraction {
        /// How many are written.
        digits: usize,
        /// `999`: zeros at the end are left out.
        trimmed: bool,
        /// `,` instead of `.`.
        comma: bool,
    },
}

use Element as E;

/// The text before the next element, the element, and what follows it; none at the end of the layout.
pub fn next(layout: &[u8]) -> (&[u8], Option<Element>, &[u8]) {
    for at in 0..layout.len() {
        if let Some((skip, width, element)) = element_at(&layout[at..]) {
            return (&layout[..at + skip], Some(element), &layout[at + skip + width..]);
        }
    }
    (layout, None, &[])
}

/// The element that a text begins with: bytes before it, its width, itself.
fn element_at(text: &[u8]) -> Option<(usize, usize, Element)> {
    let found = |width: usize, element: Element| Some((0, width, element));
    let starts = |prefix: &[u8]| text.starts_with(prefix);
    let word_goes_on = |at: usize| text.get(at).is_some_and(u8::is_ascii_lowercase);
    match text[0] {
        b'J' if starts(b"January") => found(7, E::LongMonth),
        b'J' if starts(b"Jan") && !word_goes_on(3) => found(3, E::Month),
        b'M' if starts(b"Monday") => found(6, E::LongWeekDay),
        b'M' if starts(b"Mon") && !word_goes_on(3) => found(3, E::WeekDay),
        b'M' if starts(b"MST") => found(3, E::Zone),
        b'0' if starts(b"002") => found(3, E::ZeroYearDay),
        b'0' => match text.get(1)? {
            b'1' => found(2, E::ZeroMonth),
            b'2' => found(2, E::ZeroDay),
            b'3' => found(2, E::ZeroHour12),
            b'4' => found(2, E::ZeroMinute),
            b'5' => found(2, E::ZeroSecond),
            b'6' => found(2, E::Year),
            _ => None,
        },
        b'1' if starts(b"15") => found(2, E::Hour),
        b'1' => found(1, E::NumMonth),
        b'2' if starts(b"2006") => found(4, E::LongYear),
        b'2' => found(1, E::Day),
        b'_' if starts(b"_2006") => Some((1, 4, E::LongYear)),
        b'_' if starts(b"_2") => found(2, E::UnderDay),
        b'_' if starts(b"__2") => found(3, E::UnderYearDay),
        b'3' => found(1, E::Hour12),
        b'4' => found(1, E::Minute),
        b'5' => found(1, E::Second),
        b'P' if starts(b"PM") => found(2, E::UpperPm),
        b'p' if starts(b"pm") => found(2, E::LowerPm),
        b'-' | b'Z' => offset(text),
        b'.' | b',' => fraction(text),
        _ => None,
    }
}

fn offset(text: &[u8]) -> Option<(usize, usize, Element)> {
    let zulu = text[0] == b'Z';
    let forms: [(&[u8], bool, bool, bool); 5] = [
        (b"070000", true, true, false),
        (b"07:00:00", true, true, true),
        (b"0700", true, false, false),
        (b"07:00", true, false, true),
        (b"07", false, false, false),
    ];
    forms
        .into_iter()
        .find(|form| text[1..].starts_with(form.0))
        .map(|(form, minutes, seconds, colon)| (0, 1 + form.len(), E::Offset(Offset { zulu, minutes, seconds, colon })))
}

fn fraction(text: &[u8]) -> Option<(usize, usize, Element)> {
    let digit = *text.get(1).filter(|b| matches!(b, b'0' | b'9'))?;
    let digits = text[1..].iter().take_while(|&&b| b == digit).count();
    if text.get(1 + digits).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some((0, 1 + digits, E::Fraction { digits, trimmed: digit == b'9', comma: text[0] == b',' }))
}
