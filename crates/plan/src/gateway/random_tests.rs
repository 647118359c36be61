//! Random clusters, changed bit by bit: what follows from each change alone is what follows from all at once.

use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::GATEWAY;
use serde_json::{Value, json};

use crate::gateway::tests::{GROUP, World, grant, object, secret, service};

/// A generator of its own, so that a failing seed replays.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

fn any_gateway(random: &mut Random, namespace: &str) -> Value {
    let count = 1 + random.below(3);
    let listeners: Vec<Value> = (0..count)
        .map(|i| {
            let protocol = random.of(&["HTTP", "HTTP", "HTTPS", "TCP"]);
            let mut one = json!({"name": format!("l{i}"), "port": ([80, 443, 8080, 30_001][random.below(4)]), "protocol": protocol,
                "allowedRoutes": {"namespaces": {"from": random.of(&["Same", "All", "Selector"]),
                    "selector": {"matchLabels": {"team": "x"}}}}});
            if protocol != "TCP" && random.below(2) == 0 {
                one["hostname"] = random.of(&["a.b", "*.b", "c"]).into();
            }
            if protocol == "HTTPS" {
                one["tls"] = json!({"certificateRefs": [{"name": "s", "namespace": random.of(&["n", "m"])}]});
            }
            one
        })
        .collect();
    let class = random.of(&["masthead", "masthead", "ours", "foreign"]);
    let name = random.of(&["g", "h"]);
    object("Gateway", namespace, name, json!({"gatewayClassName": class, "listeners": listeners}))
}

fn any_object(random: &mut Random) -> Value {
    let namespace = random.of(&["n", "m"]);
    match random.below(12) {
        0 | 1 => any_gateway(random, namespace),
        2..=5 => {
            let kind = random.of(&["HTTPRoute", "HTTPRoute", "GRPCRoute"]);
            let mut parent = json!({"name": random.of(&["g", "h"]), "namespace": random.of(&["n", "m"])});
            if random.below(3) == 0 {
                parent["sectionName"] = random.of(&["l0", "l1"]).into();
            }
            let hosts: Vec<&str> = (0..random.below(3)).map(|_| random.of(&["a.b", "*.b", "c", "x.a.b"])).collect();
            let to = json!({"name": random.of(&["web", "api"]), "namespace": random.of(&["n", "m"]), "port": 80});
            object(
                kind,
                namespace,
                random.of(&["r", "q"]),
                json!({"parentRefs": [parent], "hostnames": hosts,
                "rules": [{"backendRefs": [to]}]}),
            )
        }
        6 => grant(
            namespace,
            random.of(&["HTTPRoute", "GRPCRoute", "Gateway"]),
            random.of(&["n", "m"]),
            random.of(&["Service", "Secret"]),
        ),
        7 | 8 => {
            let mut one = service(namespace, random.of(&["web", "api"]));
            if random.below(3) == 0 {
                one["spec"]["type"] = "LoadBalancer".into();
                one["spec"]["ports"] =
                    json!([{"port": ([80, 8080][random.below(2)]), "nodePort": 30_001 + random.below(2)}]);
            }
            one
        }
        9 => secret(namespace, "s"),
        10 => json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace,
            "labels": {"team": random.of(&["x", "y"])}}}),
        _ => {
            let mut spec = json!({"controllerName": random.of(&["masthead.dev/gateway", "x.y/z"])});
            if random.below(4) == 0 {
                spec["parametersRef"] = json!({"group": "", "kind": "ConfigMap", "name": "c"});
            }
            object("GatewayClass", "", random.of(&["ours", "foreign"]), spec)
        }
    }
}

#[test]
fn bit_by_bit_is_as_all_at_once() {
    let (mut routes, mut gateways) = (0, 0);
    for seed in 1..=60_u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut world = World::new();
        for step in 0..40 {
            let ours = |key: &&ObjectKey| {
                key.kind.info().group == GROUP || ["services", "secrets"].contains(&key.kind.info().plural)
            };
            let keys: Vec<ObjectKey> = world
                .cluster
                .objects()
                .map(|object| object.key())
                .filter(ours)
                .filter(|key| !crate::service::system::is_made_here(key))
                .cloned()
                .collect();
            if random.below(4) == 0 && !keys.is_empty() {
                world.gone(keys[random.below(keys.len())].clone());
            } else {
                world.cx.now = world.cx.now.plus(1);
                let value = any_object(&mut random);
                // What may not change is left as it is.
                if let Ok(value) = world.try_create(value) {
                    world.put(value);
                }
            }
            world.check_whole(&format!("seed {seed} step {step}"));
            routes += usize::from(world.nodes.keys().any(|key| key.kind != GATEWAY));
            gateways += usize::from(world.nodes.keys().any(|key| key.kind == GATEWAY));
        }
    }
    assert!(routes > 100 && gateways > 300, "{routes} {gateways}: the cases are too poor");
}
