//! A file name and a pattern to whether they match: Go's `filepath.Match`.

/// What Go says of a pattern that can't be read.
pub const BAD_PATTERN: &str = "syntax error in pattern";

/// Whether the whole name matches; a pattern is read only as far as the name reaches.
///
/// # Errors
/// [`BAD_PATTERN`], where Go reports it.
pub fn matches(pattern: &str, name: &str) -> Result<bool, &'static str> {
    let (mut pattern, mut name) = (pattern, name);
    'pattern: while !pattern.is_empty() {
        let (star, chunk, rest) = scan_chunk(pattern);
        pattern = rest;
        if star && chunk.is_empty() {
            return Ok(!name.contains('/'));
        }
        if let Some(left) = match_chunk(chunk, name.as_bytes())?
            && (left.is_empty() || !pattern.is_empty())
        {
            name = tail(name, left);
            continue;
        }
        if star {
            let mut at = 0;
            while at < name.len() && name.as_bytes()[at] != b'/' {
                at += 1;
                if let Some(left) = match_chunk(chunk, &name.as_bytes()[at..])? {
                    if pattern.is_empty() && !left.is_empty() {
                        continue;
                    }
                    name = tail(name, left);
                    continue 'pattern;
                }
            }
        }
        return Ok(false);
    }
    Ok(name.is_empty())
}

/// The end of `name` that is as long as `left`; what matched ends at a character's end.
fn tail<'n>(name: &'n str, left: &[u8]) -> &'n str {
    name.get(name.len() - left.len()..).unwrap_or_default()
}

fn scan_chunk(pattern: &str) -> (bool, &str, &str) {
    let rest = pattern.trim_start_matches('*');
    let star = rest.len() < pattern.len();
    let mut in_range = false;
    let mut bytes = rest.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'[' => in_range = true,
            b']' => in_range = false,
            b'*' if !in_range => return (star, &rest[..at], &rest[at..]),
            _ => {}
        }
    }
    (star, rest, "")
}

/// What is left of `text` after the chunk, if it begins so.
fn match_chunk<'t>(chunk: &str, mut text: &'t [u8]) -> Result<Option<&'t [u8]>, &'static str> {
    let mut failed = false;
    let mut chunk = chunk;
    while let Some(first) = chunk.bytes().next() {
        failed |= text.is_empty();
        match first {
            b'[' => {
                let mut c = '\0';
                if !failed {
                    let (read, width) = masthead_sprig::golang::runes::decode(text);
                    (c, text) = (read, &text[width..]);
                }
                let (matched, rest) = class(&chunk[1..], c)?;
                chunk = rest;
                failed |= !matched;
            }
            b'?' => {
                if !failed {
                    failed = text[0] == b'/';
                    text = &text[masthead_sprig::golang::runes::decode(text).1..];
                }
                chunk = &chunk[1..];
            }
            _ => {
                if first == b'\\' {
                    chunk = &chunk[1..];
                }
                let Some(c) = chunk.chars().next() else { return Err(BAD_PATTERN) };
                let width = c.len_utf8();
                for byte in chunk.bytes().take(width) {
                    failed |= text.first() != Some(&byte);
                    if !failed {
                        text = &text[1..];
                    }
                }
                chunk = &chunk[width..];
            }
        }
    }
    Ok((!failed).then_some(text))
}

/// Whether `c` is in the class whose `[` was read, and what follows its `]`.
fn class(mut chunk: &str, c: char) -> Result<(bool, &str), &'static str> {
    let negated = chunk.starts_with('^');
    if negated {
        chunk = &chunk[1..];
    }
    let mut matched = false;
    let mut ranges = 0;
    loop {
        if ranges > 0 && chunk.starts_with(']') {
            return Ok((matched != negated, &chunk[1..]));
        }
        let (low, rest) = escaped(chunk)?;
        chunk = rest;
        let mut high = low;
        if let Some(rest) = chunk.strip_prefix('-') {
            (high, chunk) = escaped(rest)?;
        }
        matched |= low <= c && c <= high;
        ranges += 1;
    }
}

fn escaped(chunk: &str) -> Result<(char, &str), &'static str> {
    let chunk = match chunk.chars().next() {
        None | Some('-' | ']') => return Err(BAD_PATTERN),
        Some('\\') => &chunk[1..],
        Some(_) => chunk,
    };
    let c = chunk.chars().next().ok_or(BAD_PATTERN)?;
    let rest = &chunk[c.len_utf8()..];
    if rest.is_empty() { Err(BAD_PATTERN) } else { Ok((c, rest)) }
}

#[cfg(test)]
mod tests {
    use super::{BAD_PATTERN, matches};

    #[test]
    fn as_go_matches() {
        for (pattern, name, expect) in [
            ("abc", "abc", Ok(true)),
            ("*", "abc", Ok(true)),
            ("*c", "abc", Ok(true)),
            ("a*", "ab/c", Ok(false)),
            ("a*/b", "a/c/b", Ok(false)),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", Ok(true)),
            ("a*b?c*x", "abxbbxdbxebxczzx", Ok(true)),
            ("ab[c]", "abc", Ok(true)),
            ("ab[^b-d]", "abe", Ok(true)),
            ("a[^a]b", "a☺b", Ok(true)),
            ("a???b", "a☺b", Ok(false)),
            ("[a-ζ]*", "α", Ok(true)),
            ("a?b", "a/b", Ok(false)),
            ("[\\]a]", "]", Ok(true)),
            ("[]a]", "]", Err(BAD_PATTERN)),
            ("[", "a", Err(BAD_PATTERN)),
            ("a[", "ab", Err(BAD_PATTERN)),
            ("*x", "xxx", Ok(true)),
            ("\\", "a", Err(BAD_PATTERN)),
            ("templates/*.yaml", "templates/a.yaml", Ok(true)),
        ] {
            assert_eq!(matches(pattern, name), expect, "{pattern} {name}");
        }
    }
}
