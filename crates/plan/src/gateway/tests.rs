//! Gateways, routes and what they name, played until nothing is left to do: statuses, and what nodes are told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use masthead_api::gateway::resolved::{PathMatch, ResolvedGateway, ResolvedRoute};
use masthead_api::key::ObjectKey;
use masthead_api::kind::Kind;
use masthead_api::kind::registry::{GATEWAY, GRPC_ROUTE, HTTP_ROUTE};
use masthead_api::object::Object;
use serde_json::{Value, json};

use crate::cluster::event::Event;
use crate::cluster::view::Cluster;
use crate::context::Context;
use crate::gateway::{affected, resolve};
use crate::round::{self, Round, Task};
use masthead_api::change::Change;

/// Rounds until the controllers must have come to rest.
const ROUNDS_MAX: usize = 50;
pub const GROUP: &str = "gateway.networking.k8s.io";

pub struct World {
    pub cluster: Cluster,
    pub cx: Context,
    tasks: BTreeSet<Task>,
    told: Vec<String>,
    /// What nodes have been told, kept as the control plane does: only what is affected is looked at anew.
    pub nodes: BTreeMap<ObjectKey, Vec<u8>>,
}

impl World {
    pub fn new() -> World {
        let mut world = World {
            cluster: Cluster::default(),
            cx: Context::new(1_800_000_000, 1),
            tasks: BTreeSet::from([Task::System]),
            told: Vec::new(),
            nodes: BTreeMap::new(),
        };
        world.settle();
        world.put(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "uid": "a"},
            "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}],
                "conditions": [{"type": "Ready", "status": "True"}]}}));
        world
    }

    fn event(&mut self, event: Event) {
        let Some(changed) = self.cluster.apply(event) else { return };
        self.tasks.extend(round::tasks(&self.cluster, &changed));
        let mut keys = BTreeSet::new();
        affected::affected(&self.cluster, &changed, &mut keys);
        keys.extend(changed.sides().map(|side| side.key().clone()));
        for key in keys.into_iter().filter(resolve::is_resolved) {
            match resolve::resolve(&self.cluster, &key) {
                Some(bytes) => drop(self.nodes.insert(key, bytes)),
                None => drop(self.nodes.remove(&key)),
            }
        }
    }

    pub fn put(&mut self, value: Value) {
        let object = Object::from_value(value).unwrap().at(self.cluster.revision() + 1);
        self.event(Event::Put(Arc::new(object)));
        self.settle();
    }

    fn remove(&mut self, kind: Kind, name: &str) {
        self.gone(ObjectKey::new(kind, "n", name));
    }

    pub fn gone(&mut self, key: ObjectKey) {
        let revision = self.cluster.revision() + 1;
        self.event(Event::Gone(key, revision));
        self.settle();
    }

    /// As a user writes it; each a second younger than the one before, a second time as an update.
    pub fn create(&mut self, value: Value) {
        self.cx.now = self.cx.now.plus(1);
        let value = match self.try_create(value) {
            Ok(value) => value,
            Err(problems) => panic!("{problems:?}"),
        };
        self.put(value);
    }

    pub fn try_create(&mut self, value: Value) -> Result<Value, Vec<masthead_api::admit::FieldProblem>> {
        let mut new = masthead_api::admit::create(value, "n")?;
        let object = Object::from_value(new.clone()).unwrap();
        if let Some(old) = self.cluster.get(object.key()) {
            return masthead_api::admit::update(&old.value(), new);
        }
        new["metadata"]["uid"] = self.cx.ids.uid().into();
        new["metadata"]["creationTimestamp"] = json!(self.cx.now);
        Ok(new)
    }

    fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let tasks: BTreeSet<Task> = std::mem::take(&mut self.tasks);
            let tasks = tasks.into_iter().filter(|t| !matches!(t, Task::Schedule | Task::Node(_))).collect();
            let mut round = Round::default();
            round::decide(&self.cluster, &tasks, &mut self.cx, &mut round);
            assert!(round.faults.is_empty(), "{:?}", round.faults);
            self.told.extend(round.events.iter().map(|e| format!("{} {}: {}", e.about.name, e.reason, e.message)));
            if round.changes.is_empty() && round.again.is_empty() {
                return;
            }
            self.tasks.extend(round.again);
            for change in round.changes {
                let revision = self.cluster.revision() + 1;
                match change {
                    Change::Create { object, .. } | Change::Update { object, .. } => {
                        self.event(Event::Put(Arc::new(Object::clone(&object).at(revision))));
                    }
                    Change::Delete { key, .. } => self.event(Event::Gone(key, revision)),
                }
            }
        }
        panic!("the controllers do not come to rest");
    }

    fn value(&self, kind: Kind, name: &str) -> Value {
        self.cluster.get(&ObjectKey::new(kind, "n", name)).unwrap().value()
    }

    /// What is said of a gateway: each condition, its addresses, and each listener.
    fn gateway(&self, name: &str) -> Vec<String> {
        let value = self.value(GATEWAY, name);
        let addresses = value["status"]["addresses"].as_array().into_iter().flatten();
        let mut out: Vec<String> = conditions(&value["status"]["conditions"]);
        out.extend(addresses.map(|address| format!("at {}", address["value"].as_str().unwrap())));
        for listener in value["status"]["listeners"].as_array().into_iter().flatten() {
            let kinds = listener["supportedKinds"].as_array().into_iter().flatten();
            let kinds: Vec<&str> = kinds.map(|kind| kind["kind"].as_str().unwrap()).collect();
            let head =
                format!("{} {} {}", listener["name"].as_str().unwrap(), listener["attachedRoutes"], kinds.join(","));
            let said: Vec<String> =
                conditions(&listener["conditions"]).into_iter().filter(|one| !FINE.contains(&one.as_str())).collect();
            out.push(format!("{}: {}", head.trim_end(), said.join("; ")).trim_end_matches([':', ' ']).to_owned());
        }
        out
    }

    /// What is said of a route at each parent.
    fn route(&self, kind: Kind, name: &str) -> Vec<String> {
        let value = self.value(kind, name);
        let parents = value["status"]["parents"].as_array().into_iter().flatten();
        let one = |parent: &Value| {
            let r = &parent["parentRef"];
            let section = r["sectionName"].as_str().map(|section| format!("/{section}")).unwrap_or_default();
            format!("{}{section}: {}", r["name"].as_str().unwrap(), conditions(&parent["conditions"]).join("; "))
        };
        parents.map(one).collect()
    }

    fn told_route(&self, kind: Kind, name: &str) -> Option<ResolvedRoute> {
        let bytes = self.nodes.get(&ObjectKey::new(kind, "n", name))?;
        Some(serde_json::from_slice(bytes).unwrap())
    }

    fn told_gateway(&self, name: &str) -> Option<ResolvedGateway> {
        let bytes = self.nodes.get(&ObjectKey::new(GATEWAY, "n", name))?;
        Some(serde_json::from_slice(bytes).unwrap())
    }

    /// Where a route is attached, with its hosts there.
    fn attached(&self, kind: Kind, name: &str) -> Vec<String> {
        let route = self.told_route(kind, name).unwrap_or_default();
        let one = |a: &masthead_api::gateway::resolved::Attached| {
            format!("{}/{} {}", a.gateway.name, a.listener, a.hostnames.join(","))
        };
        route.attached.iter().map(one).collect()
    }

    /// From nothing, all is judged as it was bit by bit.
    pub fn check_whole(&mut self, context: &str) {
        let all: Vec<ObjectKey> = self.cluster.objects().map(|object| object.key().clone()).collect();
        let mut nodes = BTreeMap::new();
        for key in all.iter().filter(|key| resolve::is_resolved(key)) {
            nodes.extend(resolve::resolve(&self.cluster, key).map(|bytes| (key.clone(), bytes)));
        }
        let text = |all: &BTreeMap<ObjectKey, Vec<u8>>| -> Vec<String> {
            all.iter().map(|(key, bytes)| format!("{key} {}", String::from_utf8_lossy(bytes))).collect()
        };
        assert_eq!(text(&self.nodes), text(&nodes), "{context}");
        for key in &all {
            let reaction = crate::control::reconcile(&self.cluster, key, &mut self.cx).unwrap();
            assert!(reaction.changes.is_empty(), "{context}: {key} has something to do: {reaction:?}");
        }
    }
}

