//! Tables: manifests of gateway.networking.k8s.io → the faults that an API server with these kinds tells.

use serde_json::{Value, json};

use crate::admit::{create, update};
use crate::kind::Kind;
use crate::meta::time::Time;
use crate::table;

/// One manifest of each kind, with most of what it can hold.
pub fn manifests() -> Vec<Value> {
    let of = |version: &str, kind: &str, spec: Value| {
        json!({"apiVersion": format!("gateway.networking.k8s.io/{version}"), "kind": kind,
            "metadata": {"name": "x", "labels": {"a": "b"}}, "spec": spec})
    };
    vec![
        of(
            "v1",
            "GatewayClass",
            json!({"controllerName": "masthead.dev/gateway", "description": "d",
                "parametersRef": {"group": "", "kind": "ConfigMap", "name": "c", "namespace": "n"}}),
        ),
        of(
            "v1",
            "Gateway",
            json!({"gatewayClassName": "masthead",
                "listeners": [
                    {"name": "http", "port": 80, "protocol": "HTTP", "hostname": "*.example.com",
                        "allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}},
                            "kinds": [{"kind": "HTTPRoute"}]}},
                    {"name": "https", "port": 443, "protocol": "HTTPS",
                        "tls": {"certificateRefs": [{"name": "s", "namespace": "other"}]}}],
                "infrastructure": {"labels": {"a": "b"}, "annotations": {"x.y/z": "c"}}}),
        ),
        of(
            "v1",
            "ReferenceGrant",
            json!({"from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "n"}],
                "to": [{"group": "", "kind": "Service", "name": "s"}]}),
        ),
        of(
            "v1",
            "HTTPRoute",
            json!({"parentRefs": [{"name": "g", "sectionName": "a"}, {"name": "g", "sectionName": "b"}],
                "hostnames": ["a.example.com", "*.example.org"],
                "rules": [
                    {"matches": [{"path": {"value": "/v1"}, "method": "GET",
                        "headers": [{"name": "X-A", "value": "1"}],
                        "queryParams": [{"name": "q", "value": "[a-z]+", "type": "RegularExpression"}]}],
                    "filters": [
                        {"type": "RequestHeaderModifier", "requestHeaderModifier":
                            {"set": [{"name": "X-B", "value": "2"}], "add": [], "remove": ["X-C"]}},
                        {"type": "URLRewrite", "urlRewrite": {"hostname": "b.example.com",
                            "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}},
                        {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "m", "port": 80},
                            "fraction": {"numerator": 1}}}],
                    "backendRefs": [{"name": "s", "port": 80, "weight": 9},
                        {"name": "t", "namespace": "n", "port": 80, "filters": [
                            {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["Server"]}}]}],
                    "timeouts": {"request": "10s", "backendRequest": "500ms"}},
                    {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "port": 8443}}]}]}),
        ),
        of(
            "v1",
            "GRPCRoute",
            json!({"parentRefs": [{"name": "g"}], "hostnames": ["g.example.com"],
                "rules": [{"matches": [{"method": {"service": "a.B", "method": "C"},
                    "headers": [{"name": "x", "value": "y"}]}],
                    "filters": [{"type": "RequestHeaderModifier",
                        "requestHeaderModifier": {"add": [{"name": "a", "value": "b"}]}}],
                    "backendRefs": [{"name": "s", "port": 9000}]}]}),
        ),
    ]
}

fn manifest(kind: &str) -> Value {
    manifests().into_iter().find(|manifest| manifest["kind"] == kind).unwrap()
}

/// The faults of a manifest in which a value was put at a place (JSON pointer).
fn faults(kind: &str, puts: &[(&str, Value)]) -> Vec<String> {
    let mut value = manifest(kind);
    for (at, put) in puts {
        let (parent, name) = at.rsplit_once('/').unwrap();
        let parent = value.pointer_mut(parent).unwrap_or_else(|| panic!("{at}"));
        match (name.parse::<usize>(), parent) {
            (Ok(i), Value::Array(list)) if i < list.len() => list[i] = put.clone(),
            (Ok(_), Value::Array(list)) => list.push(put.clone()),
            (_, parent) => parent[name] = put.clone(),
        }
    }
    match create(value, "default") {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(|p| format!("{}: {}", p.path, p.message)).collect(),
    }
}

