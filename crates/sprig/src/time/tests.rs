//! Layouts, texts, zones and durations against what Go's `time` gave for the same input.

use super::moment::Moment;
use super::zone::Zone;
use super::{civil, duration, format, parse};

fn check_format(seconds: i64, zone: &str, layout: &str, expect: &str) {
    let zone = Zone::load(zone).expect(zone);
    let text = format::format(&Moment::from_unix(seconds, 5_000_000).within(zone), layout.as_bytes());
    assert_eq!(String::from_utf8_lossy(&text), expect, "{layout}");
}

#[test]
fn formats() {
    let at = 1_711_850_400;
    check_format(at, "UTC", "Monday, 02-Jan-06 15:04:05 MST", "Sunday, 31-Mar-24 02:00:00 UTC");
    check_format(at, "Europe/Berlin", "2006-01-02T15:04:05.000Z07:00", "2024-03-31T04:00:00.005+02:00");
    check_format(at - 7200, "Europe/Berlin", "15:04 MST -0700", "01:00 CET +0100");
    check_format(4_102_444_800, "America/New_York", "2006 15 MST", "2099 19 EST");
    check_format(4_118_000_000, "America/New_York", "Jan 15 MST", "Jun 20 EDT");
    check_format(at, "UTC", "002 __2 _2 3PM pm .999", "091  91 31 2AM am .005");
    assert!(Zone::load("europe/berlin").is_none());
}

#[test]
fn texts() {
    for (layout, text, expect) in [
        ("2006-01-02", "2024-02-29", Ok(1_709_164_800)),
        ("2006-01-02T15:04:05Z07:00", "2024-02-29T03:04:05.5+02:00", Ok(1_709_168_645)),
        ("2006-01-02", "2023-02-29", Err("parsing time \"2023-02-29\": day out of range")),
        ("2006-01-02", "2023-13-01", Err("parsing time \"2023-13-01\": month out of range")),
        ("2006", "20", Err("parsing time \"20\" as \"2006\": cannot parse \"20\" as \"2006\"")),
        ("2006", "2024x", Err("parsing time \"2024x\": extra text: \"x\"")),
        ("2006-002", "2024-060", Ok(1_709_164_800)),
        ("3:04PM", "12:01AM", Ok(-62_167_219_140)),
    ] {
        let found = parse::parse(layout.as_bytes(), text.as_bytes()).map(|moment| moment.seconds);
        assert_eq!(found, expect.map_err(str::to_owned), "{layout} {text}");
    }
}

#[test]
fn durations() {
    for (text, expect) in [
        ("1h30m", "1h30m0s"),
        ("1.5h", "1h30m0s"),
        ("-0.5s", "-500ms"),
        ("1us", "1µs"),
        ("1h1m1.25s", "1h1m1.25s"),
        ("0", "0s"),
    ] {
        assert_eq!(duration::parse(text.as_bytes()).map(duration::format), Ok(expect.to_owned()), "{text}");
    }
    for (text, expect) in [
        ("", "time: invalid duration \"\""),
        ("1", "time: missing unit in duration \"1\""),
        ("1d", "time: unknown unit \"d\" in duration \"1d\""),
        ("9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\""),
    ] {
        assert_eq!(duration::parse(text.as_bytes()), Err(expect.to_owned()), "{text}");
    }
}

#[test]
fn days_and_dates() {
    for days in (-1_000_000..1_000_000).step_by(997) {
        let date = civil::date_of(days);
        assert_eq!(civil::days_of(date.year, date.month, date.day), days);
    }
    assert_eq!(civil::days_of(2024, 14, 1), civil::days_of(2025, 2, 1));
    assert_eq!(civil::weekday(0), 4);
}
