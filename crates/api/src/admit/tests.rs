//! Properties of admission that hold for every object: it is stable, total, and hides nothing.

use serde_json::{Map, Value, json};

use crate::admit::{create, update};

/// One manifest of each supported kind, with most of what it can hold.
fn manifests() -> Vec<Value> {
    let container = json!({
        "name": "app", "image": "app:1", "command": ["a"], "ports": [{"containerPort": 80, "name": "http"}],
        "env": [{"name": "A", "value": "b"}, {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "resources": {"limits": {"cpu": "1500m", "memory": "0.5Gi"}},
        "readinessProbe": {"httpGet": {"port": "http"}}, "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        "securityContext": {"runAsUser": 1000, "capabilities": {"drop": ["ALL"]}},
    });
    let spec = json!({
        "containers": [container], "volumes": [{"name": "v", "configMap": {"name": "c"}}],
        "tolerations": [{"operator": "Exists"}], "nodeSelector": {"disk": "ssd"},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1,
            "podAffinityTerm": {"topologyKey": "host", "labelSelector": {"matchLabels": {"a": "b"}}}}]}},
    });
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": spec});
    let mut job = json!({"template": template, "completionMode": "Indexed", "completions": 3, "backoffLimitPerIndex": 1,
        "podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
            {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [1, 2]}}]},
        "successPolicy": {"rules": [{"succeededIndexes": "0,2", "succeededCount": 1}]}});
    job["template"]["spec"]["restartPolicy"] = "Never".into();
    let workload = json!({"selector": {"matchLabels": {"a": "b"}}, "template": template});
    let of = |api_version: &str, kind: &str, rest: Value| {
        let mut map = Map::new();
        map.insert("apiVersion".into(), api_version.into());
        map.insert("kind".into(), kind.into());
        map.insert("metadata".into(), json!({"name": "x", "labels": {"a": "b"}}));
        map.extend(rest.as_object().cloned().unwrap_or_default());
        Value::Object(map)
    };
    let mut all = vec![
        of("v1", "Namespace", json!({})),
        of("v1", "Node", json!({"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}})),
        of("v1", "ServiceAccount", json!({"imagePullSecrets": [{"name": "s"}]})),
        of("v1", "Secret", json!({"stringData": {"a": "b"}, "data": {"c": "Zm9v"}})),
        of("v1", "ConfigMap", json!({"data": {"a": "b"}, "binaryData": {"c": "Zm9v"}})),
        of("v1", "Service", json!({"spec": {"selector": {"a": "b"}, "type": "NodePort", "ports": [{"port": 80}]}})),
        of(
            "v1",
            "Endpoints",
            json!({"subsets": [{"addresses": [{"ip": "192.0.2.1", "nodeName": "n"}], "ports": [{"port": 80}]}]}),
        ),
        of(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            json!({"addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": true},
                "hints": {"forZones": [{"name": "z"}]}}], "ports": [{"port": 80}]}),
        ),
        of(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            json!({"spec": {"podSelector": {"matchLabels": {"a": "b"}}, "egress": [{"ports": [{"port": "dns"}],
                "to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}]}}),
        ),
        of(
            "networking.k8s.io/v1",
            "IngressClass",
            json!({"spec": {"controller": "a.b/c", "parameters": {"kind": "K", "name": "n"}}}),
        ),
        of(
            "networking.k8s.io/v1",
            "Ingress",
            json!({"spec": {"tls": [{"hosts": ["*.a.b"], "secretName": "s"}], "rules": [{"host": "*.a.b", "http": {"paths": [
                {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}}),
        ),
        of("v1", "Pod", json!({"spec": spec})),
        of("apps/v1", "ReplicaSet", json!({"spec": workload})),
        of("apps/v1", "Deployment", json!({"spec": workload})),
        of("batch/v1", "Job", json!({"spec": job})),
        of("coordination.k8s.io/v1", "Lease", json!({"spec": {"renewTime": "2026-01-02T03:04:05.000006Z"}})),
        of(
            "v1",
            "Event",
            json!({"involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"}, "reason": "R"}),
        ),
    ];
    all.extend(crate::validate::gateway::tests::manifests());
    all
}

/// A generator of its own, so that a failing seed replays.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}

/// Replaces, removes or adds something somewhere.
fn mutate(value: &mut Value, random: &mut Random) {
    let strange = || {
        vec![
            json!(null),
            json!(-1),
            json!(0),
            json!(1.5),
            json!(99_999_999_999_i64),
            json!(""),
            json!("a b"),
            json!("\u{0}é"),
            json!([]),
            json!([null]),
            json!({}),
            json!({"a": null}),
            json!(true),
            json!("x".repeat(300)),
            json!("../.."),
            json!("10%"),
            json!("1Gi"),
            json!([{"name": "a"}, {"name": "a"}]),
            json!("2026-01-01T00:00:00Z"),
        ]
    };
    match value {
        Value::Object(map) if !map.is_empty() && random.next(4) > 0 => {
            let key = map.keys().nth(random.next(map.len())).cloned().unwrap_or_default();
            match random.next(6) {
                0 => {
                    map.remove(&key);
                }
                1 => {
                    let mut odd = strange();
                    map.insert(format!("{key}x"), odd.swap_remove(random.next(odd.len())));
                }
                _ => mutate(&mut map[&key], random),
            }
        }
        Value::Array(list) if !list.is_empty() && random.next(4) > 0 => {
            let at = random.next(list.len());
            match random.next(4) {
                0 => {
                    let copy = list[at].clone();
                    list.push(copy);
                }
                _ => mutate(&mut list[at], random),
            }
        }
        other => {
            let mut odd = strange();
            *other = odd.swap_remove(random.next(odd.len()));
        }
    }
}

#[test]
fn what_is_admitted_is_admitted_again_unchanged() {
    for manifest in manifests() {
        let once = create(manifest.clone(), "default").unwrap_or_else(|p| panic!("{p:?}"));
        assert_eq!(create(once.clone(), "other"), Ok(once.clone()), "create twice: {manifest}");
        assert_eq!(update(&once, once.clone()), Ok(once.clone()), "update by itself: {manifest}");
        let mut plain = manifest;
        plain["metadata"]["namespace"] = once["metadata"]["namespace"].clone();
        assert_eq!(update(&once, plain.clone()), Ok(once), "update by its manifest: {plain}");
    }
}

#[test]
fn no_input_makes_it_panic_and_admitted_ones_stay() {
    let base = manifests();
    let (mut admitted, mut refused) = (0, 0);
    for seed in 1..=6_000 {
        let mut random = Random(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15));
        let mut value = base[random.next(base.len())].clone();
        for _ in 0..=random.next(4) {
            mutate(&mut value, &mut random);
        }
        match create(value.clone(), "default") {
            Ok(once) => {
                admitted += 1;
                assert_eq!(create(once.clone(), "default").as_ref(), Ok(&once), "seed {seed}: {value}");
                let _ = update(&once, base[random.next(base.len())].clone());
            }
            Err(problems) => {
                refused += 1;
                assert!(!problems.is_empty(), "seed {seed}");
            }
        }
    }
    assert!(admitted > 100 && refused > 500, "{admitted} admitted, {refused} refused");
}

#[test]
fn unknown_fields_and_broken_rules_come_together() {
    let value = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "Web"},
        "spec": {"containers": [{"name": "a", "imag": "nignx"}], "restartPolicy": "Sometimes"},
    });
    let problems = create(value, "default").unwrap_err();
    let paths: Vec<&str> = problems.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(paths, ["spec.containers[0].imag", "metadata.name", "spec.containers[0].image", "spec.restartPolicy"]);
    assert_eq!(problems[0].hint.as_deref(), Some("image"));
}

#[test]
fn generations_count_changes_of_the_spec() {
    let deployment = manifests().into_iter().find(|m| m["kind"] == "Deployment").unwrap();
    let old = create(deployment.clone(), "default").unwrap();
    let mut new = deployment;
    new["spec"]["replicas"] = 3.into();
    let after = update(&old, new).unwrap();
    assert_eq!((&old["metadata"]["generation"], &after["metadata"]["generation"]), (&json!(1), &json!(2)));
    // Of a slice labels count too, and its annotations do not.
    let slice = manifests().into_iter().find(|m| m["kind"] == "EndpointSlice").unwrap();
    let old = create(slice, "default").unwrap();
    for (field, expect) in [("labels", 2), ("annotations", 1)] {
        let mut new = old.clone();
        new["metadata"][field] = json!({"other": "x"});
        assert_eq!(update(&old, new).unwrap()["metadata"]["generation"], json!(expect), "{field}");
    }
}
