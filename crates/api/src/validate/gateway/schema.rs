//! Texts, numbers and lists of custom resources to faults, in the words of OpenAPI validation and of its CEL rules.

use std::collections::BTreeSet;

use crate::validate::error::{ErrorKind, Errors};
use crate::validate::path::Path;

/// Characters of a name or a hostname.
pub const NAME_MAX: usize = 253;
/// Characters of a kind or a namespace.
pub const LABEL_MAX: usize = 63;
/// Characters of a header's name.
const HEADER_MAX: usize = 256;

/// A form that texts must have: the expression that messages show, and the check.
pub struct Pattern {
    regex: &'static str,
    fits: fn(&str) -> bool,
}

macro_rules! subdomain {
    () => {
        r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
    };
}

/// Labels joined by dots.
pub const SUBDOMAIN: Pattern = Pattern { regex: concat!("^", subdomain!(), "$"), fits: is_subdomain };
/// An API group, which may be empty.
const GROUP: Pattern =
    Pattern { regex: concat!("^$|^", subdomain!(), "$"), fits: |text| text.is_empty() || is_subdomain(text) };
/// A kind.
const KIND: Pattern = Pattern { regex: "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$", fits: is_kind };
/// A namespace.
const NAMESPACE: Pattern = Pattern { regex: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", fits: is_label };
/// A host, whose first label may be `*`.
pub const HOSTNAME: Pattern = Pattern { regex: concat!(r"^(\*\.)?", subdomain!(), "$"), fits: is_hostname };
/// The name of a header.
const HEADER: Pattern = Pattern { regex: r"^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$", fits: is_token };
/// A domain, a slash and a path.
pub const CONTROLLER: Pattern =
    Pattern { regex: concat!("^", subdomain!(), r"\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$"), fits: is_domain_path };
/// A protocol of listeners, plain or with a domain before it.
pub const PROTOCOL: Pattern = Pattern {
    regex: concat!("^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|", subdomain!(), r"\/[A-Za-z0-9]+$"),
    fits: is_protocol,
};
/// A site whose pages may ask: `*`, or scheme, host and port, of which the host may begin with `*.` or be `*`.
pub const ORIGIN: Pattern = Pattern {
    regex: r"(^\*$)|(^(http(s)?):\/\/(((\*\.)?([a-zA-Z0-9\-]+\.)*[a-zA-Z0-9-]+|\*)(:([0-9]{1,5}))?)$)",
    fits: is_origin,
};
/// A duration as Go writes it, of up to four parts.
pub const DURATION: Pattern = Pattern { regex: "^([0-9]{1,5}(h|m|s|ms)){1,4}$", fits: |text| millis(text).is_some() };

fn is_edge(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

fn fits(text: &str, edge: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(|b| edge(*b))) && bytes.iter().all(|b| edge(*b) || *b == b'-')
}

/// Lower case letters, digits and dashes within.
fn is_label(text: &str) -> bool {
    fits(text, is_edge)
}

/// Labels joined by dots.
pub fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// A subdomain, before which `*.` may stand.
pub fn is_hostname(text: &str) -> bool {
    is_subdomain(text.strip_prefix("*.").unwrap_or(text))
}

fn is_kind(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && fits(text, |b| b.is_ascii_alphanumeric())
}

/// Whether every byte may stand in the name of a header (RFC 9110, 5.6.2).
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_domain_path(text: &str) -> bool {
    let is_path = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b);
    text.split_once('/')
        .is_some_and(|(domain, path)| is_subdomain(domain) && !path.is_empty() && path.bytes().all(is_path))
}

fn is_protocol(text: &str) -> bool {
    if fits(text, |b| b.is_ascii_alphanumeric()) {
        return true;
    }
    // The second form is not bound to the beginning of the text: a last letter of a domain is enough.
    text.rsplit_once('/').is_some_and(|(domain, name)| {
        domain.bytes().last().is_some_and(is_edge)
            && !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

fn is_origin(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let Some(place) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else { return false };
    let (host, port) = place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)));
    let is_port = |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let is_host = host == "*" || host.strip_prefix("*.").unwrap_or(host).split('.').all(is_label);
    is_host && port.is_none_or(is_port)
}

