//! Turns a certificate's DER into the few facts that Masthead reads from it.
//!
//! It judges nothing: rustls has verified a certificate before it comes here.

/// What a certificate says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Subject's common name.
    pub common_name: String,
    /// Subject's organizations.
    pub organizations: Vec<String>,
    /// Valid from, seconds since 1970.
    pub not_before_unix_s: i64,
    /// Valid until, seconds since 1970.
    pub not_after_unix_s: i64,
    /// The subject's public key with its algorithm, as DER.
    pub public_key: Vec<u8>,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ORGANIZATION: [u8; 3] = [0x55, 0x04, 0x0a];

/// Reads a certificate; nothing when it is none.
pub fn read(certificate: &[u8]) -> Option<Facts> {
    let (outer, _) = expect(certificate, SEQUENCE)?;
    let (tbs, _) = expect(outer, SEQUENCE)?;
    let rest = match element(tbs)? {
        (VERSION, _, rest) => rest,
        _ => tbs,
    };
    let (_serial, rest) = expect(rest, INTEGER)?;
    let (_algorithm, rest) = expect(rest, SEQUENCE)?;
    let (_issuer, rest) = expect(rest, SEQUENCE)?;
    let (validity, rest) = expect(rest, SEQUENCE)?;
    let (subject, rest) = expect(rest, SEQUENCE)?;
    let (key, _) = expect(rest, SEQUENCE)?;
    let public_key = &rest[..rest.len() - expect(rest, SEQUENCE)?.1.len()];
    debug_assert!(public_key.ends_with(key));
    let (not_before, validity) = time(validity)?;
    let (not_after, _) = time(validity)?;
    let mut facts = Facts {
        not_before_unix_s: not_before,
        not_after_unix_s: not_after,
        public_key: public_key.to_vec(),
        ..Facts::default()
    };
    names(subject, &mut facts)?;
    Some(facts)
}

fn names(mut subject: &[u8], facts: &mut Facts) -> Option<()> {
    while !subject.is_empty() {
        let (mut set, rest) = expect(subject, SET)?;
        subject = rest;
        while !set.is_empty() {
            let (attribute, rest) = expect(set, SEQUENCE)?;
            set = rest;
            let (oid, value) = expect(attribute, OID)?;
            let (_, text, _) = element(value)?;
            let text = std::str::from_utf8(text).ok()?.to_owned();
            if oid == COMMON_NAME {
                facts.common_name = text;
            } else if oid == ORGANIZATION {
                facts.organizations.push(text);
            }
        }
    }
    Some(())
}

/// Tag, content and what follows.
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let len = digits.iter().fold(0, |n, &d| n << 8 | usize::from(d));
            (len, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

fn expect(input: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = element(input)?;
    (tag == wanted).then_some((content, rest))
}

/// RFC 5280 4.1.2.5: always in seconds, always Z; two-digit years from 1950 to 2049.
fn time(input: &[u8]) -> Option<(i64, &[u8])> {
    let (tag, text, rest) = element(input)?;
    let digits = text.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |from: usize, len: usize| -> Option<i64> {
        let digits = digits.get(from..from + len)?;
        Some(digits.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')))
    };
    let (year, at) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let year = number(0, 2)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, 2)
        }
        (GENERALIZED_TIME, 14) => (number(0, 4)?, 4),
        _ => return None,
    };
    let day = days(year, number(at, 2)?, number(at + 2, 2)?);
    let (h, m, s) = (number(at + 4, 2)?, number(at + 6, 2)?, number(at + 8, 2)?);
    Some((day * 86_400 + h * 3600 + m * 60 + s, rest))
}

/// Days from 1970-01-01 in the Gregorian calendar (Hinnant's `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_agree_with_the_calendar() {
        for (date, expect) in [
            ((1970, 1, 1), 0),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2024, 12, 31), 20_088),
            ((2100, 3, 1), 47_541),
        ] {
            assert_eq!(days(date.0, date.1, date.2), expect, "{date:?}");
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..40)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let pick = (seed >> 33) as u8;
                    // Mostly tags and short lengths, so that some get deep.
                    [SEQUENCE, SET, OID, INTEGER, UTC_TIME, pick, pick % 32, 0x82][usize::from(pick % 8)]
                })
                .collect();
            let _ = read(&bytes);
        }
    }
}
