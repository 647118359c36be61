//! Texts of a fixed form (names, labels, keys, ports) to the sentences that say what is wrong with them.

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const SUBDOMAIN_UNDERSCORE: &str = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*";
const QUALIFIED: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";

type Faults = Vec<String>;

/// Kubernetes' sentence about a pattern, with examples.
fn pattern(words: &str, regex: &str, examples: &[&str]) -> String {
    let mut out = format!("{words} (");
    for (i, example) in examples.iter().enumerate() {
        out.push_str(if i == 0 { "e.g. " } else { " or " });
        out.push_str(&format!("'{example}', "));
    }
    out.push_str(&format!("regex used for validation is '{regex}')"));
    out
}

fn too_long(max: usize) -> String {
    format!("must be no more than {max} characters")
}

fn lower_or_digit(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

fn fits(text: &str, edge: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    match text.as_bytes() {
        [] => false,
        [only] => edge(*only),
        [first, middle @ .., last] => edge(*first) && edge(*last) && middle.iter().all(|b| inner(*b) || edge(*b)),
    }
}

fn is_label(text: &str) -> bool {
    fits(text, lower_or_digit, |b| b == b'-')
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// A DNS label: lower case letters, digits, dashes; 63 characters.
pub fn dns_label(text: &str) -> Faults {
    let mut faults = Faults::new();
    if text.len() > 63 {
        faults.push(too_long(63));
    }
    if !is_label(text) {
        faults.push(if is_subdomain(text) {
            "must not contain dots".to_owned()
        } else {
            pattern(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
                 end with an alphanumeric character",
                LABEL,
                &["my-name", "123-abc"],
            )
        });
    }
    faults
}

/// Labels joined by dots; 253 characters.
pub fn dns_subdomain(text: &str) -> Faults {
    subdomain(text, "characters")
}

/// Kubernetes counts "characters" in names and "bytes" in the prefix of a qualified name.
fn subdomain(text: &str, unit: &str) -> Faults {
    let mut faults = Faults::new();
    if text.len() > 253 {
        faults.push(format!("must be no more than 253 {unit}"));
    }
    if !is_subdomain(text) {
        faults.push(pattern(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
             and end with an alphanumeric character",
            SUBDOMAIN,
            &["example.com"],
        ));
    }
    faults
}

/// A DNS name whose first label is `*`.
pub fn wildcard_subdomain(text: &str) -> Faults {
    let mut faults = Faults::new();
    if text.len() > 253 {
        faults.push(too_long(253));
    }
    if !text.strip_prefix("*.").is_some_and(is_subdomain) {
        faults.push(pattern(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of \
             lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            &format!("\\*\\.{SUBDOMAIN}"),
            &["*.example.com"],
        ));
    }
    faults
}

/// As [`dns_subdomain`], with underscores.
pub fn dns_subdomain_underscore(text: &str) -> Faults {
    let label = |part: &str| {
        let part = part.strip_prefix('_').unwrap_or(part);
        fits(part, lower_or_digit, |b| b == b'-' || b == b'_')
    };
    let mut faults = Faults::new();
    if text.len() > 253 {
        faults.push(too_long(253));
    }
    if !text.split('.').all(label) {
        faults.push(pattern(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must \
             start and end with an alphanumeric character",
            SUBDOMAIN_UNDERSCORE,
            &["example.com"],
        ));
    }
    faults
}

/// A name of letters, digits, `-_.`, with an optional DNS prefix and a slash.
pub fn qualified_name(text: &str) -> Faults {
    let mut faults = Faults::new();
    let parts: Vec<&str> = text.split('/').collect();
    let name = match parts.as_slice() {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                faults.push("prefix part must be non-empty".to_owned());
            } else {
                faults.extend(subdomain(prefix, "bytes").into_iter().map(|fault| format!("prefix part {fault}")));
            }
            name
        }
        _ => {
            let words = "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
                         with an alphanumeric character";
            return vec![
                pattern(words, QUALIFIED, &["MyName", "my.name", "123-abc"])
                    + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
            ];
        }
    };
    if name.is_empty() {
        faults.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        faults.push("name part must be no more than 63 bytes".to_owned());
    }
    if !fits(name, |b| b.is_ascii_alphanumeric(), |b| b"-_.".contains(&b)) {
        let words = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                     alphanumeric character";
        faults.push(pattern(words, QUALIFIED, &["MyName", "my.name", "123-abc"]));
    }
    faults
}

/// The value of a label: empty, or as the name part of a qualified name.
pub fn label_value(text: &str) -> Faults {
    let mut faults = Faults::new();
    if text.len() > 63 {
        faults.push("must be no more than 63 bytes".to_owned());
    }
    if !text.is_empty() && !fits(text, |b| b.is_ascii_alphanumeric(), |b| b"-_.".contains(&b)) {
        faults.push(pattern(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
             and end with an alphanumeric character",
            LABEL_VALUE,
            &["MyValue", "my_value", "12345"],
        ));
    }
    faults
}

