//! Times that do not parse to what Go says of them.

use crate::meta::civil;

/// Go's sentence about a text that is no RFC 3339 time; with `micro` it needs six digits of a second's fraction.
pub fn fault(text: &str, micro: bool) -> Option<String> {
    let layout = if micro { "2006-01-02T15:04:05.000000Z07:00" } else { "2006-01-02T15:04:05Z07:00" };
    let mut rest = text;
    let mismatch = |rest: &str, element: &str| {
        Some(format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {element:?}"))
    };
    let range = |what: &str| Some(format!("parsing time {text:?}: {what} out of range"));
    let elements = [
        ("2006", 4, 9999),
        ("-", 0, 0),
        ("01", 2, 12),
        ("-", 0, 0),
        ("02", 2, 31),
        ("T", 0, 0),
        ("15", 2, 23),
        (":", 0, 0),
        ("04", 2, 59),
        (":", 0, 0),
        ("05", 2, 59),
    ];
    for (element, digits, max) in elements {
        if digits == 0 {
            let Some(after) = rest.strip_prefix(element) else { return mismatch(rest, element) };
            rest = after;
            continue;
        }
        let number = rest.get(..digits).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
        let Some(number) = number.and_then(|d| d.parse::<u32>().ok()) else { return mismatch(rest, element) };
        let low = (element == "01" || element == "02") && number == 0;
        if number > max || low {
            return range(match element {
                "01" => "month",
                "02" => "day",
                "15" => "hour",
                "04" => "minute",
                _ => "second",
            });
        }
        rest = &rest[digits..];
    }
    let digits = rest.strip_prefix('.').map_or(0, |after| after.bytes().take_while(u8::is_ascii_digit).count());
    if micro && digits < 6 {
        return mismatch(rest, ".000000");
    }
    if digits > 0 {
        let cut = if micro { 7 } else { digits + 1 };
        rest = &rest[cut..];
    }
    let zone = match rest.as_bytes() {
        [b'Z', ..] => 1,
        [b'+' | b'-', a, b, b':', c, d, ..] if [a, b, c, d].iter().all(|b| b.is_ascii_digit()) => 6,
        _ => return mismatch(rest, "Z07:00"),
    };
    if rest.len() > zone {
        return Some(format!("parsing time {text:?}: extra text: {:?}", &rest[zone..]));
    }
    if civil::parse(text).is_none() { range("day") } else { None }
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn faults_are_go_s() {
        let check = |text: &str, expect: Option<&str>| assert_eq!(fault(text, false).as_deref(), expect);
        check("2026-01-02T03:04:05Z", None);
        check("2026-01-02T03:04:05.123+02:00", None);
        check(
            "yesterday",
            Some(r#"parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006""#),
        );
        check("2026-13-02T03:04:05Z", Some(r#"parsing time "2026-13-02T03:04:05Z": month out of range"#));
        check("2026-02-30T03:04:05Z", Some(r#"parsing time "2026-02-30T03:04:05Z": day out of range"#));
        check(
            "2026-02-03",
            Some(r#"parsing time "2026-02-03" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T""#),
        );
        assert!(fault("2026-01-02T03:04:05Z", true).is_some());
        assert!(fault("2026-01-02T03:04:05.000000Z", true).is_none());
    }
}
