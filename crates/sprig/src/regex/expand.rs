//! Replacement templates: `$1`, `$name`, `${name}` and `$$` to the text of a match's groups.

use crate::golang::unicode;

/// Start and end of each group of one match, by group number.
pub type Slots = Vec<Option<(usize, usize)>>;

/// Appends the template with its references filled in, as Go's `Regexp.Expand` does.
pub fn expand(out: &mut Vec<u8>, template: &[u8], source: &[u8], names: &[String], groups: &Slots) {
    let mut rest = template;
    while let Some(dollar) = rest.iter().position(|&b| b == b'$') {
        out.extend_from_slice(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if rest.first() == Some(&b'$') {
            out.push(b'$');
            rest = &rest[1..];
            continue;
        }
        let Some((name, after)) = reference(rest) else {
            out.push(b'$');
            continue;
        };
        rest = after;
        let group = match number(name) {
            Some(index) => groups.get(index).copied().flatten(),
            None => names.iter().zip(groups).find_map(|(known, group)| group.filter(|_| known.as_bytes() == name)),
        };
        if let Some((start, end)) = group {
            out.extend_from_slice(&source[start..end]);
        }
    }
    out.extend_from_slice(rest);
}

/// The name behind a `$` and what follows it.
fn reference(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let braced = text.first() == Some(&b'{');
    let text = if braced { &text[1..] } else { text };
    let end = name_length(text);
    if end == 0 {
        return None;
    }
    if !braced {
        return Some((&text[..end], &text[end..]));
    }
    (text.get(end) == Some(&b'}')).then(|| (&text[..end], &text[end + 1..]))
}

fn name_length(text: &[u8]) -> usize {
    let readable = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&text[..error.valid_up_to()]).unwrap_or(""),
    };
    readable
        .char_indices()
        .find(|&(_, c)| !(c == '_' || unicode::is_letter(c) || unicode::is_digit(c)))
        .map_or(readable.len(), |(at, _)| at)
}

/// A name that is a number: digits without a leading zero, below 10⁹.
fn number(name: &[u8]) -> Option<usize> {
    if name.len() > 1 && name[0] == b'0' {
        return None;
    }
    let mut value = 0usize;
    for byte in name {
        if !byte.is_ascii_digit() || value >= 100_000_000 {
            return None;
        }
        value = value * 10 + usize::from(byte - b'0');
    }
    Some(value)
}
