//! Durations in nanoseconds to text (`1h2m3.5s`) and back, as Go's `time.Duration`.

use super::quote::quote;

const NANOSECOND: u64 = 1;
const MICROSECOND: u64 = 1000;
const MILLISECOND: u64 = 1_000_000;
/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000_000_000;
/// Nanoseconds of a minute.
pub const MINUTE: u64 = 60 * SECOND;
/// Nanoseconds of an hour.
pub const HOUR: u64 = 60 * MINUTE;

/// `Duration.String`.
pub fn format(nanoseconds: i64) -> String {
    let size = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    if size == 0 {
        return "0s".to_owned();
    }
    if size < SECOND {
        let (unit, name) = match size {
            0..MICROSECOND => (NANOSECOND, "ns"),
            MICROSECOND..MILLISECOND => (MICROSECOND, "µs"),
            _ => (MILLISECOND, "ms"),
        };
        return format!("{sign}{}{}{name}", size / unit, fraction(size % unit, unit));
    }
    let (hours, minutes, rest) = (size / HOUR, size / MINUTE % 60, size % MINUTE);
    let seconds = format!("{}{}s", rest / SECOND, fraction(rest % SECOND, SECOND));
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}"),
        (0, _) => format!("{sign}{minutes}m{seconds}"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}"),
    }
}

/// `.5` for half a unit; nothing for none of it.
fn fraction(part: u64, unit: u64) -> String {
    if part == 0 {
        return String::new();
    }
    let width = unit.ilog10() as usize;
    format!(".{part:0width$}").trim_end_matches('0').to_owned()
}

/// `Duration.Truncate`: towards zero to a multiple.
pub fn truncate(length: i64, step: i64) -> i64 {
    if step <= 0 { length } else { length - length % step }
}

/// `Duration.Round`: to the nearest multiple, halves away from zero, within what there is.
pub fn round(length: i64, step: i64) -> i64 {
    if step <= 0 {
        return length;
    }
    let rest = (length % step).unsigned_abs();
    let whole = length - length % step;
    if rest + rest < step.unsigned_abs() {
        return whole;
    }
    if length < 0 { whole.saturating_sub(step) } else { whole.saturating_add(step) }
}

/// `time.ParseDuration`.
pub fn parse(text: &[u8]) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let (negative, mut rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if rest == b"0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0u64;
    while !rest.is_empty() {
        let (part, after) = part(rest, text, &invalid)?;
        rest = after;
        total = total.checked_add(part).filter(|&total| total <= 1 << 63).ok_or_else(invalid)?;
    }
    match (negative, i64::try_from(total)) {
        (true, _) => Ok(total.cast_signed().wrapping_neg()),
        (false, Ok(total)) => Ok(total),
        (false, Err(_)) => Err(invalid()),
    }
}

/// One number with its unit.
fn part<'t>(text: &'t [u8], whole: &[u8], invalid: &impl Fn() -> String) -> Result<(u64, &'t [u8]), String> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let mut value = 0u64;
    for &digit in &text[..digits] {
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(digit - b'0')))
            .filter(|&value| value <= 1 << 63)
            .ok_or_else(invalid)?;
    }
    let mut rest = &text[digits..];
    let (mut behind, mut scale, mut places) = (0u64, 1.0f64, 0);
    if let Some(after) = rest.strip_prefix(b".") {
        places = after.iter().take_while(|b| b.is_ascii_digit()).count();
        for &digit in &after[..places] {
            // Digits beyond what 63 bits hold do not count.
            let Some(next) = behind.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0'))) else {
                break;
            };
            if behind > (1 << 63) / 10 || next > 1 << 63 {
                break;
            }
            behind = next;
            scale *= 10.0;
        }
        rest = &after[places..];
    }
    if digits == 0 && places == 0 {
        return Err(invalid());
    }
    let width = rest.iter().take_while(|&&b| b != b'.' && !b.is_ascii_digit()).count();
    let (name, rest) = rest.split_at(width);
    let unit = match name {
        b"" => return Err(format!("time: missing unit in duration {}", quote(whole))),
        b"ns" => NANOSECOND,
        b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => MICROSECOND,
        b"ms" => MILLISECOND,
        b"s" => SECOND,
        b"m" => MINUTE,
        b"h" => HOUR,
        _ => return Err(format!("time: unknown unit {} in duration {}", quote(name), quote(whole))),
    };
    if value > (1 << 63) / unit {
        return Err(invalid());
    }
    let mut total = value * unit;
    if behind > 0 {
        total += (behind as f64 * (unit as f64 / scale)) as u64;
        if total > 1 << 63 {
            return Err(invalid());
        }
    }
    Ok((total, rest))
}
