//! Nine pods in three namespaces, and policies → who reaches whom by which port, from what nodes are told.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use masthead_api::networking::resolved::{Direction, ResolvedPolicy, ResolvedPort, ResolvedRule};
use serde_json::{Value, json};

use crate::network::cidr::Cidr;
use crate::policy::tests::World;

const NAMES: [&str; 3] = ["x", "y", "z"];
const PODS: [&str; 3] = ["a", "b", "c"];

/// A connection: who begins it, to whom, and to which port.
#[derive(Clone, Copy, Debug)]
struct Flow {
    from: (&'static str, &'static str),
    to: (&'static str, &'static str),
    protocol: &'static str,
    port: u16,
}

fn ip((namespace, pod): (&str, &str)) -> IpAddr {
    let at = |all: [&str; 3], name: &str| u8::try_from(all.iter().position(|one| *one == name).unwrap()).unwrap();
    Ipv4Addr::new(10, at(NAMES, namespace), 0, at(PODS, pod) + 1).into()
}

/// Each namespace is a node of its own; port 80 of TCP is named `web`.
fn world() -> World {
    let mut world = World::default();
    for namespace in NAMES {
        world.namespace(namespace, json!({"ns": namespace, "kubernetes.io/metadata.name": namespace}));
        for pod in PODS {
            world.pod(namespace, pod, namespace, json!({"pod": pod}), &ip((namespace, pod)).to_string(), 80);
        }
    }
    world
}

/// What all nodes are told.
struct Told {
    policies: BTreeMap<&'static str, Vec<ResolvedPolicy>>,
    sets: BTreeMap<String, Vec<IpAddr>>,
}

impl Told {
    fn of(world: &World) -> Told {
        let policies: BTreeMap<&'static str, Vec<ResolvedPolicy>> =
            NAMES.iter().map(|node| (*node, world.on(node))).collect();
        let mut sets = BTreeMap::new();
        for (node, policy) in policies.iter().flat_map(|(node, all)| all.iter().map(move |policy| (node, policy))) {
            for rule in policy.ingress.iter().chain(&policy.egress) {
                for name in rule.sets.iter().chain(rule.ports.iter().filter_map(|port| port.to_set.as_ref())) {
                    let ips = world.set(node, name).iter().map(|ip| ip.parse().unwrap()).collect();
                    sets.insert(name.clone(), ips);
                }
            }
        }
        Told { policies, sets }
    }

    fn fits(&self, rule: &ResolvedRule, (peer, to): (IpAddr, IpAddr), flow: Flow) -> bool {
        let in_set = |name: &String, ip: IpAddr| self.sets[name].contains(&ip);
        let in_net = |text: &String| text.parse::<Cidr>().unwrap().contains(peer);
        let is_peer = (rule.sets.is_empty() && rule.blocks.is_empty())
            || rule.sets.iter().any(|name| in_set(name, peer))
            || rule.blocks.iter().any(|block| in_net(&block.cidr) && !block.except.iter().any(in_net));
        let is_port = |port: &ResolvedPort| {
            let is_number = port.port.is_none_or(|first| (first..=port.end_port.unwrap_or(first)).contains(&flow.port));
            port.protocol == flow.protocol && is_number && port.to_set.as_ref().is_none_or(|name| in_set(name, to))
        };
        is_peer && (rule.ports.is_empty() || rule.ports.iter().any(is_port))
    }

    /// Whether both ends let a connection pass, each on its own node.
    fn passes(&self, flow: Flow) -> bool {
        let (from, to) = (ip(flow.from), ip(flow.to));
        let lets = |node: &str, pod: IpAddr, peer: IpAddr, way: Direction| {
            let of_pod = |policy: &&ResolvedPolicy| policy.pods.contains(&pod) && policy.policy_types.contains(&way);
            let policies: Vec<&ResolvedPolicy> = self.policies[node].iter().filter(of_pod).collect();
            let mut rules = policies.iter().flat_map(|policy| match way {
                Direction::Ingress => &policy.ingress,
                Direction::Egress => &policy.egress,
            });
            policies.is_empty() || rules.any(|rule| self.fits(rule, (peer, to), flow))
        };
        lets(flow.to.0, to, from, Direction::Ingress) && lets(flow.from.0, from, to, Direction::Egress)
    }
}

fn check(world: &World, what: &str, expect: impl Fn(Flow) -> bool) {
    let told = Told::of(world);
    let pods = || NAMES.iter().flat_map(|namespace| PODS.iter().map(move |pod| (*namespace, *pod)));
    for (from, to) in pods().flat_map(|from| pods().filter(move |to| *to != from).map(move |to| (from, to))) {
        for (protocol, port) in [("TCP", 80), ("TCP", 81), ("UDP", 80), ("UDP", 81), ("SCTP", 80)] {
            let flow = Flow { from, to, protocol, port };
            assert_eq!(told.passes(flow), expect(flow), "{what}: {flow:?}");
        }
    }
}

