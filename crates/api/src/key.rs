//! A kind, a namespace and a name → the key of one object, in the store and in every map.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::kind::Kind;

/// What identifies one live object: its kind (group and resource, not version), namespace and name.
///
/// `namespace` is empty for cluster-scoped kinds. Ordered by kind, then namespace, then name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// The kind, from the registry.
    pub kind: Kind,
    /// The namespace; empty for a cluster-scoped kind.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// Where all objects live in the store.
pub const STORE_ROOT: &str = "/masthead/";

/// The group part of the store key of kinds in Kubernetes' core group, whose group name is empty.
const CORE: &str = "core";

impl ObjectKey {
    /// A key; `namespace` is dropped for cluster-scoped kinds.
    pub fn new(kind: Kind, namespace: impl Into<String>, name: impl Into<String>) -> ObjectKey {
        let namespace = if kind.info().namespaced { namespace.into() } else { String::new() };
        ObjectKey { kind, namespace, name: name.into() }
    }

    /// The store key, `/masthead/<group>/<resource>/<namespace>/<name>`; cluster-scoped kinds have an empty namespace part.
    pub fn store_key(&self) -> String {
        format!("{}{}/{}", ObjectKey::store_prefix(self.kind), self.namespace, self.name)
    }

    /// The store prefix under which all objects of a kind live; ends in `/`.
    pub fn store_prefix(kind: Kind) -> String {
        let info = kind.info();
        let group = if info.group.is_empty() { CORE } else { info.group };
        format!("{STORE_ROOT}{group}/{}/", info.plural)
    }

    /// Reads a store key back; `None` for keys that hold no object of a known kind.
    pub fn parse_store_key(key: &str) -> Option<ObjectKey> {
        let mut parts = key.strip_prefix(STORE_ROOT)?.splitn(4, '/');
        let (group, plural, namespace, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let group = if group == CORE { "" } else { group };
        let kind = Kind::by_plural(group, plural)?;
        (!name.is_empty() && kind.info().namespaced != namespace.is_empty()).then(|| ObjectKey {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for ObjectKey {
    /// `Deployment default/web`, or `Namespace prod`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.info().kind;
        match self.namespace.as_str() {
            "" => write!(f, "{kind} {}", self.name),
            namespace => write!(f, "{kind} {namespace}/{}", self.name),
        }
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