const FINE: [&str; 4] = ["Accepted", "-Conflicted (NoConflicts)", "Programmed", "ResolvedRefs"];

/// `Accepted`, or `-Accepted (Reason): message`.
fn conditions(list: &Value) -> Vec<String> {
    let one = |c: &Value| {
        let text = |field: &str| c[field].as_str().unwrap().to_owned();
        let (type_, reason, message) = (text("type"), text("reason"), text("message"));
        let sign = match c["status"].as_str().unwrap() {
            "True" => "",
            "False" => "-",
            _ => "?",
        };
        let mut out = format!("{sign}{type_}");
        if reason != type_ {
            out.push_str(&format!(" ({reason})"));
        }
        if !message.is_empty() {
            out.push_str(&format!(": {message}"));
        }
        out
    };
    list.as_array().into_iter().flatten().map(one).collect()
}

pub fn object(kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": {"namespace": namespace, "name": name},
        "spec": spec})
}

fn gateway(name: &str, listeners: Value) -> Value {
    object("Gateway", "n", name, json!({"gatewayClassName": "masthead", "listeners": listeners}))
}

fn http(name: &str, port: i32) -> Value {
    json!({"name": name, "port": port, "protocol": "HTTP"})
}

fn route(kind: &str, name: &str, parent: &str, hosts: Value, rules: Value) -> Value {
    object(kind, "n", name, json!({"parentRefs": [{"name": parent}], "hostnames": hosts, "rules": rules}))
}

