//! Tables: classes, gateways and routes as a commit left them → whether they are up, and what they wait for.

use masthead_api::key::ObjectKey;
use masthead_api::kind::Kind;
use masthead_api::kind::registry::{GATEWAY, GATEWAY_CLASS, GRPC_ROUTE, HTTP_ROUTE, INGRESS};
use serde_json::{Value, json};

use crate::gateway::tests::{World, grant, object, secret, service};
use crate::health::assess::{assess, line};
use crate::health::verdict::Health;

/// What an object waits for; empty when it is up.
fn waits(world: &World, kind: Kind, name: &str) -> String {
    let namespace = if kind.info().namespaced { "n" } else { "" };
    match assess(&world.cluster, &ObjectKey::new(kind, namespace, name)).unwrap() {
        Health::Healthy => String::new(),
        Health::Progressing { message } => message,
        failed @ Health::Failed { .. } => panic!("{name} has failed, though it may come right: {failed}"),
    }
}

fn gateway(name: &str, class: &str, listeners: Value) -> Value {
    object("Gateway", "n", name, json!({"gatewayClassName": class, "listeners": listeners}))
}

fn route(kind: &str, name: &str, parents: Value, backend: &str) -> Value {
    let rules = json!([{"backendRefs": [{"name": backend, "port": 80}]}]);
    object(kind, "n", name, json!({"parentRefs": parents, "rules": rules}))
}

#[test]
fn gateways_are_up_when_all_of_their_listeners_are() {
    let mut world = World::new();
    let http = |port: i32| json!({"name": "web", "port": port, "protocol": "HTTP"});
    let tls = json!({"name": "tls", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "s"}]}});
    let mut kinds = http(80);
    kinds["allowedRoutes"] = json!({"kinds": [{"kind": "HTTPRoute"}, {"kind": "TCPRoute"}]});
    let mut check = |class: &str, listeners: Value, expect: &str| {
        world.create(gateway("g", class, listeners));
        assert_eq!(waits(&world, GATEWAY, "g"), expect);
    };
    check("masthead", json!([http(80)]), "");
    check(
        "masthead",
        json!([http(443)]),
        "listener \"web\": PortUnavailable: on port 443 of the nodes HTTPS is spoken, for Ingresses too",
    );
    check(
        "masthead",
        json!([http(80), {"name": "t", "port": 5432, "protocol": "TCP"}]),
        "listener \"t\": UnsupportedProtocol: protocol \"TCP\" is not supported, only HTTP and HTTPS are",
    );
    check(
        "masthead",
        json!([kinds]),
        "listener \"web\": InvalidRouteKinds: routes of kind gateway.networking.k8s.io/TCPRoute are not supported",
    );
    check(
        "masthead",
        json!([http(80), tls.clone()]),
        "listener \"tls\": InvalidCertificateRef: Secret n/s does not exist",
    );
    check("none", json!([http(80)]), "nobody serves it: there is no GatewayClass \"none\"");
    world.create(secret("n", "s"));
    world.create(gateway("g", "masthead", json!([http(80), tls])));
    assert_eq!(waits(&world, GATEWAY, "g"), "", "the Secret has come");
    world.create(object("GatewayClass", "", "other", json!({"controllerName": "x.y/z"})));
    world.create(gateway("g", "other", json!([http(443)])));
    assert_eq!(waits(&world, GATEWAY, "g"), "", "another controller's is not ours to judge");
    let mut asks = gateway("g", "masthead", json!([http(80)]));
    asks["spec"]["addresses"] = json!([{"value": "203.0.113.1"}]);
    world.create(asks);
    assert_eq!(
        waits(&world, GATEWAY, "g"),
        "UnsupportedAddress: IPAddress 203.0.113.1: a gateway has the addresses of all nodes, others can't be chosen"
    );
}

#[test]
fn a_gateway_waits_for_a_node_and_for_its_controller() {
    let mut world = World::new();
    world.create(gateway("g", "masthead", json!([{"name": "web", "port": 80, "protocol": "HTTP"}])));
    world.gone(ObjectKey::new(masthead_api::kind::registry::NODE, "", "a"));
    assert_eq!(waits(&world, GATEWAY, "g"), "AddressNotAssigned: no node is ready");
    // As it is stored, before its controller has seen the newest generation.
    let mut value = world.cluster.get(&ObjectKey::new(GATEWAY, "n", "g")).unwrap().value();
    value["metadata"]["generation"] = json!(2);
    let unseen = crate::cluster::event::Event::Put(std::sync::Arc::new(
        masthead_api::object::Object::from_value(value).unwrap().at(world.cluster.revision() + 1),
    ));
    world.cluster.apply(unseen);
    assert_eq!(waits(&world, GATEWAY, "g"), "listener \"web\": waits to be seen by its controller");
}

#[test]
fn classes_are_up_when_they_are_accepted() {
    let mut world = World::new();
    let class = |parameters: Value| json!({"controllerName": "masthead.dev/gateway", "parametersRef": parameters});
    world.create(object("GatewayClass", "", "mine", class(Value::Null)));
    assert_eq!(waits(&world, GATEWAY_CLASS, "mine"), "");
    world.create(object("GatewayClass", "", "mine", class(json!({"group": "", "kind": "ConfigMap", "name": "c"}))));
    assert_eq!(
        waits(&world, GATEWAY_CLASS, "mine"),
        "InvalidParameters: ConfigMap \"c\": a class has no parameters here"
    );
    world.create(object("GatewayClass", "", "other", json!({"controllerName": "x.y/z"})));
    assert_eq!(waits(&world, GATEWAY_CLASS, "other"), "");
}

