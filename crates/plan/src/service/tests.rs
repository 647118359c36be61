//! Services, pods and nodes, played in rounds until nothing is left to do.

use std::collections::BTreeSet;
use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::core::endpoints::Endpoints;
use masthead_api::core::service::Service;
use masthead_api::discovery::endpoint_slice::{Endpoint, EndpointSlice};
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::{ENDPOINTS, INGRESS, POD, SERVICE};
use masthead_api::kind::{Kind, Resource};
use masthead_api::networking::ingress::Ingress;
use masthead_api::object::Object;
use serde_json::{Value, json};

use crate::cluster::event::Event;
use crate::cluster::view::Cluster;
use crate::context::Context;
use crate::desired::{Desired, Wanted};
use crate::origin::Origin;
use crate::round::{self, Round, Task};

/// Rounds until the controllers must have come to rest.
const ROUNDS_MAX: usize = 50;

struct World {
    cluster: Cluster,
    cx: Context,
    tasks: BTreeSet<Task>,
    told: Vec<String>,
    writes: usize,
}

impl World {
    fn new() -> World {
        let mut world = World {
            cluster: Cluster::default(),
            cx: Context::new(1_800_000_000, 1),
            tasks: BTreeSet::from([Task::System]),
            told: Vec::new(),
            writes: 0,
        };
        world.settle();
        world
    }

    fn event(&mut self, event: Event) {
        if let Some(changed) = self.cluster.apply(event) {
            self.tasks.extend(round::tasks(&self.cluster, &changed));
        }
    }

    fn put(&mut self, value: Value) {
        let object = Object::from_value(value).unwrap().at(self.cluster.revision() + 1);
        self.event(Event::Put(Arc::new(object)));
        self.settle();
    }

    /// As a user writes it.
    fn create(&mut self, value: Value) {
        let mut value = masthead_api::admit::create(value, "n").unwrap();
        value["metadata"]["uid"] = self.cx.ids.uid().into();
        value["metadata"]["creationTimestamp"] = json!(self.cx.now);
        self.put(value);
    }

    fn edit(&mut self, key: &ObjectKey, edit: impl FnOnce(&mut Value)) {
        let mut value = self.cluster.get(key).unwrap().value();
        edit(&mut value);
        self.put(value);
    }

    fn remove(&mut self, key: &ObjectKey) {
        let revision = self.cluster.revision() + 1;
        self.event(Event::Gone(key.clone(), revision));
        self.settle();
    }

    /// Rounds until nothing is left to do; what nobody waits for, as schedules, is not played.
    fn settle(&mut self) {
        self.writes = 0;
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
            self.writes += round.changes.len();
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

    fn pod(&mut self, name: &str, node: &str, labels: Value, ip: &str, ready: bool) {
        self.put(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "n", "uid": format!("u-{name}"), "labels": labels},
            "spec": {"nodeName": node, "containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]}]},
            "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}],
                "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}}));
    }

    fn node(&mut self, name: &str, ip: &str, ready: &str, zone: &str) {
        self.put(json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "uid": name, "labels": {"topology.kubernetes.io/zone": zone}},
            "status": {"addresses": [{"type": "InternalIP", "address": ip}], "conditions": [{"type": "Ready", "status": ready}]}}));
    }

    fn slices(&self, service: &str) -> Vec<Arc<EndpointSlice>> {
        let all = self.cluster.list::<EndpointSlice>("n");
        all.filter(|s| s.metadata.labels.get("kubernetes.io/service-name").is_some_and(|name| name == service))
            .collect()
    }

    /// Address, ready, serving and terminating of each endpoint, in order.
    fn endpoints(&self, service: &str) -> Vec<String> {
        let flag = |on: Option<bool>| on.map_or('?', |on| if on { '+' } else { '-' });
        let text = |e: &Endpoint| {
            let c = &e.conditions;
            format!("{} {}{}{}", e.addresses[0], flag(c.ready), flag(c.serving), flag(c.terminating))
        };
        let mut all: Vec<String> = self.slices(service).iter().flat_map(|s| s.endpoints.iter().map(text)).collect();
        all.sort();
        all
    }

    fn service(&self, name: &str) -> Arc<Service> {
        self.cluster.typed(&key(SERVICE, name)).unwrap()
    }

    fn balancer(&self, name: &str) -> Vec<String> {
        self.service(name).status.load_balancer.ingress.iter().map(|i| i.ip.clone()).collect()
    }
}

