//! A JSON manifest or a typed struct → one stored object: its key, its metadata, its canonical bytes.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::Value;

use crate::decode::bring_to_version;
use crate::key::ObjectKey;
use crate::kind::{Kind, Resource};
use crate::meta::ObjectMeta;

/// Why bytes or a value are not an object.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not JSON, or not of the shape of the kind.
    #[error("cannot read {what}: {source}")]
    Json {
        /// What was being read.
        what: String,
        /// Where and why it failed.
        source: serde_json::Error,
    },
    /// `apiVersion` and `kind` name nothing in the registry.
    #[error("no kind is registered for apiVersion {api_version:?}, kind {kind:?}")]
    UnknownKind {
        /// The `apiVersion` as given.
        api_version: String,
        /// The `kind` as given.
        kind: String,
    },
    /// A decode as another kind than the object's.
    #[error("{key} is no {wanted}")]
    WrongKind {
        /// The object.
        key: ObjectKey,
        /// The kind it was asked to be.
        wanted: &'static str,
    },
}

/// One object, immutable and cheap to share.
///
/// `body` is canonical JSON (keys sorted, no `metadata.resourceVersion`), so that equal objects have equal bytes; the
/// revision of the store travels beside it. Typed forms are decoded once, on demand.
#[derive(Clone)]
pub struct Object {
    key: ObjectKey,
    meta: Arc<ObjectMeta>,
    body: Bytes,
    revision: u64,
    typed: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Object {
    /// From a manifest with `apiVersion` and `kind`.
    ///
    /// # Errors
    /// The kind is unknown, or the metadata has a wrong shape.
    pub fn from_value(mut value: Value) -> Result<Object, Error> {
        let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (api_version, kind) = (text(&value, "apiVersion"), text(&value, "kind"));
        let Some(known) = Kind::by_gvk(&api_version, &kind) else {
            return Err(Error::UnknownKind { api_version, kind });
        };
        bring_to_version(known, &mut value);
        let mut meta: ObjectMeta = match value.get("metadata") {
            Some(meta) => serde::Deserialize::deserialize(meta)
                .map_err(|source| Error::Json { what: format!("metadata of a {kind}"), source })?,
            None => ObjectMeta::default(),
        };
        let revision = meta.resource_version.parse().unwrap_or(0);
        meta.resource_version.clear();
        if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.remove("resourceVersion");
        }
        let key = ObjectKey::new(known, meta.namespace.clone(), meta.name.clone());
        let body = serde_json::to_vec(&value).map_err(|source| Error::Json { what: key.to_string(), source })?;
        // Of just its size: bodies are most of what a control plane holds.
        let body = Bytes::from(body.into_boxed_slice());
        Ok(Object { key, meta: Arc::new(meta), body, revision, typed: OnceLock::new() })
    }

    /// From a typed resource; `apiVersion` and `kind` are those of its type.
    ///
    /// # Errors
    /// The struct cannot be written as JSON (a map with keys that are no strings), which no registered kind has.
    pub fn of<T: Resource>(resource: &T) -> Result<Object, Error> {
        let info = T::KIND.info();
        let mut value =
            resource.to_json_value().map_err(|source| Error::Json { what: info.kind.to_owned(), source })?;
        if let Some(map) = value.as_object_mut() {
            map.insert("apiVersion".into(), info.api_version().into());
            map.insert("kind".into(), info.kind.into());
        }
        Object::from_value(value)
    }

    /// From what the store holds at `revision`; bytes that are canonical are shared with it.
    ///
    /// # Errors
    /// The bytes are not JSON, or not an object of a known kind.
    pub fn from_stored(stored: &Bytes, revision: u64) -> Result<Object, Error> {
        let mut object = Object::from_bytes(stored, revision)?;
        if object.body == stored {
            object.body = stored.clone();
        }
        Ok(object)
    }

    /// From the JSON of an object at `revision`.
    ///
    /// # Errors
    /// The bytes are not JSON, or not an object of a known kind.
    pub fn from_bytes(body: &[u8], revision: u64) -> Result<Object, Error> {
        let value = serde_json::from_slice(body)
            .map_err(|source| Error::Json { what: "a stored object".to_owned(), source })?;
        Ok(Object::from_value(value)?.at(revision))
    }

    /// The same object as stored at `revision`.
    #[must_use]
    pub fn at(mut self, revision: u64) -> Object {
        self.revision = revision;
        self.typed = OnceLock::new();
        self
    }

    /// Its key.
    pub fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.key.kind
    }

    /// Its metadata, without `resourceVersion` (see [`Object::revision`]).
    pub fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    /// The store revision of its last change; 0 when it was never stored.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Canonical JSON without `resourceVersion`: what the store keeps.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// As served by the API: with `metadata.resourceVersion` when it has one.
    pub fn value(&self) -> Value {
        // The body was written by `from_value`, so it is JSON.
        let mut value: Value = serde_json::from_slice(&self.body).unwrap_or(Value::Null);
        if self.revision > 0
            && let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut)
        {
            meta.insert("resourceVersion".into(), self.revision.to_string().into());
        }
        value
    }

    /// The typed form, decoded at the first call and shared after; its `resource_version` is set.
    ///
    /// # Errors
    /// The object is of another kind, or its shape does not fit the type.
    pub fn typed<T: Resource>(&self) -> Result<Arc<T>, Error> {
        if self.key.kind != T::KIND {
            return Err(Error::WrongKind { key: self.key.clone(), wanted: T::KIND.info().kind });
        }
        if let Some(typed) = self.typed.get().and_then(|any| Arc::clone(any).downcast::<T>().ok()) {
            return Ok(typed);
        }
        let mut typed: T =
            T::from_json(&self.body).map_err(|source| Error::Json { what: self.key.to_string(), source })?;
        if self.revision > 0 {
            typed.meta_mut().resource_version = self.revision.to_string();
        }
        let typed = Arc::new(typed);
        // Another thread may have been first; both forms are equal.
        let _ = self.typed.set(typed.clone());
        Ok(typed)
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Object) -> bool {
        self.key == other.key && self.revision == other.revision && self.body == other.body
    }
}

impl fmt::Debug for Object {
    /// The key and revision only: a body may hold a Secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.key, self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_canonical_is_shared_and_what_is_not_becomes_so() {
        let check = |stored: &'static str, is_shared: bool| {
            let stored = Bytes::from_static(stored.as_bytes());
            let object = Object::from_stored(&stored, 7).unwrap();
            assert_eq!(object.body().as_ptr() == stored.as_ptr(), is_shared);
            assert_eq!(object.revision(), 7);
            assert_eq!(object.body(), r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#);
        };
        check(r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#, true);
        check(r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"3"}}"#, false);
        let old =
            br#"{"apiVersion":"gateway.networking.k8s.io/v1beta1","kind":"ReferenceGrant","metadata":{"name":"a"}}"#;
        let object = Object::from_bytes(old, 7).unwrap();
        assert_eq!(object.value()["apiVersion"], "gateway.networking.k8s.io/v1", "an older program stored it");
    }
}