/// A key of a ConfigMap or Secret, which becomes a file name.
pub fn config_key(text: &str) -> Faults {
    let mut faults = Faults::new();
    if text.len() > 253 {
        faults.push(too_long(253));
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
        faults.push(pattern(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    faults.extend(dot_dots(text));
    faults
}

fn dot_dots(text: &str) -> Option<String> {
    match text {
        "." => Some("must not be '.'".to_owned()),
        ".." => Some("must not be '..'".to_owned()),
        _ if text.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    }
}

/// The name of an environment variable: printable ASCII but `=`.
pub fn env_name(text: &str) -> Faults {
    let mut faults = Faults::new();
    if text.is_empty() {
        faults.push("environment variable name must be non-empty".to_owned());
    }
    if !text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'=') {
        faults.push(
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
                .to_owned(),
        );
    }
    faults
}

/// The name of a port: lower case, digits and single dashes, at least one letter, 15 characters.
pub fn port_name(text: &str) -> Faults {
    let mut faults = Faults::new();
    let mut check = |wrong: bool, words: &str| {
        if wrong {
            faults.push(words.to_owned());
        }
    };
    check(text.len() > 15, "must be no more than 15 characters");
    check(
        text.is_empty() || !text.bytes().all(|b| lower_or_digit(b) || b == b'-'),
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
    );
    check(!text.bytes().any(|b| b.is_ascii_lowercase()), "must contain at least one letter (a-z)");
    check(text.contains("--"), "must not contain consecutive hyphens");
    check(text.starts_with('-') || text.ends_with('-'), "must not begin or end with a hyphen");
    faults
}

/// The name of an HTTP header.
pub fn http_header(text: &str) -> Faults {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Faults::new();
    }
    vec![pattern(
        "a valid HTTP header must consist of alphanumeric characters or '-'",
        "[-A-Za-z0-9]+",
        &["X-Header-Name"],
    )]
}

/// Digits and a percent sign.
pub fn percent(text: &str) -> Faults {
    let digits = text.strip_suffix('%').unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Faults::new();
    }
    vec![pattern(
        "a valid percent string must be a numeric string followed by an ending '%'",
        "[0-9]+%",
        &["1%", "93%"],
    )]
}

/// What no name may be, since names are parts of paths.
pub fn path_segment(text: &str) -> Faults {
    if text == "." || text == ".." {
        return vec![format!("may not be '{text}'")];
    }
    path_segment_prefix(text)
}

/// What a part of a path begins with.
pub fn path_segment_prefix(text: &str) -> Faults {
    ["/", "%"].iter().filter(|c| text.contains(**c)).map(|c| format!("may not contain '{c}'")).collect()
}

/// A name that may end in a dash because something will be added to it. Kubernetes puts one letter in place of the
/// dash and of what stands before it, so that this is not judged.
pub fn prefix(text: &str, rule: fn(&str) -> Faults) -> Faults {
    match text.strip_suffix('-').and_then(|rest| rest.char_indices().next_back()) {
        Some((last, _)) => rule(&format!("{}a", &text[..last])),
        None => rule(text),
    }
}

/// The name of a kernel parameter, with dots or slashes.
pub fn is_sysctl(text: &str) -> bool {
    let part = |part: &str| fits(part, lower_or_digit, |b| b == b'-' || b == b'_');
    text.len() <= 253 && text.split(['.', '/']).all(part)
}

#[cfg(test)]
mod tests {
    use super::{config_key, dns_label, port_name, prefix, qualified_name};

    #[test]
    fn names_are_judged() {
        let check = |faults: Vec<String>, count: usize| assert_eq!(faults.len(), count, "{faults:?}");
        check(dns_label("a-b"), 0);
        check(dns_label("a--b"), 0);
        check(dns_label("-a"), 1);
        check(dns_label("a.b"), 1);
        check(dns_label(""), 1);
        check(dns_label(&"A".repeat(64)), 2);
        check(qualified_name("a.b/c_d"), 0);
        check(qualified_name("/c"), 1);
        check(qualified_name("a/b/c"), 1);
        check(qualified_name("a/"), 2);
        check(qualified_name("A_b/c"), 1);
        check(port_name("http"), 0);
        check(port_name("-"), 2);
        check(config_key("..a"), 1);
        check(config_key("a.b"), 0);
        check(prefix("web-", dns_label), 0);
        check(prefix("we_-", dns_label), 0);
        check(prefix("w_b-", dns_label), 1);
        check(prefix("-", dns_label), 1);
    }
}