fn key(kind: Kind, name: &str) -> ObjectKey {
    ObjectKey::new(kind, "n", name)
}

fn service(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "n"}, "spec": spec})
}

fn web(port: Value) -> Value {
    service("web", json!({"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": port}]}))
}

#[test]
fn every_cluster_has_its_own_services() {
    let mut world = World::new();
    let of = |world: &World, namespace: &str, name: &str| {
        world.cluster.typed::<Service>(&ObjectKey::new(SERVICE, namespace, name)).unwrap().spec.cluster_ip.clone()
    };
    assert_eq!(of(&world, "default", "kubernetes"), "10.96.0.1");
    assert_eq!(of(&world, "kube-system", "kube-dns"), "10.96.0.10");
    world.remove(&ObjectKey::new(SERVICE, "kube-system", "kube-dns"));
    assert_eq!(of(&world, "kube-system", "kube-dns"), "10.96.0.10", "it is made anew");
}

#[test]
fn a_pod_is_an_endpoint_from_its_address_to_its_end() {
    let mut world = World::new();
    world.create(web(json!("http")));
    assert!(world.endpoints("web").is_empty());
    assert_eq!(world.slices("web").len(), 1, "a placeholder");
    assert!(!world.service("web").spec.cluster_ip.is_empty());
    world.pod("a", "n1", json!({"app": "web"}), "10.88.0.1", false);
    assert_eq!(world.endpoints("web"), ["10.88.0.1 ---"]);
    world.pod("a", "n1", json!({"app": "web"}), "10.88.0.1", true);
    assert_eq!(world.endpoints("web"), ["10.88.0.1 ++-"]);
    assert_eq!(world.writes, 2, "one slice and one Endpoints");
    let slice = world.slices("web")[0].clone();
    assert_eq!(slice.ports[0].port, Some(8080), "the named port of the pod");
    assert_eq!(slice.endpoints[0].node_name.as_deref(), Some("n1"));
    // Its status changes without a difference to clients.
    world.edit(&key(POD, "a"), |pod| pod["status"]["startTime"] = json!("2026-01-01T00:00:00Z"));
    assert_eq!(world.writes, 0);
    let deleted = |pod: &mut Value| pod["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
    world.edit(&key(POD, "a"), deleted);
    assert_eq!(world.endpoints("web"), ["10.88.0.1 -++"], "it drains");
    let old: Arc<Endpoints> = world.cluster.typed(&key(ENDPOINTS, "web")).unwrap();
    assert!(old.subsets.is_empty(), "older clients do not see it any more");
    world.remove(&key(POD, "a"));
    assert!(world.endpoints("web").is_empty());
    world.remove(&key(SERVICE, "web"));
    assert!(world.slices("web").is_empty() && world.cluster.get(&key(ENDPOINTS, "web")).is_none());
}

#[test]
fn what_a_service_asks_for_is_in_its_slices() {
    let mut world = World::new();
    world.node("n1", "192.0.2.1", "True", "east");
    world.pod("a", "n1", json!({"app": "web"}), "10.88.0.1", true);
    world.pod("b", "n1", json!({"app": "web"}), "10.88.0.2", false);
    let mut spec = web(json!(8080));
    spec["spec"]["publishNotReadyAddresses"] = json!(true);
    spec["spec"]["trafficDistribution"] = json!("PreferClose");
    world.create(spec);
    assert_eq!(world.endpoints("web"), ["10.88.0.1 ++-", "10.88.0.2 +--"]);
    let zones = |world: &World| -> Vec<Option<String>> {
        let endpoints = world.slices("web").iter().flat_map(|s| s.endpoints.clone()).collect::<Vec<_>>();
        endpoints.iter().map(|e| e.hints.as_ref().map(|h| h.for_zones[0].name.clone())).collect()
    };
    assert_eq!(zones(&world), [Some("east".to_owned()), Some("east".to_owned())]);
    world.node("n1", "192.0.2.1", "True", "west");
    assert_eq!(zones(&world)[0], Some("west".to_owned()), "the node moved");
    // Headless, with names of pods.
    world.create(service("db", json!({"clusterIP": "None", "selector": {"app": "db"}})));
    world.put(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "db-0", "namespace": "n", "uid": "db-0",
        "labels": {"app": "db"}}, "spec": {"hostname": "db-0", "subdomain": "db", "containers": [{"name": "c"}]},
        "status": {"phase": "Running", "podIP": "10.88.0.3", "conditions": [{"type": "Ready", "status": "True"}]}}));
    let slice = world.slices("db")[0].clone();
    assert_eq!(slice.endpoints[0].hostname.as_deref(), Some("db-0"));
    assert!(slice.ports.is_empty() && slice.metadata.labels.contains_key("service.kubernetes.io/headless"));
    // A selector that no longer fits, and an ended pod.
    world.edit(&key(POD, "a"), |pod| pod["metadata"]["labels"] = json!({"app": "other"}));
    world.edit(&key(POD, "b"), |pod| pod["status"]["phase"] = json!("Failed"));
    assert!(world.endpoints("web").is_empty());
}