pub fn service(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": name},
        "spec": {"ports": [{"port": 80}]}})
}

pub fn secret(namespace: &str, name: &str) -> Value {
    let pem = |label: &str| format!("-----BEGIN {label}-----\naGVsbG8=\n-----END {label}-----\n");
    json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"namespace": namespace, "name": name},
        "stringData": {"tls.crt": pem("CERTIFICATE"), "tls.key": pem("PRIVATE KEY")}})
}

pub fn grant(namespace: &str, kind: &str, from: &str, to: &str) -> Value {
    object(
        "ReferenceGrant",
        namespace,
        &format!("for-{}", kind.to_lowercase()),
        json!({
        "from": [{"group": GROUP, "kind": kind, "namespace": from}], "to": [{"group": "", "kind": to}]}),
    )
}

fn backend(name: &str) -> Value {
    json!([{"backendRefs": [{"name": name, "port": 80}]}])
}

#[test]
fn a_gateway_with_a_route_is_served() {
    let mut world = World::new();
    let class = masthead_api::kind::registry::GATEWAY_CLASS;
    let value = world.cluster.get(&ObjectKey::new(class, "", "masthead")).unwrap().value();
    assert_eq!(conditions(&value["status"]["conditions"]), ["Accepted"]);
    world.create(service("n", "web"));
    world.create(gateway("g", json!([http("web", 80)])));
    assert_eq!(world.gateway("g"), ["Accepted", "Programmed", "at 192.0.2.1", "web 0 HTTPRoute,GRPCRoute"]);
    world.create(route("HTTPRoute", "r", "g", json!(["a.b"]), backend("web")));
    assert_eq!(world.gateway("g")[3], "web 1 HTTPRoute,GRPCRoute");
    assert_eq!(world.route(HTTP_ROUTE, "r"), ["g: Accepted; ResolvedRefs"]);
    assert_eq!(world.attached(HTTP_ROUTE, "r"), ["g/web a.b"]);
    let told = world.told_route(HTTP_ROUTE, "r").unwrap();
    assert_eq!(told.rules[0].backends[0].service.name, "web");
    // The time of a condition is that of its last change, the generation that of the spec.
    let since = world.value(GATEWAY, "g")["status"]["conditions"][0]["lastTransitionTime"].clone();
    world.create(gateway("g", json!([http("web", 80), http("more", 8080)])));
    let value = world.value(GATEWAY, "g");
    let first = &value["status"]["conditions"][0];
    assert_eq!((&first["lastTransitionTime"], &first["observedGeneration"]), (&since, &json!(2)));
    assert_eq!(world.attached(HTTP_ROUTE, "r"), ["g/web a.b", "g/more a.b"]);
    world.remove(GATEWAY, "g");
    assert_eq!((world.told_gateway("g"), world.told_route(HTTP_ROUTE, "r")), (None, None));
    assert!(world.value(HTTP_ROUTE, "r")["status"]["parents"].is_null(), "a parent that is gone says nothing");
    assert_eq!(world.told.last().unwrap(), "r GatewayNotFound: nobody serves it: there is no Gateway n/g");
    world.check_whole("end");
}

