//! The name of an image to the policy by which it is pulled.

/// Bytes that a repository's path may have.
const NAME_MAX: usize = 255;

/// `Always` for the tag `latest`, written or not; `IfNotPresent` for any other tag or a digest, and for names that are
/// none.
pub fn pull_policy(image: &str) -> &'static str {
    if tag(image) == Some("latest") { "Always" } else { "IfNotPresent" }
}

/// The tag, `latest` when there is neither tag nor digest; none for a digest alone and for what is no image name.
///
/// The grammar is that of `distribution/reference`, which Kubernetes asks.
fn tag(image: &str) -> Option<&str> {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let last = name.rfind('/').map_or(0, |at| at + 1);
    let (repository, tag) = match name[last..].split_once(':') {
        Some((base, tag)) => (&name[..last + base.len()], Some(tag)),
        None => (name, None),
    };
    let is_id = image.len() == 64 && image.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if is_id || !is_repository(repository) || !tag.is_none_or(is_tag) || !digest.is_none_or(is_digest) {
        return None;
    }
    match (tag, digest) {
        (None, None) => Some("latest"),
        (tag, _) => tag,
    }
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        && !text.starts_with(['.', '-'])
}

/// One of the algorithms that are known, with as many digits as it gives.
fn is_digest(text: &str) -> bool {
    let Some((algorithm, digits)) = text.split_once(':') else { return false };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    digits.len() == length && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// `[host[:port]/]part/part` with parts of lower case letters, digits and single separators.
fn is_repository(text: &str) -> bool {
    let (host, path) = match text.split_once('/') {
        Some((first, rest)) if is_domain(first) => (Some(first), rest),
        _ => (None, text),
    };
    // Names of one part stand for those of the official images.
    let official = if host.is_none() && !path.contains('/') { "library/".len() } else { 0 };
    official + path.len() <= NAME_MAX && host.is_none_or(is_host) && path.split('/').all(is_part)
}

/// Whether what stands before the first slash is meant as a host.
fn is_domain(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|b| b.is_ascii_uppercase())
}

/// A name or an IPv6 address in brackets, with a port.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inner, rest)) => {
            let good = !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
            (good, rest.strip_prefix(':').or(if rest.is_empty() { None } else { Some("") }))
        }
        None => {
            let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
            let label = |label: &str| {
                !label.is_empty()
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                    && !label.starts_with('-')
                    && !label.ends_with('-')
            };
            (name.split('.').all(label), port)
        }
    };
    host && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Runs of letters and digits, between them one of `.`, `_`, `__` or any number of dashes.
fn is_part(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let edges = bytes.first().copied().is_some_and(letter) && bytes.last().copied().is_some_and(letter);
    edges
        && bytes
            .split(|b| letter(*b))
            .all(|separator| matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|b| *b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::pull_policy;

    #[test]
    fn tags_decide() {
        let sha = "0123456789abcdef".repeat(4);
        let with_digest = format!("nginx:latest@sha256:{sha}");
        let digest = format!("nginx@sha256:{sha}");
        let short = format!("nginx:latest@sha256:{}", &sha[1..]);
        let long = format!("{}/nginx", "a".repeat(255));
        for (image, expect) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.27", "IfNotPresent"),
            ("host:5000/a/b", "Always"),
            ("host:5000/a/b:1", "IfNotPresent"),
            ("[::1]:5000/a", "Always"),
            ("[::1]x/a", "IfNotPresent"),
            ("a__b/c-_d", "IfNotPresent"),
            ("a__b/c--d", "Always"),
            ("a.-b", "IfNotPresent"),
            ("-a", "IfNotPresent"),
            ("host-.example/a", "IfNotPresent"),
            ("Host/a", "Always"),
            ("Host/A", "IfNotPresent"),
            (digest.as_str(), "IfNotPresent"),
            (with_digest.as_str(), "Always"),
            (short.as_str(), "IfNotPresent"),
            (sha.as_str(), "IfNotPresent"),
            (long.as_str(), "IfNotPresent"),
            ("Nginx", "IfNotPresent"),
            ("", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), expect, "{image}");
        }
    }
}
