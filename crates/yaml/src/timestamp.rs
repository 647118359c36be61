//! Whether a text is a timestamp to goyaml: it then is quoted on the way out, and stays text on the way in.

/// Whether one of the four layouts goyaml tries fits the whole text.
pub fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits != 4 || bytes.get(4) != Some(&b'-') {
        return false;
    }
    let year = bytes[..4].iter().fold(0, |year, b| year * 10 + u32::from(b - b'0'));
    let mut rest = &bytes[5..];
    let Some(month) = number(&mut rest) else { return false };
    if rest.first() != Some(&b'-') || !(1..=12).contains(&month) {
        return false;
    }
    rest = &rest[1..];
    let Some(day) = number(&mut rest) else { return false };
    if day < 1 || day > days_in(month, year) {
        return false;
    }
    match rest {
        [] => true,
        [b'T' | b't', tail @ ..] => clock(tail).is_some_and(is_zone),
        [b' ', tail @ ..] => clock(skip_spaces(tail)).is_some_and(<[u8]>::is_empty),
        _ => false,
    }
}

fn skip_spaces(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|b| **b == b' ').count()..]
}

/// One or two digits.
fn number(rest: &mut &[u8]) -> Option<u32> {
    let digits = rest.iter().take(2).take_while(|b| b.is_ascii_digit()).count();
    let value = rest[..digits].iter().fold(0, |value, b| value * 10 + u32::from(b - b'0'));
    *rest = &rest[digits..];
    (digits > 0).then_some(value)
}

fn days_in(month: u32, year: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Passes hours, minutes, seconds and a fraction.
fn clock(mut rest: &[u8]) -> Option<&[u8]> {
    for (bound, separator) in [(24, Some(b':')), (60, Some(b':')), (60, None)] {
        if number(&mut rest)? >= bound {
            return None;
        }
        if let Some(separator) = separator {
            rest = rest.strip_prefix(&[separator])?;
        }
    }
    if let [b'.' | b',', tail @ ..] = rest {
        let digits = tail.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits > 0 {
            rest = &tail[digits..];
        }
    }
    Some(rest)
}

fn is_zone(zone: &[u8]) -> bool {
    match zone {
        [b'Z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] if [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()) => {
            let pair = |a: &u8, b: &u8| u32::from(a - b'0') * 10 + u32::from(b - b'0');
            // Go lets offsets of 24 hours and 60 minutes pass.
            pair(h1, h2) <= 24 && pair(m1, m2) <= 60
        }
        _ => false,
    }
}