/// A name is the number that each pod has for it; what Kubernetes 1.36 writes of the same pods.
#[test]
fn ports_by_name_are_those_of_each_pod() {
    let mut world = World::new();
    let port = |name: &str, number: i32, protocol: &str| json!([{"name": name, "containerPort": number, "protocol": protocol}]);
    let plain = |ports: Value| json!({"containers": [{"name": "c", "ports": ports}]});
    let first = |policy: Value, number: i32| {
        let init = json!({"name": "i", "restartPolicy": policy, "ports": port("web", number, "TCP")});
        json!({"containers": [{"name": "c"}], "initContainers": [init]})
    };
    for (at, spec) in [
        plain(port("web", 8080, "TCP")),
        plain(port("web", 9090, "TCP")),
        plain(port("other", 1, "TCP")),
        first(json!("Always"), 7070),
        first(Value::Null, 7071),
        plain(port("web", 6060, "UDP")),
        plain(port("web", 8080, "TCP")),
    ]
    .into_iter()
    .enumerate()
    {
        let (name, ip) = (format!("p{at}"), format!("10.88.0.{}", at + 1));
        world.put(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "n", "uid": name, "labels": {"app": "web"}}, "spec": spec,
            "status": {"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]}}));
    }
    let shown = |world: &World, service: &str| -> Vec<String> {
        let one = |slice: &Arc<EndpointSlice>| {
            let ports =
                slice.ports.iter().map(|p| format!("{}:{}", p.name.as_deref().unwrap_or("?"), p.port.unwrap_or(0)));
            let mut ports: Vec<String> = ports.collect();
            ports.sort();
            let mut ends: Vec<&str> =
                slice.endpoints.iter().filter_map(|e| e.addresses[0].rsplit('.').next()).collect();
            ends.sort_unstable();
            format!("{} {}", ports.join(","), ends.join(","))
        };
        let mut all: Vec<String> = world.slices(service).iter().map(one).collect();
        all.sort();
        all
    };
    let named = json!({"name": "http", "port": 80, "targetPort": "web"});
    let dns = json!({"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53});
    world.create(service("two", json!({"selector": {"app": "web"}, "ports": [named, dns]})));
    assert_eq!(
        shown(&world, "two"),
        ["dns:53 3,5,6", "dns:53,http:7070 4", "dns:53,http:8080 1,7", "dns:53,http:9090 2"]
    );
    world.create(service("one", json!({"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "web"}]})));
    assert_eq!(shown(&world, "one"), [" 3,5,6", ":7070 4", ":8080 1,7", ":9090 2"]);
    // What users wrote keeps its parts: an address may be in several of them, a part may have no ports.
    world.create(json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "old", "namespace": "n"}, "subsets": [
        {"addresses": [{"ip": "10.9.9.1"}], "ports": [{"name": "a", "port": 9090}]},
        {"addresses": [{"ip": "10.9.9.1"}], "notReadyAddresses": [{"ip": "10.9.9.2"}], "ports": [{"name": "b", "port": 10090, "protocol": "UDP"}]},
        {"addresses": [{"ip": "10.9.9.3"}]}]}));
    world.create(service("old", json!({"ports": [{"name": "a", "port": 80}]})));
    assert_eq!(shown(&world, "old"), [" 3", "a:9090 1", "b:10090 1,2"]);
}

#[test]
fn endpoints_that_users_wrote_become_slices() {
    let mut world = World::new();
    let endpoints = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "old", "namespace": "n"},
        "subsets": [{"addresses": [{"ip": "192.0.2.7"}, {"ip": "2001:db8::7"}], "notReadyAddresses": [{"ip": "192.0.2.8"}],
            "ports": [{"port": 80}]}]});
    world.create(endpoints);
    assert!(world.slices("old").is_empty(), "there is no service");
    world.create(service("old", json!({"ports": [{"port": 80}]})));
    assert_eq!(world.endpoints("old"), ["192.0.2.7 +??", "192.0.2.8 -??", "2001:db8::7 +??"]);
    let types: BTreeSet<String> = world.slices("old").iter().map(|s| s.address_type.clone()).collect();
    assert_eq!(types, BTreeSet::from(["IPv4".to_owned(), "IPv6".to_owned()]));
    world.edit(&key(ENDPOINTS, "old"), |e| e["subsets"][0]["addresses"] = json!([{"ip": "192.0.2.9"}]));
    assert_eq!(world.endpoints("old"), ["192.0.2.8 -??", "192.0.2.9 +??"]);
    world.edit(&key(ENDPOINTS, "old"), |e| {
        e["metadata"]["labels"] = json!({"endpointslice.kubernetes.io/skip-mirror": "true"})
    });
    assert!(world.slices("old").is_empty());
}

#[test]
fn balancers_are_the_nodes() {
    let mut world = World::new();
    world.node("n1", "192.0.2.1", "True", "z");
    world.node("n2", "192.0.2.2", "True", "z");
    let lb = |name: &str, port: i32, policy: &str| {
        service(
            name,
            json!({"type": "LoadBalancer", "selector": {"app": "web"}, "externalTrafficPolicy": policy,
            "ports": [{"port": port}]}),
        )
    };
    world.create(lb("all", 80, "Cluster"));
    assert_eq!(world.balancer("all"), ["192.0.2.1", "192.0.2.2"]);
    world.cx.now.0 += 1;
    world.create(lb("same", 80, "Cluster"));
    assert!(world.balancer("same").is_empty());
    assert!(
        world.told.iter().any(|t| t.starts_with("same PortAlreadyTaken") && t.contains("Service n/all")),
        "{:?}",
        world.told
    );
    world.create(lb("local", 81, "Local"));
    assert!(world.balancer("local").is_empty() && world.service("local").spec.health_check_node_port > 0);
    world.pod("a", "n2", json!({"app": "web"}), "10.88.0.1", true);
    assert_eq!(world.balancer("local"), ["192.0.2.2"], "the node with a ready pod");
    world.node("n2", "192.0.2.2", "Unknown", "z");
    assert_eq!(world.balancer("all"), ["192.0.2.1"]);
    world.remove(&key(SERVICE, "all"));
    assert_eq!(world.balancer("same"), ["192.0.2.1"], "the port is free again");
    world.edit(&key(SERVICE, "same"), |s| s["spec"]["type"] = json!("ClusterIP"));
    assert!(world.balancer("same").is_empty());
}

#[test]
fn an_ingress_has_the_addresses_of_the_nodes_and_tells_what_is_missing() {
    let mut world = World::new();
    world.node("n1", "192.0.2.1", "True", "z");
    let ingress = |name: &str, class: Option<&str>| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name, "namespace": "n"},
            "spec": {"ingressClassName": class, "tls": [{"hosts": ["a.b"], "secretName": "cert"}], "rules": [{"host": "a.b",
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}})
    };
    let addresses = |world: &World, name: &str| -> Vec<String> {
        let ingress: Arc<Ingress> = world.cluster.typed(&key(INGRESS, name)).unwrap();
        ingress.status.load_balancer.ingress.iter().map(|i| i.ip.clone()).collect()
    };
    world.create(ingress("one", None));
    assert_eq!(addresses(&world, "one"), ["192.0.2.1"], "the default class is Masthead's");
    let told = |world: &mut World| {
        let mut told = std::mem::take(&mut world.told);
        told.retain(|text| text.contains("NotFound") || text.contains("Conflict") || text.contains("NoIngress"));
        // Rounds on the way may tell the same twice: no events are kept here that would show it was told.
        told.sort();
        told.dedup();
        told
    };
    assert_eq!(
        told(&mut world),
        [
            "one SecretNotFound: there is no Secret \"cert\": its hosts get the certificate of last resort",
            "one ServiceNotFound: there is no Service \"web\""
        ]
    );
    world.cx.now.0 += 1;
    world.create(ingress("two", Some("masthead")));
    assert!(told(&mut world).contains(
        &"two RouteConflict: path \"/\" (Prefix) of a.b is answered by Ingress n/one, which is older".to_owned()
    ));
    world.create(ingress("three", Some("nginx")));
    let mut of_three = told(&mut world);
    of_three.retain(|text| text.starts_with("three"));
    assert_eq!(of_three, ["three NoIngressClass: nobody serves it: there is no IngressClass \"nginx\""]);
    assert!(addresses(&world, "three").is_empty());
    world.put(json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "nginx"},
        "spec": {"controller": "k8s.io/ingress-nginx"}}));
    assert!(told(&mut world).iter().all(|text| !text.starts_with("three")), "another controller's");
}

