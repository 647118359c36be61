//! A compiled pattern: finds, replaces and splits as Go's `regexp.Regexp` does.

use std::borrow::Cow;

use regex_automata::Input;
use regex_automata::meta;
use regex_automata::util::primitives::NonMaxUsize;

use super::error::{self as code, Error};
use super::expand::{self, Slots};
use super::parse;

/// Bytes that a compiled automaton may take; Go's own bound (128 MiB) is above it.
const AUTOMATON_MAX_BYTES: usize = 64 << 20;

/// A compiled pattern.
#[derive(Debug)]
pub struct Regex {
    inner: meta::Regex,
    names: Vec<String>,
    empty_pattern: bool,
}

impl Regex {
    /// Compiles a pattern in Go's syntax.
    pub fn new(pattern: &[u8]) -> Result<Self, Error> {
        let parsed = parse::parse(pattern)?;
        // Patterns of templates are used a few times: what finds faster is not worth making.
        let config = meta::Config::new().nfa_size_limit(Some(AUTOMATON_MAX_BYTES)).utf8_empty(true).dfa(false);
        let inner = meta::Builder::new()
            .configure(config)
            .build_from_hir(&parsed.hir)
            .map_err(|_| Error::new(code::LARGE, pattern))?;
        Ok(Self { inner, names: parsed.names, empty_pattern: pattern.is_empty() })
    }

    /// Whether the text holds a match.
    pub fn is_match(&self, text: &[u8]) -> bool {
        match readable(text) {
            Cow::Borrowed(text) => self.inner.is_match(text),
            Cow::Owned(text) => self.inner.is_match(&text),
        }
    }

    /// Start and end of up to `limit` matches that don't overlap; of all where `limit` is negative.
    pub fn find_all(&self, text: &[u8], limit: i64) -> Vec<(usize, usize)> {
        let Reading { text, offsets } = Reading::new(text);
        let mut found = self.find_readable(&text, limit);
        if let Some(offsets) = offsets {
            for (start, end) in &mut found {
                (*start, *end) = (offsets[*start], offsets[*end]);
            }
        }
        found
    }

    fn find_readable(&self, text: &[u8], limit: i64) -> Vec<(usize, usize)> {
        let limit = usize::try_from(limit).unwrap_or(text.len() + 1);
        let mut found = Vec::new();
        let (mut at, mut last_end) = (0, None);
        while found.len() < limit && at <= text.len() {
            let Some(hit) = self.inner.find(Input::new(text).span(at..text.len())) else { break };
            let mut accept = true;
            if hit.end() == at {
                // No empty match right behind a match.
                accept = Some(hit.start()) != last_end;
                at += width(text, at).max(1);
            } else {
                at = hit.end();
            }
            last_end = Some(hit.end());
            if accept {
                found.push((hit.start(), hit.end()));
            }
        }
        found
    }

    fn captures_at(&self, text: &[u8], at: usize, slots: &mut [Option<NonMaxUsize>]) -> bool {
        self.inner.search_slots(&Input::new(text).span(at..text.len()), slots).is_some()
    }

    /// The text with each match replaced; `template` may hold `$1` and `${name}`.
    pub fn replace_all(&self, text: &[u8], template: &[u8]) -> Vec<u8> {
        if !template.contains(&b'$') {
            return self.replace_all_literal(text, template);
        }
        self.replace_with(text, self.inner.captures_len(), |source, slots, out| {
            expand::expand(out, template, source, &self.names, slots);
        })
    }

    /// The text with each match replaced by `replacement` as it stands.
    pub fn replace_all_literal(&self, text: &[u8], replacement: &[u8]) -> Vec<u8> {
        self.replace_with(text, 1, |_, _, out| out.extend_from_slice(replacement))
    }

