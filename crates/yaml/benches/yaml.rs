//! Generated manifests to figures: how fast they are read, written and located.
//!
//! `cargo bench -p masthead-yaml --bench yaml`

use std::fmt::Write as _;
use std::time::Instant;

use masthead_yaml::limits::Limits;
use masthead_yaml::{emit, parse};

fn manifests(count: usize) -> String {
    let mut out = String::new();
    for i in 0..count {
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "---\n# Application {i}\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{i}\n  namespace: team-{}\n  labels:\n    \
             app.kubernetes.io/name: app-{i}\n    app.kubernetes.io/version: \"1.{i}.0\"\n    tier: backend\nspec:\n  replicas: {}\n  selector:\n    \
             matchLabels:\n      app.kubernetes.io/name: app-{i}\n  template:\n    metadata:\n      labels:\n        app.kubernetes.io/name: app-{i}\n    \
             spec:\n      securityContext:\n        runAsNonRoot: true\n        fsGroup: 1000\n      containers:\n        - name: main\n          \
             image: registry.example.com/team/app:{i}\n          args: [\"--port=8080\", \"--verbose\"]\n          ports:\n            - name: http\n              \
             containerPort: 8080\n          env:\n            - name: LOG_LEVEL\n              value: info\n            - name: GREETING\n              \
             value: 'hello, world'\n          resources:\n            requests: {{cpu: 100m, memory: 128Mi}}\n            limits:\n              \
             memory: 256Mi\n          readinessProbe:\n            httpGet:\n              path: /healthz\n              port: http\n            \
             periodSeconds: 10\n      volumes:\n        - name: config\n          configMap:\n            name: app-{i}\n---\napiVersion: v1\nkind: ConfigMap\n\
             metadata:\n  name: app-{i}\ndata:\n  app.conf: |\n    listen = 0.0.0.0:8080\n    workers = 4\n\n    [log]\n    level = \"info\"\n  extra: >-\n    \
             folded over\n    two lines\n",
            i % 10,
            i % 5 + 1
        );
    }
    out
}

/// Best of several rounds, in MB/s of `bytes`.
fn rate(bytes: usize, mut run: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
    }
    bytes as f64 / best / 1e6
}

fn main() {
    let limits = Limits::default();
    let text = manifests(2900);
    let (documents, errors) = parse::documents(text.as_bytes(), &limits);
    println!("{} bytes, {} documents, {} faults", text.len(), documents.len(), errors.len());
    println!("read      {:7.1} MB/s", rate(text.len(), || drop(parse::documents(text.as_bytes(), &limits))));
    println!(
        "locate    {:7.1} MB/s",
        rate(text.len(), || {
            for document in &documents {
                drop(parse::positions(text.as_bytes(), document, &limits));
            }
        })
    );
    let written: usize = documents.iter().map(|document| emit::to_string(&document.value).len()).sum();
    println!(
        "write     {:7.1} MB/s",
        rate(written, || {
            for document in &documents {
                drop(emit::to_string(&document.value));
            }
        })
    );
    let json: Vec<String> = documents.iter().map(|document| document.value.to_string()).collect();
    let bytes = json.iter().map(String::len).sum();
    println!(
        "json read {:7.1} MB/s",
        rate(bytes, || {
            for text in &json {
                let _ = masthead_yaml::json::parse(text.as_bytes(), &limits);
            }
        })
    );
}
