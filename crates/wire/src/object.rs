//! Turns a Kubernetes object's JSON into a keyed entry with a digest of what was intended.

use bytes::Bytes;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::limits::MAX_OBJECT_BYTES;

/// Why bytes are not an object that can travel.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Larger than [`MAX_OBJECT_BYTES`].
    #[error("object of {0} bytes is over the limit of {MAX_OBJECT_BYTES}")]
    TooLarge(usize),
    /// Not a JSON object. The text of the parser is left out: it may quote a value.
    #[error("object is not valid JSON (line {line}, column {column})")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A field that names the object is missing.
    #[error("object has no {0}")]
    Missing(&'static str),
}

/// Tells two objects apart by what was intended: `metadata.resourceVersion` and `metadata.managedFields` don't count.
/// Of a pod its `status` does not count either, so that an agent's own report never comes back to it as a change; of an
/// attachment it does, for nodes act on it (addresses of nodes and of load balancers).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 16]);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl TryFrom<&[u8]> for Digest {
    type Error = std::array::TryFromSliceError;
    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Digest)
    }
}

/// A pod as it travels. Debug prints no content: a pod's `env` may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct PodEntry {
    /// `metadata.uid`.
    pub uid: Arc<str>,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.resourceVersion`, empty when absent.
    pub resource_version: String,
    /// Digest of the intent.
    pub digest: Digest,
    /// The object as JSON.
    pub bytes: Bytes,
}

impl PodEntry {
    /// Reads the keys of a pod's JSON.
    pub fn parse(bytes: Bytes) -> Result<Self, Error> {
        let head = Head::parse(&bytes, Status::Left)?;
        Ok(Self {
            uid: head.uid.ok_or(Error::Missing("metadata.uid"))?.into(),
            namespace: head.namespace.ok_or(Error::Missing("metadata.namespace"))?,
            name: head.name.ok_or(Error::Missing("metadata.name"))?,
            resource_version: head.resource_version.unwrap_or_default(),
            digest: head.digest,
            bytes,
        })
    }
}

impl fmt::Debug for PodEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodEntry")
            .field("uid", &self.uid)
            .field("namespace", &self.namespace)
            .field("name", &self.name)
            .field("resource_version", &self.resource_version)
            .field("digest", &self.digest)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

/// Names an object that pods refer to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttachmentKey {
    /// `ConfigMap`, `Secret`, `Service`.
    pub kind: String,
    /// `metadata.namespace`, empty for what has none.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

/// An object that pods refer to, sent once for all of them. Debug prints no content.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// What it is.
    pub key: AttachmentKey,
    /// `metadata.resourceVersion`, empty when absent.
    pub resource_version: String,
    /// Digest of the intent. Two stores may give one resourceVersion to two contents, a digest
    /// can't: it, and not the version, decides what is sent.
    pub digest: Digest,
    /// The object as JSON.
    pub bytes: Bytes,
}

impl Attachment {
    /// Reads the keys of an object's JSON; the kind is the caller's, as list items carry none.
    pub fn parse(kind: impl Into<String>, bytes: Bytes) -> Result<Self, Error> {
        let head = Head::parse(&bytes, Status::Counts)?;
        Ok(Self {
            key: AttachmentKey {
                kind: kind.into(),
                namespace: head.namespace.unwrap_or_default(),
                name: head.name.ok_or(Error::Missing("metadata.name"))?,
            },
            resource_version: head.resource_version.unwrap_or_default(),
            digest: head.digest,
            bytes,
        })
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("key", &self.key)
            .field("resource_version", &self.resource_version)
            .field("digest", &self.digest)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

/// Whether `status` is part of the digest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Counts,
    Left,
}

struct Head {
    uid: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    resource_version: Option<String>,
    digest: Digest,
}

type Fields<'a> = BTreeMap<String, &'a RawValue>;

fn json(e: serde_json::Error) -> Error {
    Error::Json { line: e.line(), column: e.column() }
}

impl Head {
    fn parse(bytes: &[u8], status: Status) -> Result<Self, Error> {
        if bytes.len() > MAX_OBJECT_BYTES {
            return Err(Error::TooLarge(bytes.len()));
        }
        let object: Fields<'_> = serde_json::from_slice(bytes).map_err(json)?;
        let metadata = object.get("metadata").ok_or(Error::Missing("metadata"))?;
        let metadata: Fields<'_> = serde_json::from_str(metadata.get()).map_err(json)?;
        let text = |field: &str| -> Result<Option<String>, Error> {
            match metadata.get(field) {
                Some(raw) => {
                    let text: Option<String> = serde_json::from_str(raw.get()).map_err(json)?;
                    Ok(text.filter(|t| !t.is_empty()))
                }
                None => Ok(None),
            }
        };
        let mut hash = Sha256::new();
        for (key, value) in &object {
            match key.as_str() {
                "metadata" => metadata
                    .iter()
                    .filter(|(key, _)| !matches!(key.as_str(), "resourceVersion" | "managedFields"))
                    .for_each(|(key, value)| hash_field(&mut hash, b'm', key, value)),
                "status" if status == Status::Left => {}
                _ => hash_field(&mut hash, b'o', key, value),
            }
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash.finalize()[..16]);
        Ok(Self {
            uid: text("uid")?,
            namespace: text("namespace")?,
            name: text("name")?,
            resource_version: text("resourceVersion")?,
            digest: Digest(digest),
        })
    }
}

fn hash_field(hash: &mut Sha256, level: u8, key: &str, value: &RawValue) {
    hash.update([level]);
    // Lengths keep `a` + `bc` apart from `ab` + `c`.
    hash.update((key.len() as u64).to_le_bytes());
    hash.update(key);
    hash.update((value.get().len() as u64).to_le_bytes());
    hash.update(value.get());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(json: &str) -> Result<PodEntry, Error> {
        PodEntry::parse(Bytes::copy_from_slice(json.as_bytes()))
    }

    #[test]
    fn digest_follows_intent_and_nothing_else() {
        let base =
            pod(r#"{"metadata":{"uid":"u","namespace":"n","name":"a","resourceVersion":"1"},"spec":{"x":1}}"#).unwrap();
        let same = [
            r#"{"metadata":{"uid":"u","namespace":"n","name":"a","resourceVersion":"2"},"spec":{"x":1}}"#,
            r#"{"spec":{"x":1},"status":{"phase":"Running"},"metadata":{"name":"a","namespace":"n","uid":"u","managedFields":[]}}"#,
        ];
        let other = [
            r#"{"metadata":{"uid":"u","namespace":"n","name":"a"},"spec":{"x":2}}"#,
            r#"{"metadata":{"uid":"u","namespace":"n","name":"a","deletionTimestamp":"t"},"spec":{"x":1}}"#,
        ];
        for text in same {
            assert_eq!(pod(text).unwrap().digest, base.digest, "{text}");
        }
        for text in other {
            assert_ne!(pod(text).unwrap().digest, base.digest, "{text}");
        }
    }

    #[test]
    fn the_status_of_an_attachment_counts() {
        let digest =
            |json: &'static str| Attachment::parse("Service", Bytes::from_static(json.as_bytes())).unwrap().digest;
        let one = digest(r#"{"metadata":{"name":"a","resourceVersion":"1"},"status":{"x":1}}"#);
        assert_ne!(one, digest(r#"{"metadata":{"name":"a"},"status":{"x":2}}"#));
        assert_eq!(one, digest(r#"{"metadata":{"name":"a","resourceVersion":"2"},"status":{"x":1}}"#));
    }

    #[test]
    fn bad_objects_say_what_is_wrong_without_quoting_it() {
        let check = |text: &str, expect: &str| {
            let error = pod(text).unwrap_err().to_string();
            assert!(error.contains(expect), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        };
        check("", "not valid JSON (line 1");
        check("[]", "not valid JSON");
        check(r#"{"spec":"hunter2"}"#, "object has no metadata");
        check(r#"{"metadata":"hunter2"}"#, "not valid JSON");
        check(r#"{"metadata":{"uid":"","name":"a"}}"#, "metadata.uid");
        check(r#"{"metadata":{"uid":"u","name":"a"}}"#, "metadata.namespace");
        check(r#"{"metadata":{"uid":7}}"#, "not valid JSON");
        let large = format!(r#"{{"metadata":{{"uid":"{}"}}}}"#, "x".repeat(MAX_OBJECT_BYTES));
        check(&large, "over the limit");
    }

    #[test]
    fn debug_prints_no_value() {
        let json = r#"{"metadata":{"uid":"u","namespace":"n","name":"a"},"data":{"p":"hunter2"}}"#;
        let secret = Attachment::parse("Secret", Bytes::from_static(json.as_bytes())).unwrap();
        let shown = format!("{secret:?} {:?}", pod(json).unwrap());
        assert!(!shown.contains("hunter2") && shown.contains("Secret"), "{shown}");
    }
}
