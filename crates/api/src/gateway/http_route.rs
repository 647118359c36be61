//! Routes of HTTP requests.

use serde_json::Value;

use crate::gateway::filter::{
    HTTPCORSFilter, HTTPHeaderFilter, HTTPRequestMirrorFilter, HTTPRequestRedirectFilter, HTTPURLRewriteFilter,
    LocalObjectReference,
};
use crate::gateway::route::{ParentReference, RouteStatus};
use crate::meta::object_meta::ObjectMeta;
use crate::schema::object::object;

object! {
    /// Rules by which HTTP requests at gateways reach services.
    pub struct HTTPRoute {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: HTTPRouteSpec = "spec", 2, [];
        status: Option<RouteStatus> = "status", 3, [omitempty];
    }

    /// Parents, hosts and rules.
    pub struct HTTPRouteSpec {
        parent_refs: Vec<ParentReference> = "parentRefs", 1, [omitempty, list_atomic];
        hostnames: Vec<String> = "hostnames", 2, [omitempty, list_atomic];
        rules: Vec<HTTPRouteRule> = "rules", 3, [omitempty, list_atomic];
    }

    /// Requests, what is done with them, and where they go.
    pub struct HTTPRouteRule {
        name: Option<String> = "name", 1, [omitempty];
        matches: Vec<HTTPRouteMatch> = "matches", 2, [omitempty, list_atomic];
        filters: Vec<HTTPRouteFilter> = "filters", 3, [omitempty, list_atomic];
        backend_refs: Vec<HTTPBackendRef> = "backendRefs", 4, [omitempty, list_atomic];
        timeouts: Option<HTTPRouteTimeouts> = "timeouts", 5, [omitempty];
        // Of the experimental channel; refused with words of our own.
        retry: Option<Value> = "retry", 6, [omitempty];
        session_persistence: Option<Value> = "sessionPersistence", 7, [omitempty];
    }

    /// A request that has all of these.
    pub struct HTTPRouteMatch {
        path: Option<HTTPPathMatch> = "path", 1, [omitempty];
        headers: Vec<HTTPHeaderMatch> = "headers", 2, [omitempty, list_map(&["name"])];
        query_params: Vec<HTTPQueryParamMatch> = "queryParams", 3, [omitempty, list_map(&["name"])];
        method: Option<String> = "method", 4, [omitempty];
    }

    /// A path.
    pub struct HTTPPathMatch {
        type_: Option<String> = "type", 1, [omitempty];
        value: Option<String> = "value", 2, [omitempty];
    }

    /// A header.
    pub struct HTTPHeaderMatch {
        type_: Option<String> = "type", 1, [omitempty];
        name: String = "name", 2, [];
        value: String = "value", 3, [];
    }

    /// A parameter of the query.
    pub struct HTTPQueryParamMatch {
        type_: Option<String> = "type", 1, [omitempty];
        name: String = "name", 2, [];
        value: String = "value", 3, [];
    }

    /// One thing that is done with requests or answers.
    pub struct HTTPRouteFilter {
        type_: String = "type", 1, [];
        request_header_modifier: Option<HTTPHeaderFilter> = "requestHeaderModifier", 2, [omitempty];
        response_header_modifier: Option<HTTPHeaderFilter> = "responseHeaderModifier", 3, [omitempty];
        request_mirror: Option<HTTPRequestMirrorFilter> = "requestMirror", 4, [omitempty];
        request_redirect: Option<HTTPRequestRedirectFilter> = "requestRedirect", 5, [omitempty];
        url_rewrite: Option<HTTPURLRewriteFilter> = "urlRewrite", 6, [omitempty];
        cors: Option<HTTPCORSFilter> = "cors", 7, [omitempty];
        extension_ref: Option<LocalObjectReference> = "extensionRef", 8, [omitempty];
    }

    /// A service that gets a part of the requests, and what is done with that part.
    pub struct HTTPBackendRef {
        group: Option<String> = "group", 1, [omitempty];
        kind: Option<String> = "kind", 2, [omitempty];
        name: String = "name", 3, [];
        namespace: Option<String> = "namespace", 4, [omitempty];
        port: Option<i32> = "port", 5, [omitempty];
        weight: Option<i32> = "weight", 6, [omitempty];
        filters: Vec<HTTPRouteFilter> = "filters", 7, [omitempty, list_atomic];
    }

    /// How long a request may take; `0s` is for ever.
    pub struct HTTPRouteTimeouts {
        request: Option<String> = "request", 1, [omitempty];
        backend_request: Option<String> = "backendRequest", 2, [omitempty];
    }
}
