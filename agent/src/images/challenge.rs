//! Parses a `WWW-Authenticate` header into what the registry asks for.

/// What a registry wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// User name and password with each request.
    Basic,
    /// A token from this server.
    Bearer {
        /// URL of the token server.
        realm: String,
        /// Service to name there.
        service: Option<String>,
        /// Scope to ask for there.
        scope: Option<String>,
    },
}

/// Longest header looked at.
const HEADER_MAX: usize = 8 << 10;

/// Reads one challenge; `None` for a scheme that is not known or a bearer challenge without realm.
pub fn parse(header: &str) -> Option<Challenge> {
    if header.len() > HEADER_MAX {
        return None;
    }
    let header = header.trim();
    let (scheme, rest) = header.split_once(char::is_whitespace).unwrap_or((header, ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (mut realm, mut service, mut scope) = (None, None, None);
    for (key, value) in parameters(rest) {
        match key.to_ascii_lowercase().as_str() {
            "realm" => realm = Some(value),
            "service" => service = Some(value),
            "scope" => scope = Some(value),
            _ => {}
        }
    }
    Some(Challenge::Bearer { realm: realm?, service, scope })
}

fn parameters(mut text: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    while let Some((key, rest)) = text.split_once('=') {
        let key = key.trim_matches(|c: char| c == ',' || c.is_whitespace());
        let rest = rest.trim_start();
        let (value, tail) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        found.push((key, value));
        text = tail;
    }
    found
}

fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            Some(Challenge::Bearer {
                realm: realm.into(),
                service: service.map(Into::into),
                scope: scope.map(Into::into),
            })
        };
        for (header, expect) in [
            (
                r#"Bearer realm="https://a/t",service="reg",scope="repository:x:pull,push""#,
                bearer("https://a/t", Some("reg"), Some("repository:x:pull,push")),
            ),
            (r#"bearer  realm=https://a/t , service=b"#, bearer("https://a/t", Some("b"), None)),
            (r#"Bearer realm="a\"b""#, bearer("a\"b", None, None)),
            (r#"Bearer service="x""#, None),
            (r#"Basic realm="x""#, Some(Challenge::Basic)),
            ("Basic", Some(Challenge::Basic)),
            ("Negotiate", None),
            ("", None),
            (r#"Bearer realm="unterminated"#, bearer("unterminated", None, None)),
        ] {
            assert_eq!(parse(header), expect, "{header}");
        }
    }
}
