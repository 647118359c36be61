//! What routes of all kinds have: their parents, what they send to, and their status.

use crate::meta::condition::Condition;
use crate::schema::object::object;

object! {
    /// A gateway, or one of its listeners.
    pub struct ParentReference {
        group: Option<String> = "group", 1, [omitempty];
        kind: Option<String> = "kind", 2, [omitempty];
        namespace: Option<String> = "namespace", 3, [omitempty];
        name: String = "name", 4, [];
        section_name: Option<String> = "sectionName", 5, [omitempty];
        port: Option<i32> = "port", 6, [omitempty];
    }

    /// A port of a service, in this namespace or another.
    pub struct BackendObjectReference {
        group: Option<String> = "group", 1, [omitempty];
        kind: Option<String> = "kind", 2, [omitempty];
        name: String = "name", 3, [];
        namespace: Option<String> = "namespace", 4, [omitempty];
        port: Option<i32> = "port", 5, [omitempty];
    }

    /// What the controllers of its parents say of a route.
    pub struct RouteStatus {
        parents: Vec<RouteParentStatus> = "parents", 1, [list_atomic];
    }

    /// What one controller says of a route at one parent.
    pub struct RouteParentStatus {
        parent_ref: ParentReference = "parentRef", 1, [];
        controller_name: String = "controllerName", 2, [];
        conditions: Vec<Condition> = "conditions", 3, [list_map(&["type"])];
    }
}