#[test]
fn listeners_that_can_t_be_served_say_why() {
    let mut world = World::new();
    let check = |world: &mut World, listeners: Value, expect: &[&str]| {
        world.create(gateway("g", listeners));
        let got: Vec<String> = world.gateway("g").into_iter().skip(2).filter(|line| !line.starts_with("at ")).collect();
        assert_eq!(got, expect);
        world.check_whole("listeners");
    };
    let bad = |reason: &str, why: &str| format!("-Accepted ({reason}): {why}; -Programmed (Invalid): {why}");
    check(
        &mut world,
        json!([http("web", 80), {"name": "t", "port": 5432, "protocol": "TCP"}]),
        &[
            "web 0 HTTPRoute,GRPCRoute",
            &format!(
                "t 0: {}",
                bad("UnsupportedProtocol", "protocol \"TCP\" is not supported, only HTTP and HTTPS are")
            ),
        ],
    );
    assert_eq!(world.gateway("g")[0], "Accepted (ListenersNotValid): not served as asked: listener \"t\"");
    check(
        &mut world,
        json!([{"name": "p", "port": 443, "protocol": "TLS", "tls": {"mode": "Passthrough"}}]),
        &[&format!(
            "p 0: {}",
            bad("UnsupportedProtocol", "protocol \"TLS\" is not supported, only HTTP and HTTPS are")
        )],
    );
    let said = world.gateway("g");
    assert_eq!(said[0], "-Accepted (ListenersNotValid): not served as asked: listener \"p\"");
    assert_eq!(said[1], "-Programmed (Invalid): no listener can be served; see their conditions");
    assert!(world.told_gateway("g").is_none());
    check(
        &mut world,
        json!([http("web", 443)]),
        &[&format!(
            "web 0 HTTPRoute,GRPCRoute: {}",
            bad("PortUnavailable", "on port 443 of the nodes HTTPS is spoken, for Ingresses too")
        )],
    );
    let mut kinds = http("web", 80);
    kinds["allowedRoutes"] =
        json!({"kinds": [{"kind": "HTTPRoute"}, {"kind": "TCPRoute"}, {"group": "x.y", "kind": "HTTPRoute"}]});
    check(
        &mut world,
        json!([kinds]),
        &["web 0 HTTPRoute: -ResolvedRefs (InvalidRouteKinds): routes of kind gateway.networking.k8s.io/TCPRoute, \
         x.y/HTTPRoute are not supported"],
    );
    assert!(world.told_gateway("g").is_some());
    kinds["allowedRoutes"] = json!({"kinds": [{"kind": "TCPRoute"}]});
    let why = "routes of kind gateway.networking.k8s.io/TCPRoute are not supported";
    check(
        &mut world,
        json!([kinds]),
        &[&format!("web 0: -Programmed (Invalid): {why}; -ResolvedRefs (InvalidRouteKinds): {why}")],
    );
    let conflict = |other: &str, spoken: &str| {
        let why = format!("listener \"{other}\" speaks {spoken} on port 8443");
        format!(
            "-Accepted (ProtocolConflict): {why}; Conflicted (ProtocolConflict): {why}; -Programmed (Invalid): {why}"
        )
    };
    world.create(secret("n", "s"));
    let tls = json!({"name": "b", "port": 8443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "s"}]}});
    check(
        &mut world,
        json!([http("a", 8443), tls, http("c", 80)]),
        &[
            &format!("a 0 HTTPRoute,GRPCRoute: {}", conflict("b", "HTTPS")),
            &format!("b 0 HTTPRoute,GRPCRoute: {}", conflict("a", "HTTP")),
            "c 0 HTTPRoute,GRPCRoute",
        ],
    );
    assert_eq!(world.told_gateway("g").unwrap().listeners.len(), 1);
}

