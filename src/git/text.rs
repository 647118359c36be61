//! Text somebody else wrote into text that is safe to print on a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Makes text of several lines safe: newlines and tabs stay, every other control character, bidirectional override
/// and invisible character becomes a visible escape such as `\x1b` or `\u{202e}`.
pub fn sanitize(text: &str) -> Cow<'_, str> {
    escape(text, |c| hostile(c) && c != '\n' && c != '\t')
}

/// Makes text safe for one line: newlines and tabs are escaped too.
pub fn line(text: &str) -> Cow<'_, str> {
    escape(text, hostile)
}

/// Bytes of unknown encoding as one safe line; what is not UTF-8 becomes U+FFFD.
pub fn line_of_bytes(bytes: &[u8]) -> String {
    line(&String::from_utf8_lossy(bytes)).into_owned()
}

/// Whether a character may move the cursor, change the reading order or hide text.
///
/// Zero width joiner and non-joiner stay: scripts and emoji need them.
pub fn hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn escape(text: &str, bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    let Some(first) = text.find(&bad) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(&text[..first]);
    for c in text[first..].chars() {
        match c {
            c if !bad(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing to a String can't fail.
            c if (c as u32) < 0x100 => drop(write!(out, "\\x{:02x}", c as u32)),
            c => drop(write!(out, "\\u{{{:x}}}", c as u32)),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_a_terminal_would_obey() {
        let check = |input: &str, many: &str, one: &str| {
            assert_eq!(sanitize(input), many, "sanitize {input:?}");
            assert_eq!(line(input), one, "line {input:?}");
        };
        check("plain text, ümläut, 漢字, 👩‍💻", "plain text, ümläut, 漢字, 👩‍💻", "plain text, ümläut, 漢字, 👩‍💻");
        check("a\x1b[31mred", "a\\x1b[31mred", "a\\x1b[31mred");
        check("two\nlines\tand", "two\nlines\tand", "two\\nlines\\tand");
        check("over\rwrite", "over\\rwrite", "over\\rwrite");
        check("\u{9b}31m c1", "\\x9b31m c1", "\\x9b31m c1");
        check("abc\u{202e}fdp.yaml", "abc\\u{202e}fdp.yaml", "abc\\u{202e}fdp.yaml");
        check(
            "\u{2066}x\u{2069}\u{feff}\u{200b}",
            "\\u{2066}x\\u{2069}\\u{feff}\\u{200b}",
            "\\u{2066}x\\u{2069}\\u{feff}\\u{200b}",
        );
        check("nul\0bell\x07del\x7f", "nul\\x00bell\\x07del\\x7f", "nul\\x00bell\\x07del\\x7f");
    }

    #[test]
    fn clean_text_is_borrowed_and_the_result_is_stable() {
        assert!(matches!(sanitize("clean\n"), Cow::Borrowed(_)));
        let once = line("\x1b]0;title\x07").into_owned();
        assert_eq!(line(&once), once);
    }
}