/// Milliseconds of a duration such as `1m30s`; nothing when it is none.
pub fn millis(text: &str) -> Option<u64> {
    let (mut rest, mut sum) = (text, 0);
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=5).contains(&digits) || parts == 4 {
            return None;
        }
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let (unit, after) = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1000)]
            .into_iter()
            .find_map(|(word, unit)| Some((unit, rest.strip_prefix(word)?)))?;
        sum += number * unit;
        rest = after;
        parts += 1;
    }
    (parts > 0).then_some(sum)
}

/// A text of a length and a form; only the first fault is told.
pub fn text(at: &Path<'_>, value: &str, (min, max): (usize, usize), pattern: Option<&Pattern>, errors: &mut Errors) {
    let count = value.chars().count();
    if count > max {
        errors.too_long(at, max);
    } else if count < min {
        errors.invalid(at, value, &format!("{at} in body should be at least {min} chars long"));
    } else if let Some(pattern) = pattern.filter(|pattern| !(pattern.fits)(value)) {
        errors.invalid(at, value, &format!("{at} in body should match '{}'", pattern.regex));
    }
}

/// A text that must be there.
pub fn required(at: &Path<'_>, value: &str, max: usize, pattern: Option<&Pattern>, errors: &mut Errors) {
    if !errors.required_text(at, value) {
        text(at, value, (1, max), pattern, errors);
    }
}

/// A text that may be left out, but not be empty.
pub fn optional(at: &Path<'_>, value: Option<&String>, max: usize, pattern: Option<&Pattern>, errors: &mut Errors) {
    if let Some(value) = value {
        text(at, value, (1, max), pattern, errors);
    }
}

/// A number within bounds.
pub fn number(at: &Path<'_>, value: i32, (min, max): (i32, i32), errors: &mut Errors) {
    if value < min {
        errors.invalid(at, &value, &format!("{at} in body should be greater than or equal to {min}"));
    } else if value > max {
        errors.invalid(at, &value, &format!("{at} in body should be less than or equal to {max}"));
    }
}

/// A port.
pub fn port(at: &Path<'_>, value: i32, errors: &mut Errors) {
    number(at, value, (1, 65_535), errors);
}

/// The length of a list.
pub fn items(at: &Path<'_>, count: usize, max: usize, errors: &mut Errors) {
    if count > max {
        errors.too_many(at, count, max);
    }
}

/// A group, a kind and a namespace, as references have them.
pub fn reference(
    at: &Path<'_>,
    group: Option<&String>,
    kind: Option<&String>,
    namespace: Option<&String>,
    errors: &mut Errors,
) {
    if let Some(group) = group {
        text(&at.child("group"), group, (0, NAME_MAX), Some(&GROUP), errors);
    }
    optional(&at.child("kind"), kind, LABEL_MAX, Some(&KIND), errors);
    optional(&at.child("namespace"), namespace, LABEL_MAX, Some(&NAMESPACE), errors);
}

/// A group and a kind that must be there; the group may be empty.
pub fn group_kind(at: &Path<'_>, group: &str, kind: &str, errors: &mut Errors) {
    text(&at.child("group"), group, (0, NAME_MAX), Some(&GROUP), errors);
    required(&at.child("kind"), kind, LABEL_MAX, Some(&KIND), errors);
}

/// A namespace that must be there.
pub fn namespace(at: &Path<'_>, namespace: &str, errors: &mut Errors) {
    required(at, namespace, LABEL_MAX, Some(&NAMESPACE), errors);
}

/// The name of a header.
pub fn header_name(at: &Path<'_>, name: &str, errors: &mut Errors) {
    required(at, name, HEADER_MAX, Some(&HEADER), errors);
}