#[test]
fn ports_of_nodes_belong_to_one() {
    let mut world = World::new();
    world.create(gateway("old", json!([http("web", 8080)])));
    let mut host = http("host", 8080);
    host["hostname"] = "a.b".into();
    world.create(gateway("young", json!([http("web", 8080), host])));
    let why = "every host at port 8080 of the nodes belongs to Gateway n/old, which is older";
    assert_eq!(
        world.gateway("young")[3..],
        [
            format!("web 0 HTTPRoute,GRPCRoute: -Accepted (PortUnavailable): {why}; -Programmed (Invalid): {why}"),
            "host 0 HTTPRoute,GRPCRoute".to_owned(),
        ]
    );
    world.check_whole("two");
    world.remove(GATEWAY, "old");
    assert_eq!(world.gateway("young")[3], "web 0 HTTPRoute,GRPCRoute");
    let mut balanced = service("n", "lb");
    balanced["spec"]["type"] = "LoadBalancer".into();
    balanced["spec"]["ports"] = json!([{"port": 8080, "nodePort": 30001}]);
    world.create(balanced);
    assert!(world.gateway("young").iter().any(|line| line.contains("port 8080 of the nodes belongs to Service n/lb")));
    world.check_whole("a balancer");
    world.remove(masthead_api::kind::registry::SERVICE, "lb");
    assert_eq!(world.gateway("young")[3], "web 0 HTTPRoute,GRPCRoute");
    // Of another controller: not ours to judge, and nothing of it is told.
    let mut other = gateway("other", json!([http("web", 8080)]));
    other["spec"]["gatewayClassName"] = "foreign".into();
    world.create(object("GatewayClass", "", "foreign", json!({"controllerName": "x.y/z"})));
    world.create(other);
    assert_eq!(world.gateway("other")[0], "?Accepted (Pending): Waiting for controller");
    assert!(world.told_gateway("other").is_none());
    world.check_whole("end");
}

#[test]
fn certificates_are_found_and_allowed() {
    let mut world = World::new();
    let listener =
        |to: Value| json!([{"name": "t", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [to]}}]);
    let say = |world: &World| {
        let line = world.gateway("g").pop().unwrap();
        line.split_once("-ResolvedRefs ").map(|(_, said)| said.to_owned()).unwrap_or(line)
    };
    let served = "t 0 HTTPRoute,GRPCRoute";
    world.create(gateway("g", listener(json!({"name": "s"}))));
    assert_eq!(say(&world), "(InvalidCertificateRef): Secret n/s does not exist");
    world.create(secret("n", "s"));
    assert_eq!(say(&world), served);
    assert_eq!(world.told_gateway("g").unwrap().listeners[0].certificates[0].name, "s");
    assert_eq!(resolve::certificates(&world.cluster).len(), 1);
    let mut bad = secret("n", "s");
    bad["stringData"]["tls.crt"] = "hello".into();
    world.create(bad);
    assert_eq!(say(&world), "(InvalidCertificateRef): Secret n/s has no certificate in tls.crt");
    world.create(gateway("g", listener(json!({"name": "s", "kind": "ConfigMap"}))));
    assert_eq!(
        say(&world),
        "(InvalidCertificateRef): a certificate of kind \"ConfigMap\" is not supported, only Secrets are"
    );
    world.create(secret("certs", "s"));
    world.create(gateway("g", listener(json!({"name": "s", "namespace": "certs"}))));
    assert_eq!(say(&world), "(RefNotPermitted): Secret certs/s: no ReferenceGrant of its namespace allows it");
    world.create(grant("certs", "HTTPRoute", "n", "Secret"));
    assert!(say(&world).starts_with("(RefNotPermitted)"), "a grant for others is none");
    world.create(grant("certs", "Gateway", "n", "Secret"));
    assert_eq!(say(&world), served);
    world.check_whole("granted");
    let key = ObjectKey::new(masthead_api::kind::registry::REFERENCE_GRANT, "certs", "for-gateway");
    world.gone(key);
    assert!(say(&world).starts_with("(RefNotPermitted)"));
    assert!(world.told_gateway("g").is_none() && resolve::certificates(&world.cluster).is_empty());
    world.create(gateway("g", json!([{"name": "t", "port": 443, "protocol": "HTTPS"}])));
    assert_eq!(say(&world), "(InvalidCertificateRef): it names no certificate");
    world.check_whole("end");
}

