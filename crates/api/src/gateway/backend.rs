//! What the backends and mirrors of all kinds of routes refer to.

use crate::gateway::grpc_route::GRPCBackendRef;
use crate::gateway::http_route::HTTPBackendRef;
use crate::gateway::route::BackendObjectReference;
use crate::key::ObjectKey;
use crate::kind::registry::SERVICE;

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
