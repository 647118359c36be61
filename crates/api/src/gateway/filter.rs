//! Filters of routes: what is changed of a request or an answer, or done with it besides.

use crate::gateway::route::BackendObjectReference;
use crate::schema::object::object;

object! {
    /// A change of headers: what is set, then added, then removed.
    pub struct HTTPHeaderFilter {
        set: Vec<HTTPHeader> = "set", 1, [omitempty, list_map(&["name"])];
        add: Vec<HTTPHeader> = "add", 2, [omitempty, list_map(&["name"])];
        remove: Vec<String> = "remove", 3, [omitempty, list_set];
    }

    /// A header.
    pub struct HTTPHeader {
        name: String = "name", 1, [];
        value: String = "value", 2, [];
    }

    /// A copy of requests to another service, whose answers nobody reads.
    pub struct HTTPRequestMirrorFilter {
        backend_ref: BackendObjectReference = "backendRef", 1, [];
        percent: Option<i32> = "percent", 2, [omitempty];
        fraction: Option<Fraction> = "fraction", 3, [omitempty];
    }

    /// A part of all.
    pub struct Fraction {
        numerator: i32 = "numerator", 1, [];
        denominator: Option<i32> = "denominator", 2, [omitempty];
    }

    /// An answer that sends the client elsewhere.
    pub struct HTTPRequestRedirectFilter {
        scheme: Option<String> = "scheme", 1, [omitempty];
        hostname: Option<String> = "hostname", 2, [omitempty];
        path: Option<HTTPPathModifier> = "path", 3, [omitempty];
        port: Option<i32> = "port", 4, [omitempty];
        status_code: Option<i32> = "statusCode", 5, [omitempty];
    }

    /// Another host or path for the pod.
    pub struct HTTPURLRewriteFilter {
        hostname: Option<String> = "hostname", 1, [omitempty];
        path: Option<HTTPPathModifier> = "path", 2, [omitempty];
    }

    /// Another path, or another beginning of it.
    pub struct HTTPPathModifier {
        type_: String = "type", 1, [];
        replace_full_path: Option<String> = "replaceFullPath", 2, [omitempty];
        replace_prefix_match: Option<String> = "replacePrefixMatch", 3, [omitempty];
    }

    /// Which other sites' pages may ask.
    pub struct HTTPCORSFilter {
        allow_origins: Vec<String> = "allowOrigins", 1, [omitempty, list_set];
        allow_credentials: Option<bool> = "allowCredentials", 2, [omitempty];
        allow_methods: Vec<String> = "allowMethods", 3, [omitempty, list_set];
        allow_headers: Vec<String> = "allowHeaders", 4, [omitempty, list_set];
        expose_headers: Vec<String> = "exposeHeaders", 5, [omitempty, list_set];
        max_age: Option<i32> = "maxAge", 6, [omitempty];
    }

    /// An object of this namespace.
    pub struct LocalObjectReference {
        group: String = "group", 1, [];
        kind: String = "kind", 2, [];
        name: String = "name", 3, [];
    }
}