#[test]
fn routes_find_listeners_or_say_why_not() {
    let mut world = World::new();
    world.create(service("n", "web"));
    let mut listeners = vec![http("every", 80), http("one", 80), http("wild", 8080), http("other", 81)];
    listeners[1]["hostname"] = "a.b".into();
    listeners[2]["hostname"] = "*.b".into();
    listeners[3]["allowedRoutes"] =
        json!({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "x"}}}});
    world.create(gateway("g", json!(listeners)));
    let check = |world: &mut World, parent: Value, hosts: Value, expect: &str, attached: &[&str]| {
        let mut value = route("HTTPRoute", "r", "g", hosts, backend("web"));
        value["spec"]["parentRefs"] = json!([parent]);
        world.create(value);
        assert_eq!(world.route(HTTP_ROUTE, "r"), [expect]);
        assert_eq!(world.attached(HTTP_ROUTE, "r"), attached);
        world.check_whole(expect);
    };
    let fine = "Accepted; ResolvedRefs";
    let g = json!({"name": "g"});
    check(&mut world, g.clone(), json!([]), &format!("g: {fine}"), &["g/every ", "g/one a.b", "g/wild *.b"]);
    check(
        &mut world,
        g.clone(),
        json!(["a.b", "c"]),
        &format!("g: {fine}"),
        &["g/every a.b,c", "g/one a.b", "g/wild a.b"],
    );
    let section = |name: &str| json!({"name": "g", "sectionName": name});
    check(&mut world, section("wild"), json!(["x.y.b", "*.c"]), &format!("g/wild: {fine}"), &["g/wild x.y.b"]);
    check(&mut world, json!({"name": "g", "port": 8080}), json!([]), &format!("g: {fine}"), &["g/wild *.b"]);
    let no = |reason: &str, why: &str| format!("-Accepted ({reason}): {why}; ResolvedRefs");
    let name = "Gateway n/g";
    let why = format!("no listener of {name} has any of its hostnames");
    check(&mut world, section("one"), json!(["c"]), &format!("g/one: {}", no("NoMatchingListenerHostname", &why)), &[]);
    let why = format!("{name} has no listener \"none\"");
    check(&mut world, section("none"), json!([]), &format!("g/none: {}", no("NoMatchingParent", &why)), &[]);
    let why = format!("{name} has no listener \"one\" with port 81");
    let both = json!({"name": "g", "sectionName": "one", "port": 81});
    check(&mut world, both, json!([]), &format!("g/one: {}", no("NoMatchingParent", &why)), &[]);
    let why = format!("no listener of {name} takes a HTTPRoute of namespace n");
    check(&mut world, section("other"), json!([]), &format!("g/other: {}", no("NotAllowedByListeners", &why)), &[]);
    world.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "labels": {"team": "x"}}}));
    assert_eq!(world.attached(HTTP_ROUTE, "r"), ["g/other "]);
    assert_eq!(world.gateway("g").last().unwrap(), "other 1 HTTPRoute,GRPCRoute");
    world.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "labels": {"team": "y"}}}));
    assert_eq!(world.attached(HTTP_ROUTE, "r"), [""; 0]);
    world.check_whole("labels");
    // What another controller says stays.
    let mut value = world.value(HTTP_ROUTE, "r");
    let theirs = json!({"parentRef": {"name": "x"}, "controllerName": "x.y/z", "conditions": []});
    value["status"]["parents"].as_array_mut().unwrap().push(theirs);
    world.put(value);
    world.create(gateway("g", json!([http("every", 80)])));
    let parents = world.value(HTTP_ROUTE, "r")["status"]["parents"].clone();
    assert_eq!(parents.as_array().unwrap().len(), 2);
    assert_eq!(parents[1]["controllerName"], "x.y/z");
}

