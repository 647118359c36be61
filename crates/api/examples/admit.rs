//! How fast manifests are admitted: 10,000 Deployments of one container, decoded, defaulted and validated on one core.
//! Run: `cargo run --release -p masthead-api --example admit`.

use std::time::Instant;

use masthead_api::admit;
use serde_json::{Value, json};

const COUNT: usize = 10_000;

fn manifest(i: usize) -> Value {
    let name = format!("web-{i}");
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{
                "name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}],
                "env": [{"name": "LEVEL", "value": "debug"}, {"name": "PORT", "value": "8080"}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
                "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
                "volumeMounts": [{"name": "conf", "mountPath": "/etc/web"}],
            }], "volumes": [{"name": "conf", "configMap": {"name": "web"}}]},
        }},
    })
}

fn main() {
    let manifests: Vec<Value> = (0..COUNT).map(manifest).collect();
    let bytes: usize = manifests.iter().map(|m| m.to_string().len()).sum();
    let start = Instant::now();
    let mut objects = Vec::with_capacity(COUNT);
    for value in manifests {
        objects.push(admit::create(value, "default").expect("the manifest is valid"));
    }
    let created = start.elapsed();
    let start = Instant::now();
    for object in &objects {
        admit::update(object, object.clone()).expect("an object may replace itself");
    }
    let updated = start.elapsed();
    println!(
        "{COUNT} objects, {} bytes each: create {:.1} us, update {:.1} us an object",
        bytes / COUNT,
        created.as_secs_f64() * 1e6 / COUNT as f64,
        updated.as_secs_f64() * 1e6 / COUNT as f64
    );
}
