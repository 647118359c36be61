//! References from one object to another.

use crate::schema::object::object;

object! {
    /// Another object of the same namespace, by name.
    pub struct LocalObjectReference {
        name: String = "name", 1, [omitempty];
    }

    /// Any object, or a part of one.
    pub struct ObjectReference {
        kind: String = "kind", 1, [omitempty];
        namespace: String = "namespace", 2, [omitempty];
        name: String = "name", 3, [omitempty];
        uid: String = "uid", 4, [omitempty, go("types.UID")];
        api_version: String = "apiVersion", 5, [omitempty];
        resource_version: String = "resourceVersion", 6, [omitempty];
        field_path: String = "fieldPath", 7, [omitempty];
    }

    /// Another object of the same namespace, by group, kind and name.
    pub struct TypedLocalObjectReference {
        api_group: Option<String> = "apiGroup", 1, [optional];
        kind: String = "kind", 2, [];
        name: String = "name", 3, [];
    }

    /// Another object by group, kind, name and namespace.
    pub struct TypedObjectReference {
        api_group: Option<String> = "apiGroup", 1, [optional];
        kind: String = "kind", 2, [];
        name: String = "name", 3, [];
        namespace: Option<String> = "namespace", 4, [omitempty];
    }
}
