//! Go's package `unicode`: what kind a code point is, and its simple case mappings.

use std::sync::LazyLock;

use regex_syntax::hir::ClassUnicode;

use crate::regex::class;

/// Code points of one category, sorted for a binary search.
struct Table(LazyLock<Vec<(char, char)>>);

impl Table {
    fn holds(&self, c: char) -> bool {
        self.0
            .binary_search_by(|&(low, high)| {
                if c < low {
                    std::cmp::Ordering::Greater
                } else if c > high {
                    std::cmp::Ordering::Less
                } else {
                    std::cmp::Ordering::Equal
                }
            })
            .is_ok()
    }
}

fn load(name: &str) -> Vec<(char, char)> {
    let set = class::unicode(name).unwrap_or_else(ClassUnicode::empty);
    set.iter().map(|range| (range.start(), range.end())).collect()
}

static UPPER: Table = Table(LazyLock::new(|| load("Lu")));
static LOWER: Table = Table(LazyLock::new(|| load("Ll")));
static TITLE: Table = Table(LazyLock::new(|| load("Lt")));
static LETTER: Table = Table(LazyLock::new(|| load("L")));
static DIGIT: Table = Table(LazyLock::new(|| load("Nd")));
static NUMBER: Table = Table(LazyLock::new(|| load("N")));
static PUNCT: Table = Table(LazyLock::new(|| load("P")));
static MARK: Table = Table(LazyLock::new(|| load("M")));
static SYMBOL: Table = Table(LazyLock::new(|| load("S")));

/// Category Lu.
pub fn is_upper(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_uppercase() } else { UPPER.holds(c) }
}

/// Category Ll.
pub fn is_lower(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_lowercase() } else { LOWER.holds(c) }
}

/// Category Lt.
pub fn is_title(c: char) -> bool {
    !c.is_ascii() && TITLE.holds(c)
}

/// Category L.
pub fn is_letter(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { LETTER.holds(c) }
}

/// Category Nd.
pub fn is_digit(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { DIGIT.holds(c) }
}

/// Category N.
pub fn is_number(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { NUMBER.holds(c) }
}

/// Category P.
pub fn is_punct(c: char) -> bool {
    PUNCT.holds(c)
}

/// Property White_Space.
pub fn is_space(c: char) -> bool {
    c.is_whitespace()
}

/// Letters, marks, numbers, punctuation, symbols, and the ASCII space.
pub fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    [&LETTER, &MARK, &NUMBER, &PUNCT, &SYMBOL].iter().any(|table| table.holds(c))
}

/// Simple upper case: one code point for one.
pub fn to_upper(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_uppercase();
    }
    let mut full = c.to_uppercase();
    match (full.next(), full.next()) {
        (Some(only), None) => only,
        // Full mappings of several code points that have a simple one beside.
        _ => match c {
            '\u{1F80}'..='\u{1F87}' | '\u{1F90}'..='\u{1F97}' | '\u{1FA0}'..='\u{1FA7}' => shifted(c, 8),
            '\u{1FB3}' | '\u{1FC3}' | '\u{1FF3}' => shifted(c, 9),
            _ => c,
        },
    }
}

fn shifted(c: char, by: u32) -> char {
    char::from_u32(c as u32 + by).unwrap_or(c)
}

/// Simple lower case.
pub fn to_lower(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    c.to_lowercase().next().unwrap_or(c)
}

/// Simple title case.
pub fn to_title(c: char) -> char {
    match c {
        '\u{1C4}'..='\u{1C6}' => '\u{1C5}',
        '\u{1C7}'..='\u{1C9}' => '\u{1C8}',
        '\u{1CA}'..='\u{1CC}' => '\u{1CB}',
        '\u{1F1}'..='\u{1F3}' => '\u{1F2}',
        '\u{10D0}'..='\u{10FF}' => c,
        _ => to_upper(c),
    }
}