#[test]
fn a_balancer_and_ingresses_that_want_one_port_are_told() {
    let mut world = World::new();
    world.node("n1", "192.0.2.1", "True", "z");
    let told = |world: &mut World| {
        let mut told: Vec<String> = std::mem::take(&mut world.told);
        told.retain(|text| text.contains("PortConflict"));
        told.sort();
        told.dedup();
        told
    };
    let lb = |name: &str, port: i32| {
        service(name, json!({"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": port}]}))
    };
    let ingress = |name: &str, class: &str| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name, "namespace": "n"},
            "spec": {"ingressClassName": class, "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}})
    };
    world.create(lb("web", 80));
    world.create(lb("other", 8080));
    world.create(ingress("elsewhere", "nginx"));
    assert!(told(&mut world).is_empty(), "nothing is served at that port");
    world.create(ingress("site", "masthead"));
    assert_eq!(
        told(&mut world),
        [
            "site PortConflict: port 80/TCP of the nodes leads to Service n/web, and to ingresses no more",
            "web PortConflict: port 80/TCP of the nodes leads here, and to the cluster's ingresses no more",
        ]
    );
    world.remove(&key(SERVICE, "web"));
    world.told.clear();
    world.create(lb("late", 443));
    assert_eq!(told(&mut world).len(), 2, "whichever comes last");
}

