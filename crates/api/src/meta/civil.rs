//! Seconds since 1970 to and from a calendar date and RFC 3339 text, after Howard Hinnant's date algorithms.

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
pub fn days_from_date(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a number of days since 1970-01-01.
pub fn date_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// `2006-01-02T15:04:05` of seconds since 1970, without zone.
pub fn format_seconds(seconds: i64) -> String {
    let (year, month, day) = date_from_days(seconds.div_euclid(86_400));
    let rest = seconds.rem_euclid(86_400);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Seconds since 1970 and microseconds (further digits are cut) of RFC 3339 text.
pub fn parse(text: &str) -> Option<(i64, i64)> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        bytes.get(from..to)?.iter().try_fold(0i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
    };
    let sign = |at: usize, wanted: u8| (bytes.get(at) == Some(&wanted)).then_some(());
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    for (at, wanted) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        sign(at, wanted)?;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut at = 19;
    let mut micros = 0;
    if matches!(bytes.get(at), Some(b'.' | b',')) {
        let digits = bytes[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        for i in 0..6 {
            micros = micros * 10 + if i < digits { i64::from(bytes[at + 1 + i] - b'0') } else { 0 };
        }
        at += 1 + digits;
    }
    let offset = match bytes.get(at)? {
        b'Z' => {
            at += 1;
            0
        }
        plus @ (b'+' | b'-') => {
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            sign(at + 3, b':')?;
            at += 6;
            if hours > 24 || minutes > 59 {
                return None;
            }
            (hours * 3600 + minutes * 60) * if *plus == b'+' { 1 } else { -1 }
        }
        _ => return None,
    };
    if at != bytes.len() {
        return None;
    }
    Some((days_from_date(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset, micros))
}

#[cfg(test)]
mod tests {
    use super::{date_from_days, days_from_date, format_seconds, parse};

    #[test]
    fn dates_go_there_and_back() {
        for days in (-800_000..800_000).step_by(37) {
            let (y, m, d) = date_from_days(days);
            assert_eq!(days_from_date(y, m, d), days);
        }
        assert_eq!(days_from_date(1970, 1, 1), 0);
        assert_eq!(date_from_days(20_778), (2026, 11, 21));
    }

    #[test]
    fn texts_parse() {
        for (text, expect) in [
            ("1970-01-01T00:00:01Z", Some((1, 0))),
            ("2026-11-21T08:38:00.25+02:00", Some((1_795_243_080, 250_000))),
            ("2024-02-29T00:00:00Z", Some((1_709_164_800, 0))),
            ("2023-02-29T00:00:00Z", None),
            ("2023-02-28T24:00:00Z", None),
            ("2023-02-28T23:00:00", None),
            ("2023-02-28 23:00:00Z", None),
            ("", None),
            ("2023-02-28T23:00:00Zx", None),
        ] {
            assert_eq!(parse(text), expect, "{text}");
        }
        assert_eq!(format_seconds(1_795_250_280), "2026-11-21T08:38:00");
    }
}
