//! Values to the text that Go writes of them: `%q` of a string, `encoding/json` of everything else.

use std::fmt::Write;

use serde::Serialize;

/// A string as `strconv.Quote` writes it.
pub fn go_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if is_print(c) => out.push(c),
            // Writing to a string cannot fail.
            c if c < '\u{80}' => drop(write!(out, "\\x{:02x}", u32::from(c))),
            c if c < '\u{10000}' => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => drop(write!(out, "\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// Whether Go prints a character as it is: letters, marks, numbers, punctuation, symbols, and the ASCII space.
pub fn is_print(c: char) -> bool {
    if c < '\u{7f}' {
        return c >= ' ';
    }
    // Rust's own table of what prints, which escapes marks that belong to the letter before them too.
    c.escape_debug().count() == 1 || ('\u{300}'..='\u{36f}').contains(&c)
}

/// A value as `encoding/json` writes it, which escapes what HTML gives a meaning to.
pub fn go_json<T: Serialize + ?Sized>(value: &T) -> String {
    escape_html(&serde_json::to_string(value).unwrap_or_default())
}

/// JSON text with `<`, `>`, `&` and the two line separators of Unicode escaped, which stand in strings alone.
pub fn escape_html(json: &str) -> String {
    if !json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{go_json, go_string};

    #[test]
    fn texts_are_quoted_as_go_does() {
        for (text, quoted, json) in [
            ("a", r#""a""#, r#""a""#),
            ("<a&b>", r#""<a&b>""#, r#""\u003ca\u0026b\u003e""#),
            ("a\"b\\c", r#""a\"b\\c""#, r#""a\"b\\c""#),
            ("ä\u{e9}", "\"ä\u{e9}\"", "\"ä\u{e9}\""),
            ("\u{1}\n\t\u{7}", r#""\x01\n\t\a""#, r#""\u0001\n\t\u0007""#),
            ("\u{7f}\u{a0}\u{feff}", r#""\x7f\u00a0\ufeff""#, "\"\u{7f}\u{a0}\u{feff}\""),
            ("\u{2028}", r#""\u2028""#, r#""\u2028""#),
            ("\u{f0000}", r#""\U000f0000""#, "\"\u{f0000}\""),
        ] {
            assert_eq!(go_string(text), quoted, "{text:?}");
            assert_eq!(go_json(text), json, "{text:?}");
        }
    }
}
