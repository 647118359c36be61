//! A text → where a JSON value in it ends, or what Go's `encoding/json` says is wrong with it.

use crate::go_words::quote;

/// Objects and lists that may stand within each other (Go's `maxNestingDepth`).
const DEPTH_MAX: usize = 10_000;

/// What is found where a JSON value may begin.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing but blanks.
    End,
    /// A value, up to here.
    Value(usize),
    /// The beginning of one.
    Cut,
    /// A byte that cannot stand where it does: how many were read with it, and Go's words.
    Fault(usize, String),
}

/// What a step over a part of a value may come to, if not behind it.
type Step = Result<usize, Found>;

/// One JSON value, as Go's scanner sees it.
pub fn value(text: &[u8], from: usize) -> Found {
    let at = blanks(text, from);
    if at == text.len() {
        return Found::End;
    }
    match nested(text, at) {
        Ok(end) => Found::Value(end),
        Err(found) => found,
    }
}

/// What `json.Unmarshal` says against a text that should be one JSON value; none where it is one.
pub fn fault(text: &[u8]) -> Option<String> {
    match value(text, 0) {
        Found::Fault(_, words) => Some(words),
        Found::Value(end) => match fault_at(text, blanks(text, end), "after top-level value") {
            Found::Fault(_, words) => Some(words),
            _ => None,
        },
        // At the end Go tries a blank, which not everything can have behind it.
        Found::End | Found::Cut => match value(&[text, b" "].concat(), 0) {
            Found::Fault(_, words) => Some(words),
            _ => Some("unexpected end of JSON input".to_owned()),
        },
    }
}

/// Where the blanks at a place end.
pub fn blanks(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

fn fault_at(text: &[u8], at: usize, place: &str) -> Found {
    let Some(byte) = text.get(at) else { return Found::Cut };
    let shown = match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        byte => {
            let quoted = quote(char::from(*byte).encode_utf8(&mut [0; 4]));
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    };
    Found::Fault(at + 1, format!("invalid character {shown} {place}"))
}

/// A value and all that is in it, without a stack of calls.
fn nested(text: &[u8], from: usize) -> Step {
    let mut open: Vec<u8> = Vec::new();
    let mut at = from;
    loop {
        at = blanks(text, at);
        let mut end = match text.get(at) {
            Some(b'{' | b'[') if open.len() >= DEPTH_MAX => return Err(fault_at(text, at, "exceeded max depth")),
            Some(b'{') => {
                let inside = blanks(text, at + 1);
                if text.get(inside) == Some(&b'}') {
                    inside + 1
                } else {
                    open.push(b'{');
                    at = key(text, inside)?;
                    continue;
                }
            }
            Some(b'[') => {
                let inside = blanks(text, at + 1);
                if text.get(inside) == Some(&b']') {
                    inside + 1
                } else {
                    open.push(b'[');
                    at = inside;
                    continue;
                }
            }
            _ => scalar(text, at)?,
        };
        loop {
            let Some(outer) = open.last().copied() else { return Ok(end) };
            end = blanks(text, end);
            let (close, place) =
                if outer == b'{' { (b'}', "after object key:value pair") } else { (b']', "after array element") };
            match text.get(end) {
                Some(b',') if outer == b'{' => at = key(text, blanks(text, end + 1))?,
                Some(b',') => at = end + 1,
                Some(byte) if *byte == close => {
                    open.pop();
                    end += 1;
                    continue;
                }
                _ => return Err(fault_at(text, end, place)),
            }
            break;
        }
    }
}

/// A key and its colon.
fn key(text: &[u8], at: usize) -> Step {
    if text.get(at) != Some(&b'"') {
        return Err(fault_at(text, at, "looking for beginning of object key string"));
    }
    let colon = blanks(text, string(text, at)?);
    if text.get(colon) == Some(&b':') { Ok(colon + 1) } else { Err(fault_at(text, colon, "after object key")) }
}

fn scalar(text: &[u8], at: usize) -> Step {
    match text.get(at) {
        Some(b'"') => string(text, at),
        Some(b'-' | b'0'..=b'9') => number(text, at),
        Some(b't') => word(text, at, "true"),
        Some(b'f') => word(text, at, "false"),
        Some(b'n') => word(text, at, "null"),
        _ => Err(fault_at(text, at, "looking for beginning of value")),
    }
}

fn string(text: &[u8], from: usize) -> Step {
    let mut at = from + 1;
    loop {
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => match text.get(at + 1) {
                Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => at += 2,
                Some(b'u') => {
                    let is_hex = |at: &usize| text.get(*at).is_some_and(u8::is_ascii_hexdigit);
                    if let Some(bad) = (at + 2..at + 6).find(|at| !is_hex(at)) {
                        return Err(fault_at(text, bad, "in \\u hexadecimal character escape"));
                    }
                    at += 6;
                }
                _ => return Err(fault_at(text, at + 1, "in string escape code")),
            },
            Some(0x20..) => at += 1,
            _ => return Err(fault_at(text, at, "in string literal")),
        }
    }
}