#[test]
fn hints_follow_the_distribution_that_is_asked_for() {
    let mut world = World::new();
    world.node("n1", "192.0.2.1", "True", "east");
    world.node("n2", "192.0.2.2", "True", "");
    world.pod("a", "n1", json!({"app": "web"}), "10.88.0.1", true);
    world.pod("b", "n2", json!({"app": "web"}), "10.88.0.2", true);
    world.pod("c", "n1", json!({"app": "web"}), "10.88.0.3", false);
    world.create(web(json!(8080)));
    let mut check = |distribution: &str, expect: [&str; 3]| {
        world.edit(&key(SERVICE, "web"), |service| {
            service["spec"]["trafficDistribution"] =
                if distribution.is_empty() { Value::Null } else { json!(distribution) };
        });
        let mut found: Vec<(String, String)> = Vec::new();
        for endpoint in world.slices("web").iter().flat_map(|slice| slice.endpoints.clone()) {
            let hints = endpoint.hints.unwrap_or_default();
            let zones = hints.for_zones.iter().map(|zone| format!("zone {}", zone.name));
            let nodes = hints.for_nodes.iter().map(|node| format!("node {}", node.name));
            found.push((endpoint.addresses[0].clone(), zones.chain(nodes).collect::<Vec<_>>().join(", ")));
        }
        found.sort();
        let found: Vec<&str> = found.iter().map(|(_, hints)| hints.as_str()).collect();
        assert_eq!(found, expect, "{distribution}");
    };
    check("", ["", "", ""]);
    for zone in ["PreferClose", "PreferSameZone"] {
        check(zone, ["zone east", "", ""]);
    }
    check("PreferSameNode", ["zone east, node n1", "node n2", ""]);
    check("", ["", "", ""]);
    world.told.clear();
    world.edit(&key(SERVICE, "web"), |service| {
        service["metadata"]["annotations"] = json!({"service.kubernetes.io/topology-mode": "Auto"});
    });
    assert!(world.told.iter().any(|text| text.contains("TopologyAwareHintsDisabled")), "{:?}", world.told);
}

