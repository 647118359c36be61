//! Grants: what of a namespace may be named by objects of other namespaces.

use crate::meta::object_meta::ObjectMeta;
use crate::schema::object::object;

object! {
    /// Objects of other namespaces that may name objects of this one.
    pub struct ReferenceGrant {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: ReferenceGrantSpec = "spec", 2, [];
    }

    /// Who may name what: any of the one, any of the other.
    pub struct ReferenceGrantSpec {
        from: Vec<ReferenceGrantFrom> = "from", 1, [list_atomic];
        to: Vec<ReferenceGrantTo> = "to", 2, [list_atomic];
    }

    /// Objects of a kind in a namespace.
    pub struct ReferenceGrantFrom {
        group: String = "group", 1, [];
        kind: String = "kind", 2, [];
        namespace: String = "namespace", 3, [];
    }

    /// Objects of a kind, or one of them.
    pub struct ReferenceGrantTo {
        group: String = "group", 1, [];
        kind: String = "kind", 2, [];
        name: Option<String> = "name", 3, [omitempty];
    }
}

impl ReferenceGrant {
    /// Whether it lets objects of a group and kind in a namespace name an object of its own namespace.
    pub fn allows(&self, from: (&str, &str, &str), to: (&str, &str, &str)) -> bool {
        let is_from = |f: &ReferenceGrantFrom| (f.group.as_str(), f.kind.as_str(), f.namespace.as_str()) == from;
        let is_to = |t: &ReferenceGrantTo| {
            (t.group.as_str(), t.kind.as_str()) == (to.0, to.1) && t.name.as_deref().is_none_or(|name| name == to.2)
        };
        self.spec.from.iter().any(is_from) && self.spec.to.iter().any(is_to)
    }
}
