//! Patterns that Go refuses, in its words, and what its templates make of groups.

use super::program::{Regex, quote_meta};

fn check_error(pattern: &str, expect: &str) {
    let error = Regex::new(pattern.as_bytes()).expect_err(pattern);
    assert_eq!(error.to_string(), format!("error parsing regexp: {expect}"), "{pattern}");
}

#[test]
fn refusals() {
    for (pattern, expect) in [
        ("(", "missing closing ): `(`"),
        ("a)", "unexpected ): `a)`"),
        ("[", "missing closing ]: `[`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a|*", "missing argument to repetition operator: `*`"),
        ("x{1001}", "invalid repeat count: `{1001}`"),
        ("(x{100}){11}", "invalid repeat count: `{11}`"),
        ("a{2,1}", "invalid repeat count: `{2,1}`"),
        (r"\8", r"invalid escape sequence: `\8`"),
        (r"\C", r"invalid escape sequence: `\C`"),
        (r"\x4", r"invalid escape sequence: `\x4`"),
        ("\\", "trailing backslash at end of expression: ``"),
        ("(?P<n", "invalid named capture: `(?P<n`"),
        ("(?P<a-b>x)", "invalid named capture: `(?P<a-b>`"),
        ("(?=x)", "invalid or unsupported Perl syntax: `(?=`"),
        (r"\pX", r"invalid character class range: `\pX`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
    ] {
        check_error(pattern, expect);
    }
    assert!(Regex::new(b"(x{100}){10}").is_ok());
    let deep = "(".repeat(1001) + &")".repeat(1001);
    assert!(Regex::new(deep.as_bytes()).unwrap_err().to_string().contains("expression nests too deeply"));
}

fn check_replace(pattern: &str, text: &str, template: &str, expect: &str) {
    let regex = Regex::new(pattern.as_bytes()).expect(pattern);
    let found = regex.replace_all(text.as_bytes(), template.as_bytes());
    assert_eq!(String::from_utf8_lossy(&found), expect, "{pattern} {template}");
}

#[test]
fn templates() {
    check_replace("(a)(b)?", "abac", "[$1$2]", "[ab][a]c");
    check_replace("(a)", "a", "$1x", "");
    check_replace("(a)", "a", "${1}x$$", "ax$");
    check_replace("(?P<name>a)", "a", "<$name>", "<a>");
    check_replace("a*", "baac", "x", "xbxcx");
    check_replace("", "é", "-", "-é-");
    check_replace("$", "a", "${", "a${");
}

#[test]
fn bytes_that_are_no_utf8_are_one_character_each() {
    let regex = Regex::new(b"^..$").expect("a pattern");
    assert!(regex.is_match(b"\xff\xfe"));
    assert_eq!(Regex::new(b".").expect("a pattern").find_all(b"a\xffb", -1), [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(quote_meta(b"a.b[c]"), br"a\.b\[c\]");
}