/// Elements that are told apart by one key.
pub fn unique<'a>(at: &Path<'_>, key: &str, values: impl Iterator<Item = &'a str>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (i, value) in values.enumerate() {
        if !seen.insert(value) {
            let shown = serde_json::Value::from(value);
            errors.duplicate_shown(&at.index(i), format!("{{\"{key}\":{shown}}}"), "");
        }
    }
}

/// Values of which each may stand there once.
pub fn set<'a>(at: &Path<'_>, values: impl Iterator<Item = &'a str>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (i, value) in values.enumerate() {
        if !seen.insert(value) {
            errors.duplicate(&at.index(i), value);
        }
    }
}

/// A rule about a whole object.
pub fn rule(holds: bool, at: &Path<'_>, message: &str, errors: &mut Errors) {
    of_type(holds, at, "\"object\"", message, errors);
}

/// A rule about a whole list.
pub fn list_rule(holds: bool, at: &Path<'_>, message: &str, errors: &mut Errors) {
    of_type(holds, at, "\"array\"", message, errors);
}

/// A rule about a text.
pub fn text_rule(holds: bool, at: &Path<'_>, message: &str, errors: &mut Errors) {
    of_type(holds, at, "\"string\"", message, errors);
}

fn of_type(holds: bool, at: &Path<'_>, shown: &str, message: &str, errors: &mut Errors) {
    if !holds {
        errors.invalid_shown(at, shown.to_owned(), message);
    }
}

/// Whether rules can be checked: not when a value has not even the right form.
pub fn can_go_on(errors: &mut Errors) -> bool {
    use ErrorKind::{NotSupported, Required, TooLong, TooMany, TypeInvalid};
    let blocks = |kind: ErrorKind| matches!(kind, NotSupported | Required | TooLong | TooMany | TypeInvalid);
    let is_blocked = errors.0.iter().any(|error| blocks(error.kind));
    if is_blocked {
        let detail = "some validation rules were not checked because the object was invalid; correct the existing \
                      errors to complete validation";
        errors.invalid_shown(&Path::root("<nil>"), "null".to_owned(), detail);
    }
    !is_blocked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_forms() {
        let check = |pattern: &Pattern, good: &[&str], bad: &[&str]| {
            for (texts, expect) in [(good, true), (bad, false)] {
                for text in texts {
                    assert_eq!((pattern.fits)(text), expect, "{text:?} for {}", pattern.regex);
                }
            }
        };
        check(&GROUP, &["", "a", "a.b", "a-b.c9"], &["A", "a.", ".a", "-a", "a_b"]);
        check(&KIND, &["Service", "x", "a-b"], &["", "9a", "a-", "a.b"]);
        check(&HOSTNAME, &["a.b", "*.a.b", "a"], &["*", "*.", "a.*", "*a.b", "A.b", "a..b"]);
        check(&HEADER, &["x-a", "A!#$%&'*+-.^_`|~"], &["", "a b", "a:b", "é"]);
        check(&CONTROLLER, &["a.b/c", "a/b/c"], &["a", "a/", "/b", "a/b c", "A/b"]);
        check(&PROTOCOL, &["HTTP", "a-b", "example.com/foo", "x/y/Z9"], &["", "-a", "a_b", "a.b", "a/", "A/b-c"]);
        check(&DURATION, &["0s", "10s", "1m30s", "500ms", "1h1m1s1ms", "99999h"], &["", "10", "s", "1.5s", "123456s"]);
        check(
            &ORIGIN,
            &["*", "https://a.b", "http://*.a:8080", "https://*", "https://*:1", "http://A-b", "https://-.-"],
            &[
                "",
                "a.b",
                "https://",
                "ftp://a",
                "https://a.*",
                "https://a:",
                "https://a:123456",
                "https://a/",
                "https://*a",
            ],
        );
        check(&DURATION, &["1s1s1s1s"], &["1s1s1s1s1s", "1d", "-1s", "1s "]);
        assert_eq!([millis("1m30s"), millis("500ms"), millis("0s")], [Some(90_000), Some(500), Some(0)]);
    }
}
