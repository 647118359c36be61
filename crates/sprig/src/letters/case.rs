//! Upper, lower, title and camel case, one code point for one.

use crate::golang::runes;
use crate::golang::unicode::{self, is_digit, is_letter, is_lower, is_space, is_title, is_upper};

/// `strings.ToUpper`.
pub fn upper(text: &[u8]) -> Vec<u8> {
    if text.is_ascii() { text.to_ascii_uppercase() } else { runes::map(text, unicode::to_upper) }
}

/// `strings.ToLower`.
pub fn lower(text: &[u8]) -> Vec<u8> {
    if text.is_ascii() { text.to_ascii_lowercase() } else { runes::map(text, unicode::to_lower) }
}

/// `strings.Title`: each word's first letter in title case.
pub fn title(text: &[u8]) -> Vec<u8> {
    let mut before = ' ';
    runes::map(text, |c| {
        let starts = separates(before);
        before = c;
        if starts { unicode::to_title(c) } else { c }
    })
}

fn separates(c: char) -> bool {
    if c.is_ascii() {
        return !(c.is_ascii_alphanumeric() || c == '_');
    }
    !is_letter(c) && !is_digit(c) && is_space(c)
}

/// `goutils.Uncapitalize`: each word's first letter in lower case.
pub fn untitle(text: &[u8]) -> Vec<u8> {
    let mut next = true;
    runes::map(text, |c| {
        if is_space(c) {
            next = true;
        } else if next {
            next = false;
            return unicode::to_lower(c);
        }
        c
    })
}

/// `goutils.SwapCase`: a lower-case letter behind a space goes to title case.
pub fn swap(text: &[u8]) -> Vec<u8> {
    let mut space = true;
    runes::map(text, |c| {
        if is_upper(c) || is_title(c) {
            space = false;
            unicode::to_lower(c)
        } else if is_lower(c) {
            let titled = std::mem::take(&mut space);
            if titled { unicode::to_title(c) } else { unicode::to_upper(c) }
        } else {
            space = is_space(c);
            c
        }
    })
}

/// `goutils.Initials`: each word's first byte, as a code point.
pub fn initials(text: &[u8]) -> Vec<u8> {
    let (mut out, mut gap) = (Vec::new(), true);
    for c in text.iter().map(|&b| b as char) {
        if is_space(c) {
            gap = true;
        } else if std::mem::take(&mut gap) {
            runes::push(&mut out, c);
        }
    }
    out
}

/// What stands between words.
pub(super) fn connects(c: char) -> bool {
    c == '-' || c == '_' || is_space(c)
}

/// `xstrings.ToPascalCase`.
pub fn pascal(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = runes::of(text);
    let mut held = None;
    for c in rest.by_ref() {
        if !connects(c) {
            held = Some(c);
            break;
        }
        runes::push(&mut out, c);
    }
    let Some(first) = held else {
        // Of connectors alone xstrings writes the last one twice.
        if let Some(last) = runes::of(text).last() {
            runes::push(&mut out, last);
        }
        return out;
    };
    let mut first_upper = is_upper(first);
    let mut current = unicode::to_upper(first);
    for next in rest {
        let before = std::mem::replace(&mut current, next);
        if connects(current) && connects(before) {
            runes::push(&mut out, before);
            continue;
        }
        if connects(before) {
            first_upper = is_upper(current);
            current = unicode::to_upper(current);
        } else {
            if first_upper {
                if is_upper(current) {
                    current = unicode::to_lower(current);
                } else {
                    first_upper = false;
                }
            }
            runes::push(&mut out, before);
        }
    }
    runes::push(&mut out, current);
    out
}