/// A policy for pod `x/a`.
fn of_a(rest: Value) -> Value {
    let mut spec = rest;
    spec["podSelector"] = json!({"matchLabels": {"pod": "a"}});
    spec
}

fn from(peers: Value) -> Value {
    of_a(json!({"ingress": [{"from": peers}]}))
}

fn pod(name: &str) -> Value {
    json!({"podSelector": {"matchLabels": {"pod": name}}})
}

fn space(name: &str) -> Value {
    json!({"namespaceSelector": {"matchLabels": {"ns": name}}})
}

type Expect = Box<dyn Fn(Flow) -> bool>;

type Case = (&'static str, Vec<Value>, Expect);

const A: (&str, &str) = ("x", "a");

/// Policies of namespace `x` on who comes in, and which connections pass.
fn peers() -> Vec<Case> {
    let everybody = json!({"podSelector": {}, "policyTypes": ["Ingress"]});
    let both = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
    let expression = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
    let named = |name: &str| json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}});
    let and =
        json!([{"namespaceSelector": expression("ns", "NotIn", &["x"]), "podSelector": {"matchLabels": {"pod": "b"}}}]);
    let many = json!([{"namespaceSelector": {"matchLabels": {"ns": "y"}}, "podSelector": expression("pod", "In", &["a", "b"])},
        {"namespaceSelector": {"matchLabels": {"ns": "z"}}, "podSelector": {"matchLabels": {"pod": "c"}}}]);
    vec![
        ("nothing comes in", vec![everybody.clone()], Box::new(|f| f.to.0 != "x")),
        ("nothing comes in or goes out", vec![both.clone()], Box::new(|f| f.to.0 != "x" && f.from.0 != "x")),
        (
            "one may be reached",
            vec![everybody.clone(), of_a(json!({"ingress": [{}]}))],
            Box::new(|f| f.to.0 != "x" || f.to == A),
        ),
        ("pods of its own namespace", vec![from(json!([pod("b")]))], Box::new(|f| f.to != A || f.from == ("x", "b"))),
        ("all namespaces", vec![from(json!([{"namespaceSelector": {}}]))], Box::new(|_| true)),
        (
            "all pods are those of its own",
            vec![from(json!([{"podSelector": {}}]))],
            Box::new(|f| f.to != A || f.from.0 == "x"),
        ),
        ("another namespace", vec![from(json!([space("y")]))], Box::new(|f| f.to != A || f.from.0 == "y")),
        ("a namespace by its name", vec![from(json!([named("z")]))], Box::new(|f| f.to != A || f.from.0 == "z")),
        (
            "pods by an expression",
            vec![from(json!([{"podSelector": expression("pod", "In", &["b"])}]))],
            Box::new(|f| f.to != A || f.from == ("x", "b")),
        ),
        (
            "namespaces by an expression",
            vec![from(json!([{"namespaceSelector": expression("ns", "NotIn", &["x", "y"])}]))],
            Box::new(|f| f.to != A || f.from.0 == "z"),
        ),
        (
            "either of two peers",
            vec![from(json!([pod("b"), space("y")]))],
            Box::new(|f| f.to != A || f.from == ("x", "b") || f.from.0 == "y"),
        ),
        ("both of two selectors", vec![from(and)], Box::new(|f| f.to != A || (f.from.0 != "x" && f.from.1 == "b"))),
        (
            "several pairs of selectors",
            vec![from(many)],
            Box::new(|f| f.to != A || (f.from.0 == "y" && f.from.1 != "c") || f.from == ("z", "c")),
        ),
        ("all is more than nothing", vec![everybody, json!({"podSelector": {}, "ingress": [{}]})], Box::new(|_| true)),
    ]
}

