//! Filters of routes to faults.

use crate::gateway::filter::{
    HTTPCORSFilter, HTTPHeader, HTTPHeaderFilter, HTTPPathModifier, HTTPRequestMirrorFilter, HTTPRequestRedirectFilter,
    LocalObjectReference,
};
use crate::gateway::grpc_route::GRPCRouteFilter;
use crate::gateway::http_route::HTTPRouteFilter;
use crate::validate::error::Errors;
use crate::validate::gateway::route::{form_of_reference, rules_of_reference};
use crate::validate::gateway::schema::{
    NAME_MAX, ORIGIN, SUBDOMAIN, group_kind, header_name, items, list_rule, number, optional, port, required, rule,
    set, text, unique,
};
use crate::validate::path::Path;

/// Filters of a rule or of a backend.
const FILTERS_MAX: usize = 16;
const HEADERS_MAX: usize = 16;
const VALUE_MAX: usize = 4096;
const PATH_MAX: usize = 1024;
const ORIGINS_MAX: usize = 64;
const METHODS_MAX: usize = 9;

/// Methods that rules may name.
pub const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// A filter's type and the fields that it has, each with the type to which the field belongs.
struct Parts<'a, const N: usize> {
    type_: &'a str,
    fields: [(&'static str, &'static str, bool); N],
}

impl<const N: usize> Parts<'_, N> {
    fn rules(&self, at: &Path<'_>, errors: &mut Errors) {
        for (field, of, is_there) in self.fields {
            let is_of = self.type_ == of;
            let message = format!("filter.{field} must be nil if the filter.type is not {of}");
            rule(!is_there || is_of, at, &message, errors);
            let message = format!("filter.{field} must be specified for {of} filter.type");
            rule(is_there || !is_of, at, &message, errors);
        }
    }
}

/// The form of filters of HTTP.
pub fn form_of_http(at: &Path<'_>, filters: &[HTTPRouteFilter], errors: &mut Errors) {
    items(at, filters.len(), FILTERS_MAX, errors);
    for (i, filter) in filters.iter().enumerate() {
        let at = at.index(i);
        let types = [
            "RequestHeaderModifier",
            "ResponseHeaderModifier",
            "RequestMirror",
            "RequestRedirect",
            "URLRewrite",
            "ExtensionRef",
            "CORS",
        ];
        errors.required_one_of(&at.child("type"), &filter.type_, &types);
        form_of_headers(&at.child("requestHeaderModifier"), filter.request_header_modifier.as_ref(), errors);
        form_of_headers(&at.child("responseHeaderModifier"), filter.response_header_modifier.as_ref(), errors);
        form_of_mirror(&at.child("requestMirror"), filter.request_mirror.as_ref(), errors);
        form_of_redirect(&at.child("requestRedirect"), filter.request_redirect.as_ref(), errors);
        form_of_extension(&at.child("extensionRef"), filter.extension_ref.as_ref(), errors);
        form_of_cors(&at.child("cors"), filter.cors.as_ref(), errors);
        if let Some(rewrite) = &filter.url_rewrite {
            let at = at.child("urlRewrite");
            optional(&at.child("hostname"), rewrite.hostname.as_ref(), NAME_MAX, Some(&SUBDOMAIN), errors);
            form_of_path(&at.child("path"), rewrite.path.as_ref(), errors);
        }
    }
}

/// The form of filters of gRPC.
pub fn form_of_grpc(at: &Path<'_>, filters: &[GRPCRouteFilter], errors: &mut Errors) {
    items(at, filters.len(), FILTERS_MAX, errors);
    for (i, filter) in filters.iter().enumerate() {
        let at = at.index(i);
        let types = ["ResponseHeaderModifier", "RequestHeaderModifier", "RequestMirror", "ExtensionRef"];
        errors.required_one_of(&at.child("type"), &filter.type_, &types);
        form_of_headers(&at.child("requestHeaderModifier"), filter.request_header_modifier.as_ref(), errors);
        form_of_headers(&at.child("responseHeaderModifier"), filter.response_header_modifier.as_ref(), errors);
        form_of_mirror(&at.child("requestMirror"), filter.request_mirror.as_ref(), errors);
        form_of_extension(&at.child("extensionRef"), filter.extension_ref.as_ref(), errors);
    }
}

fn form_of_headers(at: &Path<'_>, filter: Option<&HTTPHeaderFilter>, errors: &mut Errors) {
    let Some(filter) = filter else { return };
    let list = |field: &'static str, headers: &[HTTPHeader], errors: &mut Errors| {
        let at = at.child(field);
        items(&at, headers.len(), HEADERS_MAX, errors);
        for (i, header) in headers.iter().enumerate() {
            let at = at.index(i);
            header_name(&at.child("name"), &header.name, errors);
            required(&at.child("value"), &header.value, VALUE_MAX, None, errors);
            // Bytes that would end the header: the definition lets them pass, no server would take them.
            if header.value.bytes().any(|b| matches!(b, b'\0' | b'\r' | b'\n')) {
                errors.invalid(&at.child("value"), &header.value, "must be one line");
            }
        }
        unique(&at, "name", headers.iter().map(|header| header.name.as_str()), errors);
    };
    list("set", &filter.set, errors);
    list("add", &filter.add, errors);
    let remove = at.child("remove");
    items(&remove, filter.remove.len(), HEADERS_MAX, errors);
    for (i, name) in filter.remove.iter().enumerate() {
        header_name(&remove.index(i), name, errors);
    }
    set(&remove, filter.remove.iter().map(String::as_str), errors);
}

