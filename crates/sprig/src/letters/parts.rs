//! `FirstName` to `first_name`: words found by xstrings' rules, in lower case, with a connector between.

use super::case::connects;
use crate::golang::runes;
use crate::golang::unicode::{self, is_letter, is_number, is_punct, is_upper};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Invalid,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punct,
    Other,
}

/// `xstrings.ToSnakeCase` and `ToKebabCase`.
pub fn lower_with(text: &[u8], connector: char) -> Vec<u8> {
    let mut out = Out { text: Vec::with_capacity(text.len() + 4), connector };
    if text.is_empty() {
        return out.text;
    }
    let (mut kind, mut word, mut rest) = next_word(text);
    while !rest.is_empty() {
        if kind != Kind::Connector {
            out.word(kind, word);
        }
        let (before, last) = (kind, word);
        (kind, word, rest) = next_word(rest);
        match before {
            Kind::Number => {
                while matches!(kind, Kind::Alphabet | Kind::Number) {
                    out.word(kind, word);
                    (kind, word, rest) = next_word(rest);
                }
                out.connect_unless(kind, &[Kind::Invalid, Kind::Punct, Kind::Connector]);
            }
            Kind::Connector => out.word(before, last),
            Kind::Punct => {}
            _ if kind != Kind::Number => out.connect_unless(kind, &[Kind::Connector, Kind::Punct]),
            _ if rest.is_empty() => {}
            _ => {
                let last = word;
                (kind, word, rest) = next_word(rest);
                // A number belongs to the word before it, unless lower-case letters follow: `bld4_floor`, `http_2xx`.
                if kind != Kind::Alphabet {
                    out.word(Kind::Number, last);
                    out.connect_unless(kind, &[Kind::Connector, Kind::Punct]);
                } else {
                    runes::push(&mut out.text, connector);
                    out.word(Kind::Number, last);
                    while matches!(kind, Kind::Alphabet | Kind::Number) {
                        out.word(kind, word);
                        (kind, word, rest) = next_word(rest);
                    }
                    out.connect_unless(kind, &[Kind::Invalid, Kind::Connector, Kind::Punct]);
                }
            }
        }
    }
    out.word(kind, word);
    out.text
}

struct Out {
    text: Vec<u8>,
    connector: char,
}

impl Out {
    fn connect_unless(&mut self, kind: Kind, kinds: &[Kind]) {
        if !kinds.contains(&kind) {
            runes::push(&mut self.text, self.connector);
        }
    }

    fn word(&mut self, kind: Kind, word: &[u8]) {
        if kind != Kind::Upper && kind != Kind::Connector {
            self.text.extend_from_slice(word);
            return;
        }
        for c in runes::of(word) {
            let c = if connects(c) {
                self.connector
            } else if is_upper(c) {
                unicode::to_lower(c)
            } else {
                c
            };
            runes::push(&mut self.text, c);
        }
    }
}

/// The first code point that is not U+FFFD, or `before`, and the width read.
fn next_valid(text: &[u8], before: char) -> (char, usize) {
    let mut size = 0;
    while size < text.len() {
        let (c, width) = runes::decode(&text[size..]);
        size += width;
        if c != char::REPLACEMENT_CHARACTER {
            return (c, size);
        }
    }
    (before, size)
}

/// A letter, and none of the Han ideographs as xstrings bounds them.
fn is_alphabet(c: char) -> bool {
    is_letter(c) && !matches!(c, '\u{3400}'..='\u{4D85}' | '\u{4E00}'..='\u{9FCC}' | '\u{20000}'..='\u{2B81D}')
}

fn next_word(text: &[u8]) -> (Kind, &[u8], &[u8]) {
    if text.is_empty() {
        return (Kind::Invalid, text, text);
    }
    let (first, size) = next_valid(text, char::REPLACEMENT_CHARACTER);
    if first == char::REPLACEMENT_CHARACTER {
        return (Kind::Invalid, &text[..size], &text[size..]);
    }
    let run = |from: usize, fits: &dyn Fn(char) -> bool| {
        let (mut at, mut last) = (from, first);
        while at < text.len() {
            let (c, width) = next_valid(&text[at..], last);
            last = c;
            if !fits(c) {
                break;
            }
            at += width;
        }
        (at, last)
    };
    let (kind, end) = if connects(first) {
        (Kind::Connector, run(size, &connects).0)
    } else if is_punct(first) {
        (Kind::Punct, run(size, &is_punct).0)
    } else if is_upper(first) {
        (Kind::Upper, upper_end(text, first, size, &run))
    } else if is_alphabet(first) {
        (Kind::Alphabet, run(size, &|c| is_alphabet(c) && !is_upper(c)).0)
    } else if is_number(first) {
        (Kind::Number, run(size, &is_number).0)
    } else {
        let other = |c: char| !(connects(c) || is_alphabet(c) || is_number(c) || is_punct(c));
        (Kind::Other, run(size, &other).0)
    };
    (kind, &text[..end], &text[end..])
}

/// Where code points of a kind end that begin at a place, and the one behind them.
type Run<'r> = dyn Fn(usize, &dyn Fn(char) -> bool) -> (usize, char) + 'r;

/// The end of a word that starts in upper case: `HTTP` of `HTTPStatus`, `Status` of `StatusLine`.
fn upper_end(text: &[u8], first: char, size: usize, run: &Run<'_>) -> usize {
    if size >= text.len() {
        return size;
    }
    let (second, width) = next_valid(&text[size..], first);
    if is_upper(second) {
        let (end, last) = run(size + width, &is_upper);
        if end < text.len() && is_alphabet(last) {
            // The last capital begins the next word.
            let mut at = size;
            let mut before = size;
            while at < end {
                before = at;
                at += next_valid(&text[at..], first).1;
            }
            return before;
        }
        return end;
    }
    if is_alphabet(second) { run(size + width, &|c| is_alphabet(c) && !is_upper(c)).0 } else { size }
}
