//! Routes of gRPC calls.

use serde_json::Value;

use crate::gateway::filter::{HTTPHeaderFilter, HTTPRequestMirrorFilter, LocalObjectReference};
use crate::gateway::route::{ParentReference, RouteStatus};
use crate::meta::object_meta::ObjectMeta;
use crate::schema::object::object;

object! {
    /// Rules by which gRPC calls at gateways reach services.
    pub struct GRPCRoute {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: GRPCRouteSpec = "spec", 2, [omitempty];
        status: Option<RouteStatus> = "status", 3, [omitempty];
    }

    /// Parents, hosts and rules.
    pub struct GRPCRouteSpec {
        parent_refs: Vec<ParentReference> = "parentRefs", 1, [omitempty, list_atomic];
        hostnames: Vec<String> = "hostnames", 2, [omitempty, list_atomic];
        rules: Vec<GRPCRouteRule> = "rules", 3, [omitempty, list_atomic];
    }

    /// Calls, what is done with them, and where they go.
    pub struct GRPCRouteRule {
        name: Option<String> = "name", 1, [omitempty];
        matches: Vec<GRPCRouteMatch> = "matches", 2, [omitempty, list_atomic];
        filters: Vec<GRPCRouteFilter> = "filters", 3, [omitempty, list_atomic];
        backend_refs: Vec<GRPCBackendRef> = "backendRefs", 4, [omitempty, list_atomic];
        // Of the experimental channel; refused with words of our own.
        session_persistence: Option<Value> = "sessionPersistence", 5, [omitempty];
    }

    /// A call that has all of these.
    pub struct GRPCRouteMatch {
        method: Option<GRPCMethodMatch> = "method", 1, [omitempty];
        headers: Vec<GRPCHeaderMatch> = "headers", 2, [omitempty, list_map(&["name"])];
    }

    /// A method, all methods of a service, or methods of one name.
    pub struct GRPCMethodMatch {
        type_: Option<String> = "type", 1, [omitempty];
        service: Option<String> = "service", 2, [omitempty];
        method: Option<String> = "method", 3, [omitempty];
    }

    /// A header.
    pub struct GRPCHeaderMatch {
        type_: Option<String> = "type", 1, [omitempty];
        name: String = "name", 2, [];
        value: String = "value", 3, [];
    }

    /// One thing that is done with calls or answers.
    pub struct GRPCRouteFilter {
        type_: String = "type", 1, [];
        request_header_modifier: Option<HTTPHeaderFilter> = "requestHeaderModifier", 2, [omitempty];
        response_header_modifier: Option<HTTPHeaderFilter> = "responseHeaderModifier", 3, [omitempty];
        request_mirror: Option<HTTPRequestMirrorFilter> = "requestMirror", 4, [omitempty];
        extension_ref: Option<LocalObjectReference> = "extensionRef", 5, [omitempty];
    }

    /// A service that gets a part of the calls, and what is done with that part.
    pub struct GRPCBackendRef {
        group: Option<String> = "group", 1, [omitempty];
        kind: Option<String> = "kind", 2, [omitempty];
        name: String = "name", 3, [];
        namespace: Option<String> = "namespace", 4, [omitempty];
        port: Option<i32> = "port", 5, [omitempty];
        weight: Option<i32> = "weight", 6, [omitempty];
        filters: Vec<GRPCRouteFilter> = "filters", 7, [omitempty, list_atomic];
    }
}