/// Two writers came at the same moment: what git names stays, the other gets another address.
#[test]
fn clashes_are_resolved_and_told() {
    let mut world = World::new();
    let plain = |name: &str, ip: &str| service(name, json!({"clusterIP": ip, "ports": [{"port": 80}]}));
    world.create(plain("one", "10.96.0.50"));
    world.cx.now.0 += 1;
    world.create(plain("two", "10.96.0.50"));
    assert_eq!(world.service("one").spec.cluster_ip, "10.96.0.50");
    let moved = world.service("two").spec.cluster_ip.clone();
    assert!(moved != "10.96.0.50" && moved.starts_with("10.96."), "{moved}");
    world.create(plain("outside", "192.0.2.1"));
    assert!(world.service("outside").spec.cluster_ip.starts_with("10.96."));
}

/// What a push is refused for, at the line of the manifest.
#[test]
fn commits_that_clash_are_refused() {
    let mut world = World::new();
    let given = |name: &str, ip: &str, port: i32| {
        let mut value =
            service(name, json!({"type": "NodePort", "clusterIP": ip, "ports": [{"port": 80, "nodePort": port}]}));
        if ip.is_empty() {
            value["spec"].as_object_mut().unwrap().remove("clusterIP");
        }
        masthead_api::admit::create(value, "n").unwrap()
    };
    world.create(given("there", "10.96.0.50", 30_100));
    let check = |world: &World, manifests: &[Value], expect: &[&str]| {
        let mut desired = Desired::default();
        for (line, manifest) in manifests.iter().enumerate() {
            let object = Arc::new(Object::from_value(manifest.clone()).unwrap());
            let origin = Origin { path: "a.yaml".into(), line: u32::try_from(line).unwrap() + 1 };
            desired.objects.insert(object.key().clone(), Wanted { object, origin });
        }
        let problems = crate::service::check::check(&desired, &world.cluster);
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(texts, expect);
    };
    check(&world, &[given("new", "10.96.0.51", 30_101), given("there", "10.96.0.50", 30_100)], &[]);
    check(
        &world,
        &[given("new", "10.96.0.50", 30_100)],
        &[
            "a.yaml:1: Service/new: spec.clusterIPs[0]: the address 10.96.0.50 is already allocated to Service n/there",
            "a.yaml:1: Service/new: spec.ports[0].nodePort: the node port 30100 is already allocated to Service n/there",
        ],
    );
    check(&world, &[given("new", "10.96.0.50", 30_100), given("there", "10.96.0.52", 30_102)], &[]);
    check(
        &world,
        &[given("a", "", 30_200), given("b", "", 30_200)],
        &["a.yaml:2: Service/b: spec.ports[0].nodePort: the node port 30200 is asked for by Service n/a too"],
    );
    check(
        &world,
        &[given("a", "192.0.2.1", 30_200), given("b", "10.96.0.10", 30_201)],
        &[
            "a.yaml:1: Service/a: spec.clusterIPs[0]: the address 192.0.2.1 is not in the range of services, 10.96.0.0/16",
            "a.yaml:2: Service/b: spec.clusterIPs[0]: the address 10.96.0.10 is kept for the service kube-dns",
        ],
    );
    let why = "is an end of the range 10.96.0.0/16, which no service can have";
    check(
        &world,
        &[given("a", "10.96.0.0", 30_200), given("b", "10.96.255.255", 30_201), given("c", "10.96.255.254", 30_202)],
        &[
            &format!("a.yaml:1: Service/a: spec.clusterIPs[0]: the address 10.96.0.0 {why}"),
            &format!("a.yaml:2: Service/b: spec.clusterIPs[0]: the address 10.96.255.255 {why}"),
        ],
    );
}

