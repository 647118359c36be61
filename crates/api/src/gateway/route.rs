//! What routes of all kinds have: their parents, what they send to, and their status.

use crate::gateway::grpc_route::GRPCBackendRef;
use crate::gateway::http_route::HTTPBackendRef;
use crate::key::ObjectKey;
use crate::kind::registry::SERVICE;
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

/// What a backend or a mirror refers to, whatever kind of route it is of.
#[derive(Clone, Copy, Debug)]
pub struct To<'a> {
    /// API group; absent is the core group.
    pub group: Option<&'a String>,
    /// Kind; absent is `Service`.
    pub kind: Option<&'a String>,
    /// Namespace; absent is that of the route.
    pub namespace: Option<&'a String>,
    /// Name.
    pub name: &'a str,
    /// Port, which services need.
    pub port: Option<i32>,
}

impl To<'_> {
    /// Whether it is a service.
    pub fn is_service(&self) -> bool {
        self.group.is_none_or(String::is_empty) && self.kind.is_none_or(|kind| kind == "Service")
    }

    /// The service that an object of a namespace refers to; nothing when it is something else.
    pub fn service(&self, from: &str) -> Option<ObjectKey> {
        let namespace = self.namespace.map_or(from, String::as_str);
        self.is_service().then(|| ObjectKey::new(SERVICE, namespace, self.name))
    }
}

macro_rules! refers {
    ($($ty:ty),*) => {$(
        impl $ty {
            /// What it refers to.
            pub fn to(&self) -> To<'_> {
                To {
                    group: self.group.as_ref(),
                    kind: self.kind.as_ref(),
                    namespace: self.namespace.as_ref(),
                    name: &self.name,
                    port: self.port,
                }
            }
        }
    )*};
}
refers!(BackendObjectReference, HTTPBackendRef, GRPCBackendRef);