#[test]
fn routes_are_up_when_each_gateway_takes_all_of_them() {
    for (kind, name) in [("HTTPRoute", HTTP_ROUTE), ("GRPCRoute", GRPC_ROUTE)] {
        let mut world = World::new();
        let listeners = json!([{"name": "web", "port": 80, "protocol": "HTTP"}]);
        world.create(gateway("g", "masthead", listeners.clone()));
        let mut check = |parents: Value, backend: &str, expect: &str| {
            world.create(route(kind, "r", parents, backend));
            assert_eq!(waits(&world, name, "r"), expect, "{kind}");
        };
        let g = || json!([{"name": "g"}]);
        check(g(), "web", "BackendNotFound: Service n/web does not exist");
        check(json!([{"name": "gone"}]), "web", "nobody serves it: there is no Gateway n/gone");
        check(json!([{"name": "g", "sectionName": "x"}]), "web", "NoMatchingParent: Gateway n/g has no listener \"x\"");
        check(
            json!([{"name": "s", "kind": "Service", "group": ""}]),
            "web",
            "a parent of kind Service is not supported, only gateways are",
        );
        world.create(service("n", "web"));
        assert_eq!(waits(&world, name, "r"), "a parent of kind Service is not supported, only gateways are");
        world.create(route(kind, "r", g(), "web"));
        assert_eq!(waits(&world, name, "r"), "");
        // One of two gateways refuses it.
        world.create(route(kind, "r", json!([{"name": "g"}, {"name": "late"}]), "web"));
        assert_eq!(waits(&world, name, "r"), "nobody serves it: there is no Gateway n/late");
        world.create(gateway("late", "none", listeners.clone()));
        assert_eq!(waits(&world, name, "r"), "Gateway n/late: nobody serves it: there is no GatewayClass \"none\"");
        world.create(object("GatewayClass", "", "none", json!({"controllerName": "x.y/z"})));
        assert_eq!(waits(&world, name, "r"), "", "the other is another controller's");
        // Across namespaces, by a grant that comes late.
        let mut across = route(kind, "r", g(), "web");
        across["spec"]["rules"][0]["backendRefs"][0]["namespace"] = "m".into();
        world.create(service("m", "web"));
        world.create(across);
        assert_eq!(
            waits(&world, name, "r"),
            "RefNotPermitted: Service m/web: no ReferenceGrant of its namespace allows it"
        );
        world.create(grant("m", kind, "n", "Service"));
        assert_eq!(waits(&world, name, "r"), "");
        // A part of it is refused.
        let extension = json!({"type": "ExtensionRef", "extensionRef": {"group": "x.y", "kind": "Auth", "name": "a"}});
        let mut partly = route(kind, "r", g(), "web");
        let bad = json!({"filters": [extension], "backendRefs": [{"name": "web", "port": 80}]});
        partly["spec"]["rules"].as_array_mut().unwrap().push(bad);
        world.create(partly);
        let said = waits(&world, name, "r");
        assert!(said.starts_with("UnsupportedValue: Dropped Rule(s)"), "{said}");
    }
}

#[test]
fn ingresses_are_up_when_nodes_serve_all_that_they_ask_for() {
    let mut world = World::new();
    let ingress = |class: &str, secret: &str| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i", "namespace": "n"},
            "spec": {"ingressClassName": class, "tls": [{"hosts": ["a.b"], "secretName": secret}], "rules": [{"host": "a.b",
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}})
    };
    let class = |name: &str| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": name},
            "spec": {"controller": "x.y/z"}})
    };
    world.create(service("n", "web"));
    world.create(ingress("masthead", "s"));
    assert_eq!(
        waits(&world, INGRESS, "i"),
        "SecretNotFound: there is no Secret \"s\": its hosts get the certificate of last resort"
    );
    assert_eq!(
        line(&world.cluster, &ObjectKey::new(INGRESS, "n", "i")),
        "Ingress n/i: SecretNotFound: there is no Secret \"s\": its hosts get the certificate of last resort"
    );
    world.create(secret("n", "s"));
    assert_eq!(waits(&world, INGRESS, "i"), "");
    world.create(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bare", "namespace": "n"}}));
    world.create(ingress("masthead", "bare"));
    assert_eq!(waits(&world, INGRESS, "i"), "SecretInvalid: Secret \"bare\" has no tls.crt and no tls.key");
    world.create(ingress("nginx", "s"));
    assert_eq!(waits(&world, INGRESS, "i"), "NoIngressClass: nobody serves it: there is no IngressClass \"nginx\"");
    world.create(class("nginx"));
    assert_eq!(waits(&world, INGRESS, "i"), "", "another controller's is not ours to judge");
    world.create(ingress("masthead", "s"));
    world.gone(ObjectKey::new(masthead_api::kind::registry::SERVICE, "n", "web"));
    assert_eq!(waits(&world, INGRESS, "i"), "ServiceNotFound: there is no Service \"web\"");
    world.create(service("n", "web"));
    world.gone(ObjectKey::new(masthead_api::kind::registry::NODE, "", "a"));
    assert_eq!(waits(&world, INGRESS, "i"), "waits for a node that serves it");
}
