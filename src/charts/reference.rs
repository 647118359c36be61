//! `oci://HOST/PATH/NAME[:TAG][@DIGEST]` → its parts.

use std::fmt;

use crate::charts::error::Error;

/// A chart in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// `oci://HOST/PATH/NAME`.
    pub base: String,
    /// The tag; empty where none is named.
    pub tag: String,
    /// The digest of a manifest.
    pub digest: Option<String>,
}

impl Reference {
    /// A chart without tag and digest.
    pub fn of(base: String) -> Reference {
        Reference { base, tag: String::new(), digest: None }
    }

    /// Reads a reference.
    ///
    /// # Errors
    /// It has no name, or a digest that is none.
    pub fn parse(text: &str) -> Result<Reference, Error> {
        let wrong = |why: &str| Error::Address { url: text.to_owned(), why: why.to_owned() };
        let rest = text.strip_prefix("oci://").ok_or_else(|| wrong("it does not begin with oci://"))?;
        let (rest, digest) = match rest.rsplit_once('@') {
            None => (rest, None),
            Some((rest, digest)) => {
                let hex = digest.strip_prefix("sha256:").unwrap_or_default();
                if hex.len() != 64 || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                    return Err(wrong(&format!("{digest:?} is no digest")));
                }
                (rest, Some(digest.to_owned()))
            }
        };
        // A colon before the last slash is the port's.
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, tag),
            _ => (rest, ""),
        };
        match path.trim_end_matches('/').rsplit_once('/') {
            Some((host, name)) if !host.is_empty() && !name.is_empty() => {}
            _ => return Err(wrong("it names no host or no chart")),
        }
        Ok(Reference { base: format!("oci://{}", path.trim_end_matches('/')), tag: tag.to_owned(), digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)?;
        if !self.tag.is_empty() {
            write!(f, ":{}", self.tag)?;
        }
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let check = |text: &str, base: &str, tag: &str, digest: Option<&str>| {
            let read = Reference::parse(text).unwrap();
            assert_eq!((read.base.as_str(), read.tag.as_str(), read.digest.as_deref()), (base, tag, digest), "{text}");
        };
        check("oci://h:5000/a/b", "oci://h:5000/a/b", "", None);
        check("oci://h/a:1.0.0_b", "oci://h/a", "1.0.0_b", None);
        check(&format!("oci://h:1/a:2@{digest}"), "oci://h:1/a", "2", Some(&digest));
        check(&format!("oci://h:1/a@{digest}"), "oci://h:1/a", "", Some(&digest));
        for bad in ["https://h/a", "oci://h", "oci://", "oci:///a", "oci://h/a@sha256:12", "oci://h/"] {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
        let text = format!("oci://h:1/a:2@{digest}");
        assert_eq!(Reference::parse(&text).unwrap().to_string(), text);
    }
}