fn form_of_mirror(at: &Path<'_>, mirror: Option<&HTTPRequestMirrorFilter>, errors: &mut Errors) {
    let Some(mirror) = mirror else { return };
    form_of_reference(&at.child("backendRef"), mirror.backend_ref.to(), errors);
    if let Some(percent) = mirror.percent {
        number(&at.child("percent"), percent, (0, 100), errors);
    }
    if let Some(fraction) = &mirror.fraction {
        let at = at.child("fraction");
        number(&at.child("numerator"), fraction.numerator, (0, i32::MAX), errors);
        if let Some(denominator) = fraction.denominator {
            number(&at.child("denominator"), denominator, (1, i32::MAX), errors);
        }
    }
}

fn form_of_redirect(at: &Path<'_>, redirect: Option<&HTTPRequestRedirectFilter>, errors: &mut Errors) {
    let Some(redirect) = redirect else { return };
    if let Some(scheme) = &redirect.scheme {
        errors.one_of(&at.child("scheme"), scheme, &["http", "https"]);
    }
    optional(&at.child("hostname"), redirect.hostname.as_ref(), NAME_MAX, Some(&SUBDOMAIN), errors);
    form_of_path(&at.child("path"), redirect.path.as_ref(), errors);
    if let Some(number) = redirect.port {
        port(&at.child("port"), number, errors);
    }
    if let Some(code) = redirect.status_code
        && ![301, 302, 303, 307, 308].contains(&code)
    {
        errors.not_supported(&at.child("statusCode"), &code, &["301", "302", "303", "307", "308"]);
    }
}

fn form_of_path(at: &Path<'_>, path: Option<&HTTPPathModifier>, errors: &mut Errors) {
    let Some(path) = path else { return };
    errors.required_one_of(&at.child("type"), &path.type_, &["ReplaceFullPath", "ReplacePrefixMatch"]);
    for (field, value) in
        [("replaceFullPath", &path.replace_full_path), ("replacePrefixMatch", &path.replace_prefix_match)]
    {
        let Some(value) = value else { continue };
        let at = at.child(field);
        text(&at, value, (0, PATH_MAX), None, errors);
        // What can't stand in a request's first line; the definition lets it pass.
        if !value.bytes().all(|b| b.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&b)) {
            errors.invalid(&at, value, "must be a path: printable characters of ASCII, others as %XX");
        }
    }
}

fn form_of_extension(at: &Path<'_>, reference: Option<&LocalObjectReference>, errors: &mut Errors) {
    let Some(reference) = reference else { return };
    group_kind(at, &reference.group, &reference.kind, errors);
    required(&at.child("name"), &reference.name, NAME_MAX, None, errors);
}

fn form_of_cors(at: &Path<'_>, cors: Option<&HTTPCORSFilter>, errors: &mut Errors) {
    let Some(cors) = cors else { return };
    let origins = at.child("allowOrigins");
    items(&origins, cors.allow_origins.len(), ORIGINS_MAX, errors);
    for (i, origin) in cors.allow_origins.iter().enumerate() {
        required(&origins.index(i), origin, NAME_MAX, Some(&ORIGIN), errors);
    }
    let methods = at.child("allowMethods");
    items(&methods, cors.allow_methods.len(), METHODS_MAX, errors);
    let mut known = METHODS.to_vec();
    known.push("*");
    for (i, method) in cors.allow_methods.iter().enumerate() {
        errors.one_of(&methods.index(i), method, &known);
    }
    for (field, names) in [("allowHeaders", &cors.allow_headers), ("exposeHeaders", &cors.expose_headers)] {
        let at = at.child(field);
        items(&at, names.len(), ORIGINS_MAX, errors);
        for (i, name) in names.iter().enumerate() {
            header_name(&at.index(i), name, errors);
        }
        set(&at, names.iter().map(String::as_str), errors);
    }
    set(&origins, cors.allow_origins.iter().map(String::as_str), errors);
    set(&methods, cors.allow_methods.iter().map(String::as_str), errors);
    if let Some(age) = cors.max_age {
        number(&at.child("maxAge"), age, (1, i32::MAX), errors);
    }
}