fn check(kind: &str, at: &str, put: Value, expect: &[&str]) {
    assert_eq!(faults(kind, &[(at, put)]), expect, "{at}");
}

const UNCHECKED: &str = "<nil>: Invalid value: null: some validation rules were not checked because the object was \
                         invalid; correct the existing errors to complete validation";

#[test]
fn what_is_left_out_is_filled_in() {
    let create = |kind: &str| create(manifest(kind), "default").unwrap();
    let route = create("HTTPRoute");
    assert_eq!(route["spec"]["parentRefs"][0]["group"], "gateway.networking.k8s.io");
    assert_eq!(route["spec"]["parentRefs"][0]["kind"], "Gateway");
    let rule = &route["spec"]["rules"][0];
    assert_eq!(rule["matches"][0]["path"], json!({"type": "PathPrefix", "value": "/v1"}));
    assert_eq!(rule["matches"][0]["headers"][0]["type"], "Exact");
    assert_eq!(
        rule["backendRefs"][1],
        json!({"group": "", "kind": "Service", "name": "t", "namespace": "n", "port": 80, "weight": 1,
            "filters": rule["backendRefs"][1]["filters"]})
    );
    assert_eq!(rule["filters"][2]["requestMirror"]["fraction"]["denominator"], 100);
    let second = &route["spec"]["rules"][1];
    assert_eq!(second["matches"], json!([{"path": {"type": "PathPrefix", "value": "/"}}]));
    assert_eq!(second["filters"][0]["requestRedirect"]["statusCode"], 302);
    assert!(route.get("status").is_none());
    let gateway = create("Gateway");
    let listeners = &gateway["spec"]["listeners"];
    assert_eq!(listeners[1]["allowedRoutes"], json!({"namespaces": {"from": "Same"}}));
    assert_eq!(listeners[1]["tls"]["mode"], "Terminate");
    assert_eq!(listeners[1]["tls"]["certificateRefs"][0]["kind"], "Secret");
    assert_eq!(listeners[0]["allowedRoutes"]["kinds"][0]["group"], "gateway.networking.k8s.io");
    let waiting = |type_: &str| {
        json!({"type": type_, "status": "Unknown", "reason": "Pending", "message": "Waiting for controller",
            "lastTransitionTime": "1970-01-01T00:00:00Z"})
    };
    assert_eq!(gateway["status"]["conditions"], json!([waiting("Accepted"), waiting("Programmed")]));
    assert_eq!(create("GatewayClass")["status"]["conditions"], json!([waiting("Accepted")]));
}

