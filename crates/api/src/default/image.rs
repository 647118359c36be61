//! The name of an image to the policy by which it is pulled.

/// `Always` for the tag `latest`, written or not; `IfNotPresent` for any other tag or a digest, and for names that are
/// none.
pub fn pull_policy(image: &str) -> &'static str {
    if tag(image) == Some("latest") { "Always" } else { "IfNotPresent" }
}

/// The tag, `latest` when there is neither tag nor digest; none for a digest alone and for what is no image name.
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
    let tag_fits = tag.is_none_or(|tag| {
        (1..=128).contains(&tag.len())
            && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
            && !tag.starts_with(['.', '-'])
    });
    if !is_repository(repository) || !tag_fits {
        return None;
    }
    match (tag, digest) {
        (None, None) => Some("latest"),
        (tag, _) => tag,
    }
}

/// `[host[:port]/]part/part` with parts of lower case letters, digits and single separators.
fn is_repository(text: &str) -> bool {
    let mut parts: Vec<&str> = text.split('/').collect();
    let first = parts[0];
    let host = first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase());
    if parts.len() > 1 && host {
        parts.remove(0);
    }
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    parts.iter().all(|part| {
        edge(part.bytes().next())
            && edge(part.bytes().last())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
            && !part.contains("..")
            && !part.contains("___")
    })
}

#[cfg(test)]
mod tests {
    use super::pull_policy;

    #[test]
    fn tags_decide() {
        for (image, expect) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.27", "IfNotPresent"),
            ("host:5000/a/b", "Always"),
            ("host:5000/a/b:1", "IfNotPresent"),
            ("nginx@sha256:0123", "IfNotPresent"),
            ("nginx:latest@sha256:0123", "Always"),
            ("Nginx", "IfNotPresent"),
            ("", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), expect, "{image}");
        }
    }
}