#[test]
fn references_that_lead_nowhere_are_told() {
    let mut world = World::new();
    world.create(gateway("g", json!([http("web", 80)])));
    let check = |world: &mut World, backend: Value, expect: &str| {
        world.create(route("HTTPRoute", "r", "g", json!([]), json!([{"backendRefs": [backend]}])));
        let said = world.route(HTTP_ROUTE, "r");
        let expect = if expect.is_empty() {
            "g: Accepted; ResolvedRefs".to_owned()
        } else {
            format!("g: Accepted; -ResolvedRefs {expect}")
        };
        assert_eq!(said, std::slice::from_ref(&expect));
        let told = world.told_route(HTTP_ROUTE, "r").unwrap();
        let fault = told.rules[0].backends[0].fault.clone().unwrap_or_default();
        assert!(expect.ends_with(&fault), "{expect} {fault}");
        world.check_whole(&expect);
    };
    let web = json!({"name": "web", "port": 80});
    check(&mut world, web.clone(), "(BackendNotFound): Service n/web does not exist");
    world.create(service("n", "web"));
    check(&mut world, web.clone(), "");
    check(&mut world, json!({"name": "web", "port": 81}), "(BackendNotFound): Service n/web has no port 81");
    check(
        &mut world,
        json!({"name": "web", "kind": "Bucket", "group": "x.y"}),
        "(InvalidKind): a backend of kind x.y/Bucket is not supported, only services are",
    );
    let there = json!({"name": "web", "namespace": "m", "port": 80});
    world.create(service("m", "web"));
    check(&mut world, there.clone(), "(RefNotPermitted): Service m/web: no ReferenceGrant of its namespace allows it");
    world.create(grant("m", "HTTPRoute", "n", "Service"));
    check(&mut world, there, "");
    let mut tls = service("n", "tls");
    tls["spec"]["ports"][0]["appProtocol"] = "https".into();
    world.create(tls);
    check(
        &mut world,
        json!({"name": "tls", "port": 80}),
        "(UnsupportedProtocol): port 80 of Service n/tls speaks https: TLS is not supported to pods",
    );
    let mut named = service("n", "out");
    named["spec"] = json!({"type": "ExternalName", "externalName": "x.y"});
    world.create(named);
    check(
        &mut world,
        json!({"name": "out", "port": 80}),
        "(InvalidKind): Service n/out is an ExternalName, which is not supported behind a gateway",
    );
}

