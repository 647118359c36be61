//! JSON pointers and URLs with fragments, as the schema library takes them apart.

use masthead_sprig::golang::url;

/// A token as it stands in a pointer.
pub(crate) fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// The token that is written so; none where a `~` is not followed by 0 or 1.
pub(crate) fn unescape(token: &str) -> Option<String> {
    let mut out = String::with_capacity(token.len());
    let mut parts = token.split('~');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        match part.as_bytes().first() {
            Some(b'0') => out.push('~'),
            Some(b'1') => out.push('/'),
            _ => return None,
        }
        out.push_str(&part[1..]);
    }
    Some(out)
}

/// A pointer with one more token.
pub(crate) fn push(pointer: &str, token: &str) -> String {
    format!("{pointer}/{}", escape(token))
}

/// A reference without and with its fragment, the latter still encoded.
pub(crate) fn split(reference: &str) -> (&str, &str) {
    reference.split_once('#').unwrap_or((reference, ""))
}

/// `url.PathUnescape`; none where it fails.
pub(crate) fn decode(fragment: &str) -> Option<String> {
    let mut out = Vec::with_capacity(fragment.len());
    let mut bytes = fragment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
        out.push((high * 16 + low) as u8);
    }
    String::from_utf8(out).ok()
}

/// `url.PathEscape` of what stands between slashes.
pub(crate) fn encode(fragment: &str) -> String {
    let mut out = String::with_capacity(fragment.len());
    for byte in fragment.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'~' | b'$' | b'&' | b'+' | b':' | b'=' | b'@' | b'/' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A place in a document, as messages show it.
pub(crate) fn location(url: &str, pointer: &str) -> String {
    format!("{url}#{}", encode(pointer))
}

/// A reference taken from a base, without its fragment: RFC 3986, as far as schemas use it.
pub(crate) fn join(base: &str, reference: &str) -> String {
    if reference.is_empty() {
        return base.to_owned();
    }
    if has_scheme(reference) {
        return reference.to_owned();
    }
    let Some((scheme, rest)) = base.split_once(':') else { return reference.to_owned() };
    let Some(after) = rest.strip_prefix("//") else {
        // An opaque base such as a urn stays what it is.
        return base.to_owned();
    };
    if let Some(authority) = reference.strip_prefix("//") {
        return format!("{scheme}://{authority}");
    }
    let (host, path) = after.find('/').map_or((after, "/"), |at| after.split_at(at));
    let path = path.split(['?', '#']).next().unwrap_or(path);
    if reference.starts_with('/') {
        return format!("{scheme}://{host}{}", dots(reference));
    }
    let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
    format!("{scheme}://{host}{}", dots(&format!("{folder}{reference}")))
}

fn has_scheme(reference: &str) -> bool {
    let scheme = reference.split(':').next().unwrap_or_default();
    scheme.len() < reference.len()
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// A path without `.` and `..`.
fn dots(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    for (at, part) in parts.iter().enumerate() {
        let last = at + 1 == parts.len();
        match *part {
            "." if last => out.push(""),
            "." => {}
            ".." => {
                out.pop();
                if last {
                    out.push("");
                }
            }
            part => out.push(part),
        }
    }
    format!("/{}", out.join("/"))
}

/// Whether Go could read a URL; the error is its text.
pub(crate) fn check_url(text: &str) -> Result<(), String> {
    url::parse(text.as_bytes()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::{join, unescape};

    #[test]
    fn references_are_taken_from_their_base() {
        let base = "file:///values.schema.json";
        for (reference, expect) in [
            ("", base),
            ("other.json", "file:///other.json"),
            ("/a/b.json", "file:///a/b.json"),
            ("../x", "file:///x"),
            ("https://x.y/z", "https://x.y/z"),
            ("./defs/a.json", "file:///defs/a.json"),
        ] {
            assert_eq!(join(base, reference), expect, "{reference}");
        }
        assert_eq!(join("https://a.b/c/d", "e"), "https://a.b/c/e");
        assert_eq!(unescape("a~1b~0"), Some("a/b~".to_owned()));
        assert_eq!(unescape("a~"), None);
    }
}