/// The rules of filters of HTTP.
pub fn rules_of_http(at: &Path<'_>, filters: &[HTTPRouteFilter], errors: &mut Errors) {
    let count = |type_: &str| filters.iter().filter(|filter| filter.type_ == type_).count();
    let message = "May specify either httpRouteFilterRequestRedirect or httpRouteFilterRequestRewrite, but not both";
    list_rule(count("RequestRedirect") == 0 || count("URLRewrite") == 0, at, message, errors);
    for type_ in ["CORS", "RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite"] {
        list_rule(count(type_) <= 1, at, &format!("{type_} filter cannot be repeated"), errors);
    }
    for (i, filter) in filters.iter().enumerate() {
        let at = at.index(i);
        let parts = Parts {
            type_: &filter.type_,
            fields: [
                ("cors", "CORS", filter.cors.is_some()),
                ("requestHeaderModifier", "RequestHeaderModifier", filter.request_header_modifier.is_some()),
                ("responseHeaderModifier", "ResponseHeaderModifier", filter.response_header_modifier.is_some()),
                ("requestMirror", "RequestMirror", filter.request_mirror.is_some()),
                ("requestRedirect", "RequestRedirect", filter.request_redirect.is_some()),
                ("urlRewrite", "URLRewrite", filter.url_rewrite.is_some()),
                ("extensionRef", "ExtensionRef", filter.extension_ref.is_some()),
            ],
        };
        parts.rules(&at, errors);
        rules_of_mirror(&at.child("requestMirror"), filter.request_mirror.as_ref(), errors);
        let redirect = filter.request_redirect.as_ref().and_then(|redirect| redirect.path.as_ref());
        rules_of_path(&at.child("requestRedirect").child("path"), redirect, errors);
        let rewrite = filter.url_rewrite.as_ref().and_then(|rewrite| rewrite.path.as_ref());
        rules_of_path(&at.child("urlRewrite").child("path"), rewrite, errors);
        rules_of_cors(&at.child("cors"), filter.cors.as_ref(), errors);
    }
}

/// The rules of filters of gRPC.
pub fn rules_of_grpc(at: &Path<'_>, filters: &[GRPCRouteFilter], errors: &mut Errors) {
    for type_ in ["RequestHeaderModifier", "ResponseHeaderModifier"] {
        let count = filters.iter().filter(|filter| filter.type_ == type_).count();
        list_rule(count <= 1, at, &format!("{type_} filter cannot be repeated"), errors);
    }
    for (i, filter) in filters.iter().enumerate() {
        let at = at.index(i);
        let parts = Parts {
            type_: &filter.type_,
            fields: [
                ("requestHeaderModifier", "RequestHeaderModifier", filter.request_header_modifier.is_some()),
                ("responseHeaderModifier", "ResponseHeaderModifier", filter.response_header_modifier.is_some()),
                ("requestMirror", "RequestMirror", filter.request_mirror.is_some()),
                ("extensionRef", "ExtensionRef", filter.extension_ref.is_some()),
            ],
        };
        parts.rules(&at, errors);
        rules_of_mirror(&at.child("requestMirror"), filter.request_mirror.as_ref(), errors);
    }
}

fn rules_of_mirror(at: &Path<'_>, mirror: Option<&HTTPRequestMirrorFilter>, errors: &mut Errors) {
    let Some(mirror) = mirror else { return };
    let message = "Only one of percent or fraction may be specified in HTTPRequestMirrorFilter";
    rule(mirror.percent.is_none() || mirror.fraction.is_none(), at, message, errors);
    rules_of_reference(&at.child("backendRef"), mirror.backend_ref.to(), errors);
    if let Some(fraction) = &mirror.fraction {
        let is_part = fraction.denominator.is_none_or(|denominator| fraction.numerator <= denominator);
        let message = "numerator must be less than or equal to denominator";
        rule(is_part, &at.child("fraction"), message, errors);
    }
}

fn rules_of_path(at: &Path<'_>, path: Option<&HTTPPathModifier>, errors: &mut Errors) {
    let Some(path) = path else { return };
    for (type_, field, is_there) in [
        ("ReplaceFullPath", "replaceFullPath", path.replace_full_path.is_some()),
        ("ReplacePrefixMatch", "replacePrefixMatch", path.replace_prefix_match.is_some()),
    ] {
        let is_of = path.type_ == type_;
        let message = format!("{field} must be specified when type is set to '{type_}'");
        rule(is_there || !is_of, at, &message, errors);
        let message = format!("type must be '{type_}' when {field} is set");
        rule(is_of || !is_there, at, &message, errors);
    }
}

fn rules_of_cors(at: &Path<'_>, cors: Option<&HTTPCORSFilter>, errors: &mut Errors) {
    let Some(cors) = cors else { return };
    let alone = |all: &[String]| all.len() <= 1 || all.iter().all(|one| one != "*");
    for (field, all, message) in [
        ("allowHeaders", &cors.allow_headers, "AllowHeaders cannot contain '*' alongside other methods"),
        ("allowMethods", &cors.allow_methods, "AllowMethods cannot contain '*' alongside other methods"),
        ("allowOrigins", &cors.allow_origins, "AllowOrigins cannot contain '*' alongside other origins"),
    ] {
        list_rule(alone(all), &at.child(field), message, errors);
    }
}