fn number(text: &[u8], from: usize) -> Step {
    let digits = |from: usize| from + text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = from + usize::from(text.get(from) == Some(&b'-'));
    at = match text.get(at) {
        Some(b'0') => at + 1,
        Some(b'1'..=b'9') => digits(at),
        _ => return Err(fault_at(text, at, "in numeric literal")),
    };
    if text.get(at) == Some(&b'.') {
        let end = digits(at + 1);
        if end == at + 1 {
            return Err(fault_at(text, end, "after decimal point in numeric literal"));
        }
        at = end;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = at + 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at = digits(sign);
        if at == sign {
            return Err(fault_at(text, at, "in exponent of numeric literal"));
        }
    }
    Ok(at)
}

fn word(text: &[u8], from: usize, word: &str) -> Step {
    for (at, expected) in word.bytes().enumerate() {
        if text.get(from + at) != Some(&expected) {
            let place = format!("in literal {word} (expecting '{}')", char::from(expected));
            return Err(fault_at(text, from + at, &place));
        }
    }
    Ok(from + word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_where_they_end() {
        let check = |text: &str, expect: Found| assert_eq!(value(text.as_bytes(), 0), expect, "{text}");
        check("  ", Found::End);
        let text = " [1, {\"a\": [true, null, -1.5e+3]}, \"\\u00e4\"] x";
        check(text, Found::Value(text.len() - 2));
        check("[1, 2", Found::Cut);
        check("\"abc", Found::Cut);
        check("-", Found::Cut);
        check("1.", Found::Cut);
        check("1e", Found::Cut);
        check("tru", Found::Cut);
        let faulty = |text: &str, offset: usize, place: &str| match value(text.as_bytes(), 0) {
            Found::Fault(at, words) => assert!(at == offset && words.ends_with(place), "{text}: {at} {words}"),
            other => panic!("{text}: {other:?}"),
        };
        faulty("[01]", 3, "'1' after array element");
        faulty("{\"a\" 1}", 6, "'1' after object key");
        faulty("{,}", 2, "',' looking for beginning of object key string");
        faulty("[1,]", 4, "']' looking for beginning of value");
        faulty("{\"a\":1 2}", 8, "'2' after object key:value pair");
        faulty("[-x]", 3, "'x' in numeric literal");
        faulty("[1.x]", 4, "'x' after decimal point in numeric literal");
        faulty("[1ex]", 4, "'x' in exponent of numeric literal");
        faulty("\"\n\"", 2, "'\\n' in string literal");
        faulty("\"\\uzz\"", 4, "'z' in \\u hexadecimal character escape");
        faulty(&"[".repeat(DEPTH_MAX + 1), DEPTH_MAX + 1, "'[' exceeded max depth");
        faulty(&format!("{}{{}}", "[".repeat(DEPTH_MAX)), DEPTH_MAX + 1, "'{' exceeded max depth");
        check(&"[".repeat(DEPTH_MAX), Found::Cut);
    }

    #[test]
    fn faults_are_those_of_unmarshal() {
        for (text, expect) in [
            ("", "unexpected end of JSON input"),
            ("  ", "unexpected end of JSON input"),
            ("{", "unexpected end of JSON input"),
            ("\"a", "unexpected end of JSON input"),
            ("{}x", "invalid character 'x' after top-level value"),
            ("1 {", "invalid character '{' after top-level value"),
            ("nul", "invalid character ' ' in literal null (expecting 'l')"),
            ("-", "invalid character ' ' in numeric literal"),
            ("[1.", "invalid character ' ' after decimal point in numeric literal"),
            ("\"\\", "invalid character ' ' in string escape code"),
            ("'a'", r"invalid character '\'' looking for beginning of value"),
            ("\"\u{1}\"", r"invalid character '\x01' in string literal"),
            ("\u{e4}", "invalid character '\u{c3}' looking for beginning of value"),
            ("[\u{ad}", r"invalid character 'Â' looking for beginning of value"),
            ("[\"\\\u{7f}", r"invalid character '\x7f' in string escape code"),
        ] {
            assert_eq!(fault(text.as_bytes()).as_deref(), Some(expect), "{text}");
        }
        assert_eq!(fault(b"\xad").as_deref(), Some(r"invalid character '\u00ad' looking for beginning of value"));
        for text in ["{}", " [1, {\"a\": [true, null, -0.5e+3, \"\\u00e4\"]}] ", "0", "[]", "{\"a\":{}}", "[[],[]]"] {
            assert_eq!(fault(text.as_bytes()), None, "{text}");
        }
    }
}