/// The recorded scenarios of a real Kubernetes.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test that reads recorded answers from disk")]
fn recorded_scenarios_end_alike() {
    let folder = std::env::var_os("MASTHEAD_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        std::path::PathBuf::from,
    );
    let Ok(text) = std::fs::read(folder.join("corpus/api/controllers/services.json")) else {
        println!("skipped: services.json of the corpus is not there");
        return;
    };
    let cases: Vec<Value> = serde_json::from_slice(&text).unwrap();
    let mut played = 0;
    for case in &cases {
        let steps = case["steps"].as_array().unwrap();
        if steps.iter().any(|s| !["create", "wait", "settle"].contains(&s["op"].as_str().unwrap())) {
            println!("skipped: {}: needs what other controllers do", case["name"]);
            continue;
        }
        let mut world = World::new();
        for step in steps.iter().filter(|step| step["op"] == "create") {
            world.create(step["object"].clone());
        }
        for (kind, kind_name) in [(EndpointSlice::KIND, "EndpointSlice"), (SERVICE, "Service")] {
            let ours: Vec<Value> = world.cluster.in_namespace(kind, "n").map(|o| masked(o.value())).collect();
            let mut theirs: Vec<Value> = case["objects"][kind_name].as_array().cloned().unwrap_or_default();
            theirs.iter_mut().for_each(|value| *value = masked(value.take()));
            assert_eq!(json!(ours), json!(theirs), "{}", case["name"]);
        }
        played += 1;
    }
    println!("{played} scenarios agree");
}

/// What the recordings mask or leave out.
fn masked(mut value: Value) -> Value {
    let map = value.as_object_mut().unwrap();
    map.retain(|key, value| !["apiVersion", "kind"].contains(&key.as_str()) && !value.is_null());
    let meta = value["metadata"].as_object_mut().unwrap();
    for field in ["uid", "resourceVersion", "creationTimestamp", "namespace", "annotations", "generation"] {
        meta.remove(field);
    }
    if meta["name"].as_str().is_some_and(|name| name.starts_with("web-")) {
        meta.insert("name".into(), "web-<RAND>".into());
    }
    for owner in value["metadata"]["ownerReferences"].as_array_mut().into_iter().flatten() {
        owner["uid"] = "<UID>".into();
    }
    if !value["spec"]["clusterIP"].is_null() {
        value["spec"]["clusterIP"] = "<IP>".into();
        value["spec"]["clusterIPs"] = json!(["<IP>"]);
    }
    value.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    value
}