    fn replace_with(
        &self,
        original: &[u8],
        groups: usize,
        mut replacement: impl FnMut(&[u8], &Slots, &mut Vec<u8>),
    ) -> Vec<u8> {
        let Reading { text, offsets } = Reading::new(original);
        let back = |at: usize| offsets.as_ref().map_or(at, |offsets| offsets[at]);
        let mut slots = vec![None; groups * 2];
        let mut out = Vec::with_capacity(original.len());
        let (mut last_end, mut at) = (0, 0);
        while at <= text.len() && self.captures_at(&text, at, &mut slots) {
            let groups: Slots = slots
                .chunks_exact(2)
                .map(|pair| Some((pair[0]?.get(), pair[1]?.get())))
                .map(|group| group.map(|(start, end)| (back(start), back(end))))
                .collect();
            let (Some(start), Some(end)) = (slots[0], slots[1]) else { break };
            let (start, end) = (start.get(), end.get());
            out.extend_from_slice(&original[back(last_end)..back(start)]);
            // An empty match right behind another one is left out.
            if end > last_end || start == 0 {
                replacement(original, &groups, &mut out);
            }
            last_end = end;
            let step = width(&text, at);
            at = if at + step > end {
                at + step
            } else if at + 1 > end {
                at + 1
            } else {
                end
            };
        }
        out.extend_from_slice(&original[back(last_end)..]);
        out
    }

    /// The parts between matches, at most `limit` of them where that is not negative; none at all for 0.
    pub fn split(&self, text: &[u8], limit: i64) -> Option<Vec<(usize, usize)>> {
        if limit == 0 {
            return None;
        }
        if !self.empty_pattern && text.is_empty() {
            return Some(vec![(0, 0)]);
        }
        let mut parts = Vec::new();
        let (mut begin, mut end) = (0, 0);
        for (start, stop) in self.find_all(text, limit) {
            if limit > 0 && usize::try_from(limit - 1).is_ok_and(|most| parts.len() == most) {
                break;
            }
            end = start;
            if stop != 0 {
                parts.push((begin, end));
            }
            begin = stop;
        }
        if end != text.len() {
            parts.push((begin, text.len()));
        }
        Some(parts)
    }
}

/// Width in bytes of the code point at a place; 0 at the end.
fn width(text: &[u8], at: usize) -> usize {
    match text.get(at) {
        None => 0,
        Some(0..0xC0) => 1,
        Some(0xC0..0xE0) => 2,
        Some(0xE0..0xF0) => 3,
        Some(_) => 4,
    }
}

/// Go reads each byte that is no UTF-8 as one U+FFFD.
fn readable(text: &[u8]) -> Cow<'_, [u8]> {
    if std::str::from_utf8(text).is_ok() {
        return Cow::Borrowed(text);
    }
    Reading::new(text).text.into_owned().into()
}

/// A text made UTF-8, and where each of its bytes came from when it had to be changed.
struct Reading<'t> {
    text: Cow<'t, [u8]>,
    offsets: Option<Vec<usize>>,
}

impl<'t> Reading<'t> {
    fn new(text: &'t [u8]) -> Self {
        if std::str::from_utf8(text).is_ok() {
            return Self { text: Cow::Borrowed(text), offsets: None };
        }
        let (mut clean, mut offsets, mut at) = (Vec::new(), Vec::new(), 0);
        for chunk in text.utf8_chunks() {
            clean.extend_from_slice(chunk.valid().as_bytes());
            offsets.extend(at..at + chunk.valid().len());
            at += chunk.valid().len();
            for _ in chunk.invalid() {
                clean.extend_from_slice("\u{FFFD}".as_bytes());
                offsets.extend([at; 3]);
                at += 1;
            }
        }
        offsets.push(at);
        Self { text: Cow::Owned(clean), offsets: Some(offsets) }
    }
}

/// Go's `regexp.QuoteMeta`: the text with what has a meaning in patterns escaped.
pub fn quote_meta(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if br"\.+*?()|[]{}^$".contains(&byte) {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out
}