#[test]
fn what_can_t_be_done_answers_500_and_is_told() {
    let mut world = World::new();
    world.create(gateway("g", json!([http("web", 80)])));
    world.create(service("n", "web"));
    let extension = json!({"type": "ExtensionRef", "extensionRef": {"group": "x.y", "kind": "Auth", "name": "a"}});
    let bad = json!({"matches": [{"path": {"value": "/admin"}}], "filters": [extension], "backendRefs": [{"name": "web", "port": 80}]});
    let good = json!({"backendRefs": [{"name": "web", "port": 80}]});
    world.create(route("HTTPRoute", "r", "g", json!([]), json!([good, bad])));
    let why = "filters of other groups are not supported: Auth \"a\" of group \"x.y\"";
    assert_eq!(
        world.route(HTTP_ROUTE, "r"),
        [format!(
            "g: Accepted; PartiallyInvalid (UnsupportedValue): Dropped Rule(s), their requests are answered by 500: spec.rules[1]: \
         {why}; ResolvedRefs"
        )]
    );
    let told = world.told_route(HTTP_ROUTE, "r").unwrap();
    assert_eq!(told.rules[1].matches[0].path, PathMatch::Prefix("/admin".into()));
    assert_eq!(told.rules[1].backends[0].fault.as_deref(), Some(why));
    world.create(route("HTTPRoute", "r", "g", json!([]), json!([bad])));
    assert_eq!(world.route(HTTP_ROUTE, "r"), [format!("g: -Accepted (UnsupportedValue): {why}; ResolvedRefs")]);
    assert_eq!(world.gateway("g")[3], "web 0 HTTPRoute,GRPCRoute");
    let expression = json!([{"matches": [{"path": {"type": "RegularExpression", "value": "("}}]}, good]);
    world.create(route("HTTPRoute", "r", "g", json!([]), expression));
    assert!(
        world.route(HTTP_ROUTE, "r")[0].contains("spec.rules[0]: the expression \"(\" can't be used: unclosed group")
    );
    let host =
        json!({"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "Host", "value": "x"}]}});
    world.create(route("HTTPRoute", "r", "g", json!([]), json!([{"filters": [host]}])));
    assert!(world.route(HTTP_ROUTE, "r")[0].contains("the header Host can't be changed by a filter"));
    let times = json!([{"timeouts": {"request": "0s", "backendRequest": "2s"}}, {}]);
    world.create(route("HTTPRoute", "r", "g", json!([]), times));
    let told = world.told_route(HTTP_ROUTE, "r").unwrap();
    let times: Vec<_> = told.rules.iter().map(|rule| (rule.request_ms, rule.backend_request_ms)).collect();
    assert_eq!(times, [(31_536_000_000, 2000), (0, 0)], "0s is for ever, nothing is as the node has it");
    let mut asks = gateway("g", json!([http("web", 80)]));
    asks["spec"]["addresses"] = json!([{"value": "203.0.113.1"}]);
    world.create(asks);
    let why = "IPAddress 203.0.113.1: a gateway has the addresses of all nodes, others can't be chosen";
    assert_eq!(
        world.gateway("g")[..2],
        [format!("-Accepted (UnsupportedAddress): {why}"), format!("-Programmed (Invalid): {why}")]
    );
    assert!(world.told_gateway("g").is_none());
    world.check_whole("end");
}

#[test]
fn of_http_and_grpc_at_one_host_the_older_counts() {
    let mut world = World::new();
    world.create(gateway("g", json!([http("web", 80)])));
    world.create(service("n", "web"));
    world.create(route("GRPCRoute", "calls", "g", json!(["*.b"]), backend("web")));
    world.create(route("HTTPRoute", "pages", "g", json!(["a.b"]), backend("web")));
    world.create(route("HTTPRoute", "more", "g", json!(["c"]), backend("web")));
    let why = "GRPCRoute n/calls, which is older, has one of its hostnames";
    assert_eq!(world.route(HTTP_ROUTE, "pages"), [format!("g: -Accepted (HostnameConflict): {why}; ResolvedRefs")]);
    assert_eq!(world.route(GRPC_ROUTE, "calls"), ["g: Accepted; ResolvedRefs"]);
    assert_eq!(world.attached(HTTP_ROUTE, "more"), ["g/web c"]);
    assert_eq!(world.gateway("g")[3], "web 2 HTTPRoute,GRPCRoute");
    world.check_whole("both");
    world.remove(GRPC_ROUTE, "calls");
    assert_eq!(world.attached(HTTP_ROUTE, "pages"), ["g/web a.b"]);
    world.check_whole("one");
}

#[test]
fn matches_have_ranks_and_one_form() {
    let mut world = World::new();
    world.create(gateway("g", json!([http("web", 80)])));
    world.create(service("n", "web"));
    let of = |value: Value, kind: Kind, world: &mut World| {
        world.create(value);
        let told = world.told_route(kind, "r").unwrap();
        told.rules.into_iter().flat_map(|rule| rule.matches).map(|m| (m.path, m.rank)).collect::<Vec<_>>()
    };
    let matches = json!([{"matches": [{"path": {"type": "Exact", "value": "/a"}, "method": "GET"},
        {"path": {"value": "/abc/"}, "headers": [{"name": "A", "value": "1"}, {"name": "a", "value": "2"}]},
        {"path": {"type": "RegularExpression", "value": "/x.*"}, "queryParams": [{"name": "q", "value": "1"}]}]}]);
    assert_eq!(
        of(route("HTTPRoute", "r", "g", json!([]), matches), HTTP_ROUTE, &mut world),
        [
            (PathMatch::Exact("/a".into()), vec![2, 2, 1, 0, 0]),
            (PathMatch::Prefix("/abc".into()), vec![0, 4, 0, 1, 0]),
            (PathMatch::Regex("/x.*".into()), vec![1, 4, 0, 0, 1]),
        ]
    );
    world.remove(HTTP_ROUTE, "r");
    let methods = [
        json!({"service": "a.B", "method": "C"}),
        json!({"service": "a.B"}),
        json!({"method": "C"}),
        json!({"type": "RegularExpression", "service": "a\\..*"}),
    ];
    let mut matches: Vec<Value> = methods.iter().map(|method| json!({"method": method})).collect();
    matches.push(json!({"headers": [{"name": "X", "value": "1"}]}));
    let rules = json!([{"matches": matches}, {}]);
    assert_eq!(
        of(route("GRPCRoute", "r", "g", json!([]), rules), GRPC_ROUTE, &mut world),
        [
            (PathMatch::Exact("/a.B/C".into()), vec![3, 1, 0]),
            (PathMatch::Prefix("/a.B".into()), vec![3, 0, 0]),
            (PathMatch::Regex("/[^/]+/C".into()), vec![0, 1, 0]),
            (PathMatch::Regex("/(?:a\\..*)/[^/]+".into()), vec![5, 0, 0]),
            (PathMatch::Prefix(String::new()), vec![0, 0, 1]),
            (PathMatch::Prefix(String::new()), vec![0, 0, 0]),
        ]
    );
}
