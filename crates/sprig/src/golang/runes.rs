//! Bytes read as Go reads a string's code points: each byte that is no UTF-8 is one U+FFFD of width 1.

/// The first code point and its width; U+FFFD of width 0 for an empty text.
pub fn decode(text: &[u8]) -> (char, usize) {
    let Some(&first) = text.first() else { return (char::REPLACEMENT_CHARACTER, 0) };
    if first < 0x80 {
        return (first as char, 1);
    }
    let width = match first {
        0xC2..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0..0xF5 => 4,
        _ => return (char::REPLACEMENT_CHARACTER, 1),
    };
    let c = text.get(..width).and_then(|head| std::str::from_utf8(head).ok()).and_then(|head| head.chars().next());
    c.map_or((char::REPLACEMENT_CHARACTER, 1), |c| (c, width))
}

/// The code points, as `range` over a string gives them.
pub fn of(text: &[u8]) -> impl Iterator<Item = char> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (c, width) = decode(rest);
        rest = &rest[width..];
        (width > 0).then_some(c)
    })
}

/// Appends a code point as UTF-8.
pub fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Each code point through `change`, as `strings.Map`.
pub fn map(text: &[u8], mut change: impl FnMut(char) -> char) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for c in of(text) {
        push(&mut out, change(c));
    }
    out
}

/// The text without code points of a kind at its start and end.
pub fn trim(text: &[u8], kind: impl Fn(char) -> bool) -> &[u8] {
    trim_end(trim_start(text, &kind), &kind)
}

/// The text without code points of a kind at its start.
pub fn trim_start(text: &[u8], kind: impl Fn(char) -> bool) -> &[u8] {
    let mut rest = text;
    loop {
        let (c, width) = decode(rest);
        if width == 0 || !kind(c) {
            return rest;
        }
        rest = &rest[width..];
    }
}

/// The text without code points of a kind at its end.
pub fn trim_end(text: &[u8], kind: impl Fn(char) -> bool) -> &[u8] {
    let mut rest = text;
    while !rest.is_empty() {
        let (c, width) = decode_last(rest);
        if !kind(c) {
            break;
        }
        rest = &rest[..rest.len() - width];
    }
    rest
}

fn decode_last(text: &[u8]) -> (char, usize) {
    for width in 1..=text.len().min(4) {
        let (c, read) = decode(&text[text.len() - width..]);
        if read == width && (c != char::REPLACEMENT_CHARACTER || width == 3) {
            return (c, width);
        }
    }
    (char::REPLACEMENT_CHARACTER, 1)
}

/// Where `needle` begins in `text`.
pub fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, needle)
}

/// `strings.SplitN`: all parts where `limit` is negative, none for 0; an empty separator parts code points.
pub fn split<'t>(text: &'t [u8], separator: &[u8], limit: i64) -> Vec<&'t [u8]> {
    let mut parts = Vec::new();
    if limit == 0 {
        return parts;
    }
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut rest = text;
    if separator.is_empty() {
        while !rest.is_empty() && parts.len() + 1 < most {
            let (_, width) = decode(rest);
            parts.push(&rest[..width]);
            rest = &rest[width..];
        }
        if !rest.is_empty() {
            parts.push(rest);
        }
        return parts;
    }
    while parts.len() + 1 < most {
        let Some(at) = find(rest, separator) else { break };
        parts.push(&rest[..at]);
        rest = &rest[at + separator.len()..];
    }
    parts.push(rest);
    parts
}

/// `strings.ReplaceAll`; an empty `old` matches at each code point and at the end.
pub fn replace(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    if old.is_empty() {
        let mut rest = text;
        loop {
            out.extend_from_slice(new);
            let (_, width) = decode(rest);
            if width == 0 {
                return out;
            }
            out.extend_from_slice(&rest[..width]);
            rest = &rest[width..];
        }
    }
    let mut from = 0;
    for at in memchr::memmem::find_iter(text, old) {
        out.extend_from_slice(&text[from..at]);
        out.extend_from_slice(new);
        from = at + old.len();
    }
    out.extend_from_slice(&text[from..]);
    out
}