/// The same on which ports they reach.
fn ports() -> Vec<Case> {
    let on = |port: Value| of_a(json!({"ingress": [{"from": [space("y")], "ports": [port]}]}));
    let only = |port: Value| of_a(json!({"ingress": [{"ports": [port]}]}));
    vec![
        (
            "a port",
            vec![on(json!({"port": 81}))],
            Box::new(|f| f.to != A || (f.from.0 == "y" && (f.protocol, f.port) == ("TCP", 81))),
        ),
        (
            "policies that add up",
            vec![on(json!({"port": 81})), on(json!({"port": 80, "protocol": "UDP"}))],
            Box::new(|f| f.to != A || (f.from.0 == "y" && [("TCP", 81), ("UDP", 80)].contains(&(f.protocol, f.port)))),
        ),
        (
            "a range of ports",
            vec![only(json!({"port": 70, "endPort": 80}))],
            Box::new(|f| f.to != A || (f.protocol, f.port) == ("TCP", 80)),
        ),
        (
            "a port by its name",
            vec![only(json!({"port": "web"}))],
            Box::new(|f| f.to != A || (f.protocol, f.port) == ("TCP", 80)),
        ),
        ("a name is of one protocol", vec![only(json!({"port": "web", "protocol": "UDP"}))], Box::new(|f| f.to != A)),
        ("all of a protocol", vec![only(json!({"protocol": "UDP"}))], Box::new(|f| f.to != A || f.protocol == "UDP")),
        (
            "SCTP is not TCP",
            vec![only(json!({"port": 80, "protocol": "SCTP"}))],
            Box::new(|f| f.to != A || f.protocol == "SCTP"),
        ),
    ]
}

/// The same on who goes out.
fn ways_out() -> Vec<Case> {
    let out = |peers: Value| of_a(json!({"policyTypes": ["Egress"], "egress": [{"to": peers}]}));
    let net = json!([{"ipBlock": {"cidr": "10.1.0.0/16", "except": ["10.1.0.2/32"]}}]);
    vec![
        (
            "all goes out",
            vec![json!({"podSelector": {}, "policyTypes": ["Egress"]}), out(json!([]))],
            Box::new(|f| f.from.0 != "x" || f.from == A),
        ),
        ("out to a pod", vec![out(json!([pod("b")]))], Box::new(|f| f.from != A || f.to == ("x", "b"))),
        ("out to pods elsewhere", vec![out(json!([space("y")]))], Box::new(|f| f.from != A || f.to.0 == "y")),
        (
            "out to a port by its name",
            vec![of_a(json!({"policyTypes": ["Egress"], "egress": [{"ports": [{"port": "web"}]}]}))],
            Box::new(|f| f.from != A || (f.protocol, f.port) == ("TCP", 80)),
        ),
        (
            "in and out at once",
            vec![of_a(json!({"ingress": [{"from": [space("y")]}], "egress": [{"to": [space("z")]}],
                "policyTypes": ["Ingress", "Egress"]}))],
            Box::new(|f| (f.to != A || f.from.0 == "y") && (f.from != A || f.to.0 == "z")),
        ),
        (
            "a network without a part",
            vec![out(net.clone())],
            Box::new(|f| f.from != A || (f.to.0 == "y" && f.to.1 != "b")),
        ),
        (
            "a part that another policy names",
            vec![out(net), out(json!([{"ipBlock": {"cidr": "10.1.0.2/32"}}]))],
            Box::new(|f| f.from != A || f.to.0 == "y"),
        ),
    ]
}

#[test]
fn who_reaches_whom() {
    for (what, policies, expect) in peers().into_iter().chain(ports()).chain(ways_out()) {
        let mut world = world();
        for (at, spec) in policies.into_iter().enumerate() {
            world.policy("x", &format!("p{at}"), spec);
        }
        check(&world, what, expect);
    }
}

/// Either end can refuse; labels and policies count as they are now.
#[test]
fn who_reaches_whom_after_changes() {
    let mut world = world();
    let (server, client) = (("x", "a"), ("y", "b"));
    world.policy(
        "x",
        "in",
        from(
            json!([{"namespaceSelector": {"matchLabels": {"ns": "y"}}, "podSelector": {"matchLabels": {"pod": "b"}}}]),
        ),
    );
    check(&world, "let in", |f| f.to != server || f.from == client);
    world.policy("y", "out", json!({"podSelector": {"matchLabels": {"pod": "b"}}, "policyTypes": ["Egress"]}));
    check(&world, "not let out", |f| f.to != server && f.from != client);
    world.policy("y", "out", json!({"podSelector": {"matchLabels": {"pod": "b"}}, "policyTypes": ["Egress"], "egress": [{"to": [space("x")]}]}));
    check(&world, "a changed policy", |f| (f.to != server || f.from == client) && (f.from != client || f.to.0 == "x"));
    world.pod("y", "b", "y", json!({"pod": "other"}), &ip(client).to_string(), 80);
    check(&world, "a pod of other labels", |f| f.to != server);
    world.namespace("z", json!({"ns": "y"}));
    check(&world, "a namespace of other labels", |f| f.to != server || f.from == ("z", "b"));
    world.pod("x", "a", "x", json!({}), &ip(server).to_string(), 80);
    check(&world, "nobody is selected any more", |_| true);
}
