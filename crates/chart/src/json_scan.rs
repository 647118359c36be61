//! A text that should be one JSON value → what the library that reads schemas for Helm says against it.

use masthead_yaml::json_scan::{Found, blanks, value};

/// The library's words; none where it has nothing to say.
pub(crate) fn against(text: &[u8]) -> Option<String> {
    match value(text, 0) {
        Found::End => Some("EOF".to_owned()),
        Found::Cut => Some("unexpected EOF".to_owned()),
        Found::Fault(_, words) => Some(words),
        Found::Value(end) if blanks(text, end) < text.len() => {
            Some("invalid character after top-level value".to_owned())
        }
        Found::Value(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::against;

    #[test]
    fn a_schema_is_one_value() {
        for (text, expect) in [
            ("", Some("EOF")),
            ("{\"a\":", Some("unexpected EOF")),
            ("tru", Some("unexpected EOF")),
            ("{} }", Some("invalid character after top-level value")),
            ("[1,]", Some("invalid character ']' looking for beginning of value")),
            (" {} ", None),
        ] {
            assert_eq!(against(text.as_bytes()).as_deref(), expect, "{text}");
        }
    }
}