#[test]
fn gateways_are_held_to_their_definition() {
    let at = "/spec/listeners/0";
    check("Gateway", "/spec/gatewayClassName", json!(""), &["spec.gatewayClassName: Required value", UNCHECKED]);
    check("Gateway", "/spec/listeners", json!([]), &["spec.listeners: Required value", UNCHECKED]);
    check(
        "Gateway",
        &format!("{at}/port"),
        json!(65_536),
        &[
            "spec.listeners[0].port: Invalid value: 65536: spec.listeners[0].port in body should be less than or equal to 65535",
        ],
    );
    check(
        "Gateway",
        &format!("{at}/hostname"),
        json!("*"),
        &[
            r#"spec.listeners[0].hostname: Invalid value: "*": spec.listeners[0].hostname in body should match '^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'"#,
        ],
    );
    check(
        "Gateway",
        &format!("{at}/hostname"),
        json!(""),
        &[
            r#"spec.listeners[0].hostname: Invalid value: "": spec.listeners[0].hostname in body should be at least 1 chars long"#,
        ],
    );
    check(
        "Gateway",
        &format!("{at}/name"),
        json!("https"),
        &[r#"spec.listeners[1]: Duplicate value: {"name":"https"}"#],
    );
    check(
        "Gateway",
        &format!("{at}/allowedRoutes/namespaces/from"),
        json!("None"),
        &[
            r#"spec.listeners[0].allowedRoutes.namespaces.from: Unsupported value: "None": supported values: "All", "Selector", "Same""#,
            UNCHECKED,
        ],
    );
    let list = |message: &str| format!("spec.listeners: Invalid value: \"array\": {message}");
    check(
        "Gateway",
        &format!("{at}/tls"),
        json!({"certificateRefs": [{"name": "s"}]}),
        &[&list("tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']")],
    );
    check(
        "Gateway",
        "/spec/listeners/1/tls/mode",
        json!("Passthrough"),
        &[&list("tls mode must be Terminate for protocol HTTPS")],
    );
    check("Gateway", &format!("{at}/protocol"), json!("TLS"), &[&list("tls mode must be set for protocol TLS")]);
    check(
        "Gateway",
        &format!("{at}/protocol"),
        json!("TCP"),
        &[&list("hostname must not be specified for protocols ['TCP', 'UDP']")],
    );
    let same = json!({"name": "c", "port": 80, "protocol": "HTTP", "hostname": "*.example.com"});
    check(
        "Gateway",
        "/spec/listeners/2",
        same,
        &[&list("Combination of port, protocol and hostname must be unique for each listener")],
    );
    check(
        "Gateway",
        "/spec/listeners/1/tls",
        json!({}),
        &[
            "spec.listeners[1].tls: Invalid value: \"object\": certificateRefs or options must be specified when mode is Terminate",
        ],
    );
    check(
        "Gateway",
        "/spec/addresses",
        json!([{"value": "10.0.0.1"}, {"value": "10.0.0.1"}]),
        &["spec.addresses: Invalid value: \"array\": IPAddress values must be unique"],
    );
    check(
        "Gateway",
        "/spec/infrastructure/labels",
        json!({"-a": "b"}),
        &[
            "spec.infrastructure.labels: Invalid value: \"object\": Label keys must be in the form of an optional DNS subdomain \
         prefix followed by a required name segment of up to 63 characters.",
        ],
    );
}

#[test]
fn what_is_not_served_is_refused_with_words() {
    check(
        "Gateway",
        "/spec/tls",
        json!({"frontend": {"default": {}}}),
        &["spec.tls: Forbidden: certificates of clients, and certificates towards pods, are not supported"],
    );
    check(
        "Gateway",
        "/spec/listeners/1/tls/options",
        json!({"a": "b"}),
        &["spec.listeners[1].tls.options: Forbidden: no option of TLS is supported"],
    );
    check(
        "Gateway",
        "/spec/allowedListeners",
        json!({"namespaces": {"from": "All"}}),
        &["spec.allowedListeners: Forbidden: sets of listeners are not supported"],
    );
    check("Gateway", "/spec/allowedListeners", json!({}), &[]);
    check(
        "HTTPRoute",
        "/spec/rules/0/sessionPersistence",
        json!({"type": "Cookie"}),
        &["spec.rules[0].sessionPersistence: Forbidden: session persistence is not supported"],
    );
    check(
        "GRPCRoute",
        "/spec/rules/0/sessionPersistence",
        json!({}),
        &["spec.rules[0].sessionPersistence: Forbidden: session persistence is not supported"],
    );
    check(
        "HTTPRoute",
        "/spec/rules/0/retry",
        json!({"attempts": 2}),
        &[
            "spec.rules[0].retry: Forbidden: retries can't be chosen: what can be repeated without harm is given to another \
         endpoint when one can't be reached",
        ],
    );
    check(
        "HTTPRoute",
        "/spec/rules/0/matchs",
        json!([]),
        &["spec.rules[0].matchs: unknown field \"spec.rules[0].matchs\""],
    );
    let other = |version: &str, kind: &str| {
        let value = json!({"apiVersion": format!("gateway.networking.k8s.io/{version}"), "kind": kind});
        create(value, "default").unwrap_err()[0].message.clone()
    };
    assert_eq!(other("v1", "TLSRoute"), "kind TLSRoute of gateway.networking.k8s.io/v1 is not supported yet");
    assert_eq!(
        other("v1beta1", "GRPCRoute"),
        "no kind \"GRPCRoute\" in apiVersion \"gateway.networking.k8s.io/v1beta1\"; it is in gateway.networking.k8s.io/v1"
    );
}

#[test]
fn what_was_written_as_v1beta1_is_stored_as_v1() {
    for mut manifest in manifests().into_iter().filter(|manifest| manifest["kind"] != "GRPCRoute") {
        let stored = create(manifest.clone(), "default").unwrap();
        manifest["apiVersion"] = "gateway.networking.k8s.io/v1beta1".into();
        assert_eq!(create(manifest.clone(), "default").unwrap(), stored);
        assert_eq!(update(&stored, manifest).unwrap(), stored);
        assert_eq!(stored["apiVersion"], "gateway.networking.k8s.io/v1");
    }
}

#[test]
fn routes_are_held_to_their_definition() {
    let rule = |message: &str| format!("spec.rules[0]: Invalid value: \"object\": {message}");
    let path = |message: &str| format!("spec.rules[0].matches[0].path: Invalid value: \"object\": {message}");
    let at_path = "/spec/rules/0/matches/0/path/value";
    for (value, expect) in [
        ("v1", "value must be an absolute path and start with '/' when type one of ['Exact', 'PathPrefix']"),
        ("/a//b", "must not contain '//' when type one of ['Exact', 'PathPrefix']"),
        ("/a/./b", "must not contain '/./' when type one of ['Exact', 'PathPrefix']"),
        ("/a%2fb", "must not contain '%2f' when type one of ['Exact', 'PathPrefix']"),
        ("/a/..", "must not end with '/..' when type one of ['Exact', 'PathPrefix']"),
    ] {
        check("HTTPRoute", at_path, json!(value), &[&path(expect)]);
    }
    for value in ["/a b", "/a%4", "/é"] {
        let expect = "must only contain valid characters (matching \
                      ^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$) for types ['Exact', 'PathPrefix']";
        check("HTTPRoute", at_path, json!(value), &[&path(expect)]);
    }
    check(
        "HTTPRoute",
        "/spec/rules/0/matches/1",
        json!({}),
        &[&rule(
            "When using URLRewrite filter with path.replacePrefixMatch, exactly one PathPrefix match must be specified",
        )],
    );
    check(
        "HTTPRoute",
        "/spec/rules/1/backendRefs",
        json!([{"name": "s", "port": 80}]),
        &[
            "spec.rules[1]: Invalid value: \"object\": RequestRedirect filter must not be used together with backendRefs",
        ],
    );
    check(
        "HTTPRoute",
        "/spec/rules/0/backendRefs/0/port",
        json!(null),
        &["spec.rules[0].backendRefs[0]: Invalid value: \"object\": Must have port for Service reference"],
    );
    check(
        "HTTPRoute",
        "/spec/rules/0/timeouts/request",
        json!("100ms"),
        &[
            "spec.rules[0].timeouts: Invalid value: \"object\": backendRequest timeout cannot be longer than request timeout",
        ],
    );
    check(
        "HTTPRoute",
        "/spec/rules/0/timeouts/request",
        json!("10"),
        &[
            "spec.rules[0].timeouts.request: Invalid value: \"10\": spec.rules[0].timeouts.request in body should match \
         '^([0-9]{1,5}(h|m|s|ms)){1,4}$'",
        ],
    );
    check(
        "HTTPRoute",
        "/spec/rules/0/matches/0/method",
        json!("GETS"),
        &[
            "spec.rules[0].matches[0].method: Unsupported value: \"GETS\": supported values: \"GET\", \"HEAD\", \"POST\", \
         \"PUT\", \"DELETE\", \"CONNECT\", \"OPTIONS\", \"TRACE\", \"PATCH\"",
            UNCHECKED,
        ],
    );
    check(
        "HTTPRoute",
        "/spec/rules/0/filters/0",
        json!({"type": "URLRewrite", "requestHeaderModifier": {}}),
        &[
            "spec.rules[0].filters: Invalid value: \"array\": URLRewrite filter cannot be repeated",
            "spec.rules[0].filters[0]: Invalid value: \"object\": filter.requestHeaderModifier must be nil if the filter.type \
         is not RequestHeaderModifier",
            "spec.rules[0].filters[0]: Invalid value: \"object\": filter.urlRewrite must be specified for URLRewrite filter.type",
        ],
    );
}

#[test]
fn parents_calls_and_numbers_are_held_to_their_definition() {
    let twice = "sectionName must be unique when parentRefs includes 2 or more references to the same parent";
    let twice = format!("spec.parentRefs: Invalid value: \"array\": {twice}");
    check("HTTPRoute", "/spec/parentRefs/1/sectionName", json!("a"), &[&twice]);
    let some = "sectionName must be specified when parentRefs includes 2 or more references to the same parent";
    check(
        "HTTPRoute",
        "/spec/parentRefs/1/sectionName",
        json!(null),
        &[&format!("spec.parentRefs: Invalid value: \"array\": {some}")],
    );
    let method = |message: &str| format!("spec.rules[0].matches[0].method: Invalid value: \"object\": {message}");
    check(
        "GRPCRoute",
        "/spec/rules/0/matches/0/method",
        json!({}),
        &[&method("One or both of 'service' or 'method' must be specified")],
    );
    check(
        "GRPCRoute",
        "/spec/rules/0/matches/0/method/method",
        json!("a/b"),
        &[&method("method must only contain valid characters (matching ^[A-Za-z_][A-Za-z_0-9]*$)")],
    );
    check(
        "GRPCRoute",
        "/spec/rules/0/filters/0/type",
        json!("URLRewrite"),
        &[
            "spec.rules[0].filters[0].type: Unsupported value: \"URLRewrite\": supported values: \"ResponseHeaderModifier\", \
         \"RequestHeaderModifier\", \"RequestMirror\", \"ExtensionRef\"",
            UNCHECKED,
        ],
    );
    let many: Vec<Value> = (0..17).map(|_| json!({})).collect();
    check(
        "GRPCRoute",
        "/spec/rules",
        json!(many),
        &["spec.rules: Too many: 17: must have at most 16 items", UNCHECKED],
    );
    let matches: Vec<Value> = (0..64).map(|_| json!({})).collect();
    let rules: Vec<Value> = (0..3).map(|_| json!({"matches": matches})).collect();
    let sum = "While 16 rules and 64 matches per rule are allowed, the total number of matches across all rules in a route \
               must be less than 128";
    check("GRPCRoute", "/spec/rules", json!(rules), &[&format!("spec.rules: Invalid value: \"array\": {sum}")]);
}

#[test]
fn grants_and_classes_are_held_to_their_definition() {
    check("ReferenceGrant", "/spec/from", json!([]), &["spec.from: Required value"]);
    check(
        "ReferenceGrant",
        "/spec/to/0/kind",
        json!("9"),
        &[
            "spec.to[0].kind: Invalid value: \"9\": spec.to[0].kind in body should match '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$'",
        ],
    );
    let old = create(manifest("GatewayClass"), "").unwrap();
    let mut new = old.clone();
    new["spec"]["controllerName"] = "a.b/c".into();
    let problems = update(&old, new).unwrap_err();
    assert_eq!(problems[0].to_string(), "spec.controllerName: Invalid value: \"string\": Value is immutable");
}

#[test]
fn rows_are_those_of_the_definitions() {
    let row = |mut object: Value| {
        object["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
        let kind = Kind::by_gvk(object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap()).unwrap();
        let now = Time::parse("2026-01-01T00:01:05Z").unwrap();
        table::text::render(table::rows::columns(kind), &[table::rows::cells(kind, &object, now).unwrap()], false)
    };
    let mut gateway = create(manifest("Gateway"), "default").unwrap();
    assert_eq!(
        row(gateway.clone()),
        "NAME   CLASS      ADDRESS   PROGRAMMED   AGE\nx      masthead             Unknown      65s\n"
    );
    gateway["status"]["addresses"] = json!([{"type": "IPAddress", "value": "192.0.2.1"}, {"value": "192.0.2.2"}]);
    assert_eq!(
        row(gateway),
        "NAME   CLASS      ADDRESS     PROGRAMMED   AGE\nx      masthead   192.0.2.1   Unknown      65s\n"
    );
    let class = create(manifest("GatewayClass"), "").unwrap();
    assert_eq!(
        row(class),
        "NAME   CONTROLLER             ACCEPTED   AGE\nx      masthead.dev/gateway   Unknown    65s\n"
    );
    let route = create(manifest("HTTPRoute"), "default").unwrap();
    assert_eq!(
        row(route),
        "NAME   HOSTNAMES                           AGE\nx      [\"a.example.com\",\"*.example.org\"]   65s\n"
    );
}
